//! Separates page faults: fresh memory is touched, page by page, before its owner uses it.

use crate::platform;
use crate::record;
use raptors_recording::Touch;
use std::sync::atomic::{AtomicBool, Ordering};

/// Smaller allocations come from memory that was touched before, or fault once at most.
pub const SMALLEST: u64 = 64 << 10;

static ENABLED: AtomicBool = AtomicBool::new(false);

/// Switches touching on or off, for allocations of at least [`SMALLEST`] bytes that the `memory` and `kernel` observers
/// see.
///
/// While it is on, each such allocation is touched twice. The first pass takes the faults; the second has only the cost
/// of walking the pages. The `Touch` record's duration is their difference, and its faults are the minor faults that
/// the thread took in the first pass.
pub fn set(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// Touches `bytes` fresh bytes at `data`, if it is switched on and they are enough.
///
/// # Safety
/// The memory was just allocated, all `bytes` of it, and no code has stored anything there that is still to be read,
/// except zeros.
#[inline]
pub(crate) unsafe fn fresh(data: usize, bytes: u64) {
    if ENABLED.load(Ordering::Relaxed) && bytes >= SMALLEST && data != 0 {
        // SAFETY: as this function's caller promises.
        unsafe { both_passes(data, bytes) }
    }
}

#[cold]
unsafe fn both_passes(data: usize, bytes: u64) {
    let errno = platform::errno();
    let before = platform::minor_faults();
    let start = record::ticks();
    // SAFETY: as the caller of `fresh` promises.
    let pages = unsafe { pass(data, bytes as usize) };
    let middle = record::ticks();
    // SAFETY: the same memory once more.
    unsafe { pass(data, bytes as usize) };
    let end = record::ticks();
    let faults = platform::minor_faults().saturating_sub(before);
    let cost = (middle - start).saturating_sub(end - middle);
    let event = Touch { bytes, pages, faults, ticks: end - start };
    record::push(event, record::depth(), 0, start, start + cost);
    platform::set_errno(errno);
}

/// Stores a zero into the first byte of each page of the range; returns the number of pages.
///
/// # Safety
/// `bytes` bytes at `data` can be written, and nothing but zeros there is still to be read.
unsafe fn pass(data: usize, bytes: usize) -> u64 {
    let page = platform::page_size();
    let mut at = data;
    let mut pages = 0;
    while at < data + bytes {
        // SAFETY: `at` is inside the range, which the caller allows to be overwritten by zeros. A store, not a load and
        // a store: a load would first map the shared zero page and so take two faults.
        unsafe { (at as *mut u8).write_volatile(0) };
        at = (at | (page - 1)) + 1;
        pages += 1;
    }
    pages
}
