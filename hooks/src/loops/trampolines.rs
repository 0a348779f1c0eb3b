//! One function per slot, because a ufunc's loop gets no argument that says which loop it is.

use super::observe::{Slot, observe};
use std::collections::HashMap;
use std::ffi::{c_char, c_void};
use std::sync::LazyLock;

/// A ufunc's inner loop (`PyUFuncGenericFunction`). A loop in C++ may throw through whoever calls it.
pub(super) type LoopFn = unsafe extern "C-unwind" fn(
    args: *mut *mut c_char,
    dimensions: *const isize,
    steps: *const isize,
    data: *mut c_void,
);

/// The number of loops that can be observed. NumPy 2.4 with `numpy.linalg` and `numpy.fft` has about 950,
/// `scipy.special` over 1,000 more.
pub const CAPACITY: usize = 4096;

pub(super) static SLOTS: [Slot; CAPACITY] = [const { Slot::empty() }; CAPACITY];

unsafe extern "C-unwind" fn trampoline<const I: usize>(
    args: *mut *mut c_char,
    dimensions: *const isize,
    steps: *const isize,
    data: *mut c_void,
) {
    // SAFETY: NumPy calls a loop with what this loop's original takes; trampoline I is handed out only after
    // slot I holds its original.
    unsafe { observe(args, dimensions, steps, data, &SLOTS[I]) }
}

include!(concat!(env!("OUT_DIR"), "/trampolines.rs"));

/// The slot of a trampoline, if the function pointer is one.
pub(super) fn slot_of(function: *const c_void) -> Option<usize> {
    static ALL: LazyLock<HashMap<usize, usize>> =
        LazyLock::new(|| TRAMPOLINES.iter().enumerate().map(|(slot, t)| (*t as usize, slot)).collect());
    ALL.get(&(function as usize)).copied()
}
