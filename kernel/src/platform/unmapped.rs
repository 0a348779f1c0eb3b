//! Memory of the process's own where this crate does not know how to map it: there is none, and the C library's serves.

use std::ptr::NonNull;

/// None here.
pub(crate) fn map(_: usize, _: usize) -> Option<NonNull<u8>> {
    None
}

/// Nothing was mapped.
pub(crate) unsafe fn unmap(_: NonNull<u8>, _: usize) {}

/// Nothing was mapped.
pub(crate) unsafe fn free_lazily(_: NonNull<u8>, _: usize) {}

/// Not asked for here.
pub(crate) fn physical_memory() -> Option<usize> {
    None
}
