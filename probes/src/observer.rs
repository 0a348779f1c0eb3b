//! The pointer to the observer's table.

use crate::Observer;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

static OBSERVER: AtomicPtr<Observer> = AtomicPtr::new(ptr::null_mut());

/// Sets the observer that every probe of this process calls from now on, or removes it with `None`. A thread that is
/// inside a probe at that moment may still call the old one, so an observer has to live forever.
pub fn set_observer(observer: Option<&'static Observer>) {
    let pointer = observer.map_or(ptr::null_mut(), |observer| ptr::from_ref(observer).cast_mut());
    // Release: a thread that sees the pointer sees what it points to.
    OBSERVER.store(pointer, Ordering::Release);
}

/// The current observer, if any.
#[inline(always)]
pub(crate) fn get() -> Option<&'static Observer> {
    // SAFETY: the pointer is null or came from a `&'static Observer` in `set_observer`; no code writes through it.
    unsafe { OBSERVER.load(Ordering::Acquire).as_ref() }
}
