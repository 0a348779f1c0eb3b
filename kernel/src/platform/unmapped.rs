//! For systems where this crate does not map memory itself: the C library provides it.

use std::ptr::NonNull;

/// None here.
pub(crate) fn map(_: usize, _: usize) -> Option<NonNull<u8>> {
    None
}

/// Nothing was mapped.
pub(crate) unsafe fn unmap(_: NonNull<u8>, _: usize) {}

/// Nothing was mapped.
pub(crate) unsafe fn free_lazily(_: NonNull<u8>, _: usize) {}

pub(crate) fn physical_memory() -> Option<usize> {
    None
}

/// Nothing is mapped by pages here.
pub(crate) fn page_size() -> usize {
    4096
}
