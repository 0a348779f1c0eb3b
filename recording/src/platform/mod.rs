//! The differences between systems: the only home of `target_os` in this crate.

#[cfg(not(target_os = "macos"))]
#[path = "linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    os::unix::fs::FileExt,
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

#[cfg(target_arch = "x86_64")]
pub(crate) use system::trusts_tsc;
pub(crate) use system::{advise_new_file, thread_id};

use crate::layout::SEGMENT_BYTES;

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec, and this clock exists on every supported system.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The process's limit on the size of a file; `u64::MAX` if there is none. Growing a file beyond it is not an error but
/// a deadly signal (SIGXFSZ), so the writer stays below.
pub(crate) fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit.
    match unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } {
        0 if limit.rlim_cur != libc::RLIM_INFINITY => limit.rlim_cur,
        _ => u64::MAX,
    }
}

/// Registers `child`, which runs in every child of a fork before `fork` returns there.
pub(crate) fn at_fork_in_child(child: unsafe extern "C" fn()) -> io::Result<()> {
    // SAFETY: `child` is a plain function that stays loaded as long as this library does; the C
    // library forgets it when the library goes.
    match unsafe { libc::pthread_atfork(None, None, Some(child)) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Has the system call `leave` when this thread ends. Without an allocation in most processes: the thread's own memory
/// has room for the values of 32 keys. Best effort.
pub(crate) fn at_thread_end(leave: extern "C" fn()) {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    unsafe extern "C" fn destructor(leave: *mut libc::c_void) {
        // SAFETY: the value of this key is the function below, and the system passes it on.
        let leave = unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn()>(leave) };
        leave();
    }
    let key = KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is a valid place, and the destructor stays loaded as long as this library does.
        (unsafe { libc::pthread_key_create(&mut key, Some(destructor)) } == 0).then_some(key)
    });
    if let Some(key) = *key {
        // SAFETY: the key was created above and is never deleted.
        unsafe { libc::pthread_setspecific(key, leave as *const libc::c_void) };
    }
}

/// Blocks every signal on this thread while `f` runs, so that a thread spawned there blocks all signals: the target's
/// signal handlers never run on a thread that the target does not know.
pub(crate) fn without_signals<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: all-zero is a valid sigset_t, filled before use; both pointers outlive the calls.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = f();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut());
        result
    }
}

/// Allocates room on disk for the bytes `from..to` of the file, which read as zeros, and makes the file at least `to`
/// long. Nothing before `from` changes.
pub(crate) fn allocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    #[cfg(test)]
    if WITHOUT_FALLOCATE.load(Ordering::Relaxed) {
        return write_zeros(file, from, to);
    }
    match system::allocate(file, from, to) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL)) => {
            write_zeros(file, from, to)
        }
        other => other,
    }
}

/// Makes a test's file system one that cannot allocate.
#[cfg(test)]
pub(crate) static WITHOUT_FALLOCATE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Writes zeros over the bytes `from..to` of the file.
pub(crate) fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    const ZEROS: &[u8] = &[0; 256 * 1024];
    let mut at = from;
    while at < to {
        let n = ZEROS.len().min((to - at) as usize);
        file.write_all_at(&ZEROS[..n], at)?;
        at += n as u64;
    }
    Ok(())
}

/// The whole file mapped, shared, at a multiple of the segment size, so that the address alone shows the end of a
/// segment. Reserves address space only; touching memory beyond the file's end is deadly.
pub(crate) struct Mapping {
    base: *mut u8,
    len: usize,
}

