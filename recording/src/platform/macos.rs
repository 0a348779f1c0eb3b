//! macOS.

use std::{fs::File, io, os::fd::AsRawFd};

use super::Mapping;

/// Apple's x86-64 machines all have a constant, synchronous counter.
#[cfg(target_arch = "x86_64")]
pub(crate) fn trusts_tsc() -> bool {
    true
}

/// The system-wide id of this thread, as Instruments shows it.
pub(crate) fn thread_id() -> u64 {
    let mut id = 0;
    // SAFETY: `id` is a valid place; thread 0 means this thread.
    unsafe { libc::pthread_threadid_np(0, &mut id) };
    id
}

/// Nothing to do: APFS keeps preallocated room for a file that is not cloned.
pub(crate) fn advise_new_file(_file: &File) {}

/// `F_PREALLOCATE` from the end of the allocated room, then the length.
pub(super) fn allocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut store = libc::fstore_t {
        fst_flags: libc::F_ALLOCATEALL,
        fst_posmode: libc::F_PEOFPOSMODE,
        fst_offset: 0,
        fst_length: (to - from) as libc::off_t,
        fst_bytesalloc: 0,
    };
    // SAFETY: `store` is a valid fstore_t that outlives the call; the descriptor is open.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PREALLOCATE, &mut store) } == -1 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ENOTSUP) {
            return Err(error);
        }
        // The shared code writes zeros in this case.
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    file.set_len(to)
}

/// macOS has no such advice: the shared code touches each page.
pub(super) fn populate(_address: *mut u8, _len: usize) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EINVAL))
}

/// Maps the same bytes of the file anew: no page of the fresh mapping is present. `MADV_DONTNEED` only ages pages here.
pub(super) fn release(mapping: &Mapping, file: Option<&File>, from: u64, to: u64) {
    let Some(file) = file else { return };
    let (address, len) = (mapping.at(from) as usize, (to - from) as usize);
    // SAFETY: the range is this crate's own mapping of exactly these bytes; the replacement is atomic, and a failure
    // leaves the old mapping in place.
    let _ = unsafe { super::map_file(file, address, len, from) };
}
