//! Memory of the process's own, on every Unix.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// `bytes` of fresh memory, zeroed when it is touched, whose start is a multiple of `alignment`; both are multiples of
/// a page. None where there is no more.
pub(crate) fn map(bytes: usize, alignment: usize) -> Option<NonNull<u8>> {
    let spare = bytes.checked_add(alignment)?;
    // SAFETY: a new private mapping, where the kernel likes to have it: it touches no memory of anybody.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            spare,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    let before = (start as usize).wrapping_neg() % alignment;
    // SAFETY: `before` is under `alignment`, so what is kept and what is cut off on either side lie in the mapping
    // just made, which nobody else knows of.
    unsafe {
        let kept = start.byte_add(before);
        cut(start, before);
        cut(kept.byte_add(bytes), alignment - before);
        NonNull::new(kept.cast())
    }
}

/// Gives back a part of a mapping. Safety: nobody uses it any more.
unsafe fn cut(start: *mut c_void, bytes: usize) {
    if bytes > 0 {
        // SAFETY: the caller's promise; whole pages of a mapping of this process.
        unsafe { libc::munmap(start, bytes) };
    }
}

/// Gives all of it back.
///
/// # Safety
/// `start` and `bytes` are those of a [`map`], and nobody uses it any more.
pub(crate) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { cut(start.as_ptr().cast(), bytes) };
}

/// Lets the system take the pages back when it is short of memory. Until then they are as they were; what is read
/// afterwards is old or zero, and what is written stays (`madvise(2)`, MADV_FREE).
///
/// # Safety
/// `start` and `bytes` are those of a [`map`], whose contents nobody needs any more.
pub(crate) unsafe fn free_lazily(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's promise. A kernel that does not know the advice leaves the pages as they are.
    unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_FREE) };
}

/// Bytes of a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf takes any name and returns −1 for what it does not know; then the largest page is assumed.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(64 << 10)
}

/// Bytes of physical memory, where the system tells.
pub(crate) fn physical_memory() -> Option<usize> {
    // SAFETY: sysconf takes any name and returns −1 for what it does not know.
    let (pages, size) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    usize::try_from(pages).ok()?.checked_mul(usize::try_from(size).ok()?)
}
