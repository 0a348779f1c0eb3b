//! The code of every wrapper around the call of its original: no lock, no allocation.

use crate::record::Running;
use raptors_recording::Encoded;
use raptors_routines::Width;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Whether calls are recorded: wrappers may be called after their slots were restored.
pub(super) static RECORDING: AtomicBool = AtomicBool::new(false);

/// The facts that a wrapper needs. Assigned once, before the wrapper's address is handed out.
pub(super) struct Instance {
    original: AtomicUsize,
    site: AtomicU32,
    /// Whether the library's integers have 32 bits.
    narrow: AtomicBool,
}

impl Instance {
    pub(super) const fn free() -> Self {
        Instance { original: AtomicUsize::new(0), site: AtomicU32::new(0), narrow: AtomicBool::new(false) }
    }

    pub(super) fn is_free(&self) -> bool {
        self.original.load(Ordering::Acquire) == 0
    }

    /// Whether it already stands for this function in this width.
    pub(super) fn serves(&self, original: usize, width: Width) -> bool {
        self.original.load(Ordering::Acquire) == original && self.narrow() == (width == Width::Lp64)
    }

    pub(super) fn assign(&self, original: usize, width: Width, site: u32) {
        self.narrow.store(width == Width::Lp64, Ordering::Relaxed);
        self.site.store(site, Ordering::Relaxed);
        self.original.store(original, Ordering::SeqCst);
    }

    #[inline(always)]
    pub(super) fn original(&self) -> *const () {
        self.original.load(Ordering::Relaxed) as *const ()
    }

    #[inline(always)]
    pub(super) fn recording(&self) -> bool {
        RECORDING.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn narrow(&self) -> bool {
        self.narrow.load(Ordering::Relaxed)
    }

    /// An integer by value in its own register or stack word: the upper half of a 32-bit one is undefined.
    #[allow(dead_code, reason = "Apple's arm64 has a wrapper per width instead")]
    #[inline(always)]
    pub(super) fn wide(&self, value: isize) -> isize {
        if self.narrow() { value as i32 as isize } else { value }
    }

    /// The integer of the library's width behind a pointer; 0 for a null pointer.
    ///
    /// # Safety
    /// The pointer is null or leads to such an integer.
    #[inline(always)]
    pub(super) unsafe fn integer(&self, pointer: *const c_void) -> isize {
        // SAFETY: as the caller promises.
        unsafe { if self.narrow() { load::<i32>(pointer) as isize } else { load::<isize>(pointer) } }
    }
}

/// The value behind a pointer, 0 behind null.
///
/// # Safety
/// The pointer is null or leads to a readable T, aligned or not.
#[inline(always)]
pub(super) unsafe fn load<T: Copy + Default>(pointer: *const c_void) -> T {
    if pointer.is_null() {
        return T::default();
    }
    // SAFETY: not null, so by the caller's promise a T.
    unsafe { pointer.cast::<T>().read_unaligned() }
}

/// Reads the clock and writes the record.
#[inline(always)]
pub(super) fn finish(running: Running, instance: &Instance, call: Encoded) {
    running.end(call, instance.site.load(Ordering::Relaxed));
}
