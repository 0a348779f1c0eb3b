//! Linux, and the parts that other Unix systems share with it.

use std::{fs::File, io, os::fd::AsRawFd};

use super::Mapping;

/// Whether the kernel itself trusts the time-stamp counter. A kernel that found the counter drifting between CPUs
/// switches to one of these slow clocks; with any other clock the counter is usable.
#[cfg(target_arch = "x86_64")]
pub(crate) fn trusts_tsc() -> bool {
    const NAME: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let current = std::fs::read_to_string(NAME).unwrap_or_default();
    !["hpet", "acpi_pm", "jiffies", "refined-jiffies"].contains(&current.trim())
}

/// The kernel's id of this thread.
pub(crate) fn thread_id() -> u64 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() as u64 }
}

/// Switches copy-on-write off for this file (btrfs), so that a later write cannot be refused: a copy-on-write file
/// system allocates an allocated block anew at each write. Best effort: other file systems refuse it, and do not need
/// it.
pub(crate) fn advise_new_file(file: &File) {
    const BTRFS: i64 = 0x9123_683E;
    const FS_NOCOW_FL: libc::c_int = 0x0080_0000;
    // SAFETY: all-zero is a valid statfs, filled by the call; the descriptor is open.
    unsafe {
        let mut about: libc::statfs = std::mem::zeroed();
        if libc::fstatfs(file.as_raw_fd(), &mut about) != 0 || about.f_type as i64 != BTRFS {
            return;
        }
        let mut flags: libc::c_int = 0;
        if libc::ioctl(file.as_raw_fd(), libc::FS_IOC_GETFLAGS, &mut flags) == 0 {
            flags |= FS_NOCOW_FL;
            libc::ioctl(file.as_raw_fd(), libc::FS_IOC_SETFLAGS, &flags);
        }
    }
}

/// `fallocate`, which also extends the file.
pub(super) fn allocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    let (offset, len) = (from as libc::off_t, (to - from) as libc::off_t);
    loop {
        // SAFETY: the descriptor is open; no memory is passed.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, len) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// `MADV_POPULATE_WRITE`, in Linux since 5.14; EINVAL before.
pub(super) fn populate(address: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: the advice maps pages of this crate's own mapping and changes no byte.
    match unsafe { libc::madvise(address.cast(), len, libc::MADV_POPULATE_WRITE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `MADV_DONTNEED` on a shared file mapping: unmaps pages, keeps their content in the page cache.
pub(super) fn release(mapping: &Mapping, _file: Option<&File>, from: u64, to: u64) {
    // SAFETY: for a shared mapping of a file the advice loses nothing; a later access faults the
    // page in again.
    unsafe { libc::madvise(mapping.at(from).cast(), (to - from) as usize, libc::MADV_DONTNEED) };
}