// SAFETY: the mapping is plain memory that lives until the process ends; the writer's contract decides which thread may
// write where.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes (a multiple of the segment size) of `file` from its start.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Self> {
        let room = len.checked_add(SEGMENT_BYTES).ok_or(io::ErrorKind::InvalidInput)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
        // SAFETY: a fresh reservation at an address of the system's choice overlaps no existing memory.
        let reserved = unsafe { libc::mmap(ptr::null_mut(), room, libc::PROT_NONE, flags, -1, 0) };
        if reserved == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = reserved as usize;
        let base = start.next_multiple_of(SEGMENT_BYTES);
        // SAFETY: base..base+len is inside the reservation above, which no other code knows.
        if let Err(e) = unsafe { map_file(file, base, len, 0) } {
            // SAFETY: the reservation is ours and unused.
            unsafe { libc::munmap(reserved, room) };
            return Err(e);
        }
        let (before, after) = (base - start, start + room - (base + len));
        // SAFETY: the two edges belong to the reservation and not to the file's mapping.
        unsafe {
            if before > 0 {
                libc::munmap(reserved, before);
            }
            if after > 0 {
                libc::munmap((base + len) as *mut _, after);
            }
        }
        // A page that a record touches first brings no other pages with it.
        // SAFETY: advice about this crate's own mapping changes no byte.
        unsafe { libc::madvise(base as *mut _, len, libc::MADV_RANDOM) };
        Ok(Self { base: base as *mut u8, len })
    }

    /// The address of byte `offset` of the file.
    pub(crate) fn at(&self, offset: u64) -> *mut u8 {
        debug_assert!(offset <= self.len as u64);
        self.base.wrapping_add(offset as usize)
    }

    /// The offset in the file of an address from [`Mapping::at`].
    pub(crate) fn offset_of(&self, address: *const u8) -> u64 {
        (address as usize - self.base as usize) as u64
    }

    /// Makes the pages of `from..to` present and writable. The bytes must be inside the file. They may be in use
    /// meanwhile: none of them changes.
    pub(crate) fn populate(&self, from: u64, to: u64) -> io::Result<()> {
        match system::populate(self.at(from), (to - from) as usize) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                self.touch(from, to);
                Ok(())
            }
            other => other,
        }
    }

    /// As [`Mapping::populate`], one page at a time. The first word of every page is always accessed atomically (a
    /// record's tag or a segment's magic).
    fn touch(&self, from: u64, to: u64) {
        const SMALLEST_PAGE: usize = 4096;
        for offset in (from..to).step_by(SMALLEST_PAGE) {
            // SAFETY: the page lies in the mapping and in the file (caller), is aligned, and its
            // first word is only accessed as an atomic.
            let word = unsafe { AtomicU32::from_ptr(self.at(offset).cast()) };
            word.fetch_or(0, Ordering::Relaxed);
        }
    }

    /// Drops the pages of `from..to` from this process; the file keeps their contents.
    pub(crate) fn release(&self, file: Option<&File>, from: u64, to: u64) {
        system::release(self, file, from, to);
    }

    /// Releases the file. The memory below `end` becomes anonymous memory that nothing reads, so a record that a thread
    /// is still writing does no harm; the address space behind it is unmapped.
    ///
    /// # Safety
    /// No thread holds or will ever make a pointer at or beyond `end`.
    pub(crate) unsafe fn retire(&self, end: u64) {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the range is this crate's own mapping; it is replaced in one step, and after a failure the file stays
        // mapped, which is as good.
        unsafe { libc::mmap(self.base.cast(), end as usize, access, flags, -1, 0) };
        if end < self.len as u64 {
            // SAFETY: the range is the tail of our own mapping, and unused (caller).
            unsafe { libc::munmap(self.at(end).cast(), self.len - end as usize) };
        }
    }
}

/// Maps `len` bytes of the file from `offset` at `address`, over whatever is there.
///
/// # Safety
/// The range at `address` belongs to the caller.
unsafe fn map_file(file: &File, address: usize, len: usize, offset: u64) -> io::Result<()> {
    // SAFETY: the range belongs to the caller; the descriptor is open.
    let mapped = unsafe {
        libc::mmap(
            address as *mut _,
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_NORESERVE,
            file.as_raw_fd(),
            offset as libc::off_t,
        )
    };
    if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}
