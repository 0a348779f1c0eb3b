//! The operation itself.

use std::mem::MaybeUninit;

use crate::buffer::Buffer;
use crate::choice::{Choice, Place, Plan, Request, plan};
use crate::element::Element;
use crate::trace::{self, Kind};
use crate::{Error, split};

/// src × factor in new memory: the result, and the branch taken.
///
/// Fails if the request cannot be met (the [`Error`] names the part), or with [`Error::OutOfMemory`].
pub fn scaled<T: Element>(src: &[T], factor: T, request: &Request) -> Result<(Buffer<T>, Choice), Error> {
    traced(src.len(), factor, Kind::Fresh, move || {
        let mut dst = Buffer::uninit_for(src.len(), src.as_ptr())?;
        let data = dst.as_mut_ptr().cast();
        // SAFETY: src is a slice of n elements, dst n elements of our own.
        let choice = unsafe { run(request, Place::Out, src.as_ptr(), data, src.len(), factor) }?;
        // SAFETY: `run` has written every element.
        Ok((unsafe { dst.assume_init() }, choice))
    })
}

/// dst\[i\] = src\[i\] × factor, into existing memory.
///
/// Fails with [`Error::Length`] if the lengths differ, or if the request cannot be met; dst is then unchanged.
#[inline(never)]
pub fn scale<T: Element>(src: &[T], factor: T, dst: &mut [T], request: &Request) -> Result<Choice, Error> {
    out(src, factor, dst.as_mut_ptr(), dst.len(), request, Kind::Out)
}

/// As [`scale`], into a fresh result's uninitialised memory. Every element is written when this returns `Ok`.
#[inline(never)]
pub fn scale_uninit<T: Element>(
    src: &[T],
    factor: T,
    dst: &mut [MaybeUninit<T>],
    request: &Request,
) -> Result<Choice, Error> {
    out(src, factor, dst.as_mut_ptr().cast(), dst.len(), request, Kind::Fresh)
}

/// data\[i\] = data\[i\] × factor.
///
/// Fails if the request cannot be met; data is then unchanged.
pub fn scale_in_place<T: Element>(data: &mut [T], factor: T, request: &Request) -> Result<Choice, Error> {
    let (pointer, n) = (data.as_mut_ptr(), data.len());
    traced(n, factor, Kind::InPlace, move || {
        // SAFETY: source and destination are the same n elements of one slice.
        unsafe { run(request, Place::In, pointer, pointer, n, factor) }
    })
}

/// One operation on n elements, between its probes and in its span.
#[inline]
fn traced<T: Element, R>(n: usize, factor: T, kind: Kind, work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    trace::scale(n, T::DTYPE.item_size(), factor.bits(), kind, work)
}

/// `dst` is the start of `len` elements that the caller has borrowed mutably.
#[inline(always)]
fn out<T: Element>(
    src: &[T],
    factor: T,
    dst: *mut T,
    len: usize,
    request: &Request,
    kind: Kind,
) -> Result<Choice, Error> {
    let n = src.len();
    if n != len {
        return unequal(n, len, factor, kind);
    }
    traced(n, factor, kind, move || {
        // SAFETY: both are slices of n elements, and a mutable borrow overlaps no other.
        unsafe { run(request, Place::Out, src.as_ptr(), dst, n, factor) }
    })
}

/// Separate from the operation, which then need not keep `destination_len` while its probes fire.
#[cold]
#[inline(never)]
fn unequal<T: Element>(source_len: usize, destination_len: usize, factor: T, kind: Kind) -> Result<Choice, Error> {
    traced(source_len, factor, kind, move || Err(Error::Length { source_len, destination_len }))
}

/// Decides and runs. Safety: as for `Loop`.
#[inline]
unsafe fn run<T: Element>(
    request: &Request,
    place: Place,
    src: *const T,
    dst: *mut T,
    n: usize,
    factor: T,
) -> Result<Choice, Error> {
    // The plan stays at its place: it is large, and moving it would cost more than the probes.
    match plan(request, place, n, factor) {
        Ok(ref plan) => {
            // SAFETY: passed on.
            unsafe { execute(plan, src, dst, n, factor) };
            Ok(plan.choice)
        }
        Err(error) => Err(error),
    }
}

/// Not inlined, so that it is compiled alike with and without probes. Safety: as for `Loop`.
#[inline(never)]
unsafe fn execute<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    let (from, to, bits) = (src as usize, dst as usize, factor.bits());
    let item_size = T::DTYPE.item_size();
    trace::backend(&plan.choice, n, from, to, bits, item_size, move || {
        // SAFETY: passed on.
        unsafe { split::run(plan, src, dst, n, factor) };
    });
}
