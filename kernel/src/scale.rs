//! The operation itself.

use std::mem::MaybeUninit;

use crate::buffer::Buffer;
use crate::choice::{Choice, Place, Plan, Request, plan};
use crate::element::Element;
use crate::trace::{self, Kind};
use crate::{Error, split};

/// src × factor in new memory: the result, and the branch taken.
///
/// Fails where the request cannot be met (an [`Error`] says which part), or with
/// [`Error::OutOfMemory`].
pub fn scaled<T: Element>(
    src: &[T],
    factor: T,
    request: &Request,
) -> Result<(Buffer<T>, Choice), Error> {
    let mut traced = begin(src.len(), factor, Kind::Fresh);
    let plan = plan(request, Place::Out, src.len(), factor)?;
    let mut dst = Buffer::uninit(src.len())?;
    // SAFETY: src is a slice of n elements, dst n elements of our own.
    unsafe {
        run(
            &plan,
            src.as_ptr(),
            dst.as_mut_ptr().cast(),
            src.len(),
            factor,
        )
    };
    traced.ok = true;
    // SAFETY: `run` has written every element.
    Ok((unsafe { dst.assume_init() }, plan.choice))
}

/// dst\[i\] = src\[i\] × factor, into memory that is there already.
///
/// Fails with [`Error::Length`] where the two differ in length, or where the request cannot be met;
/// dst is then untouched.
pub fn scale<T: Element>(
    src: &[T],
    factor: T,
    dst: &mut [T],
    request: &Request,
) -> Result<Choice, Error> {
    out(src, factor, dst.as_mut_ptr(), dst.len(), request, Kind::Out)
}

/// As [`scale`], into a fresh result's memory that nobody has written yet. Every element is
/// written when this returns `Ok`.
pub fn scale_uninit<T: Element>(
    src: &[T],
    factor: T,
    dst: &mut [MaybeUninit<T>],
    request: &Request,
) -> Result<Choice, Error> {
    out(
        src,
        factor,
        dst.as_mut_ptr().cast(),
        dst.len(),
        request,
        Kind::Fresh,
    )
}

/// data\[i\] = data\[i\] × factor.
///
/// Fails where the request cannot be met; data is then untouched.
pub fn scale_in_place<T: Element>(
    data: &mut [T],
    factor: T,
    request: &Request,
) -> Result<Choice, Error> {
    let mut traced = begin(data.len(), factor, Kind::InPlace);
    let plan = plan(request, Place::In, data.len(), factor)?;
    let pointer = data.as_mut_ptr();
    // SAFETY: source and destination are the same n elements of one slice.
    unsafe { run(&plan, pointer, pointer, data.len(), factor) };
    traced.ok = true;
    Ok(plan.choice)
}

#[inline]
fn begin<T: Element>(n: usize, factor: T, kind: Kind) -> trace::Scale {
    trace::Scale::new(n, T::DTYPE.item_size(), factor.bits(), kind)
}

/// `dst` is the start of `len` elements that the caller has borrowed mutably.
fn out<T: Element>(
    src: &[T],
    factor: T,
    dst: *mut T,
    len: usize,
    request: &Request,
    kind: Kind,
) -> Result<Choice, Error> {
    let mut traced = begin(src.len(), factor, kind);
    if src.len() != len {
        return Err(Error::Length {
            source_len: src.len(),
            destination_len: len,
        });
    }
    let plan = plan(request, Place::Out, len, factor)?;
    // SAFETY: both are slices of n elements, and a mutable borrow overlaps no other.
    unsafe { run(&plan, src.as_ptr(), dst, len, factor) };
    traced.ok = true;
    Ok(plan.choice)
}

/// Safety: as for `Loop`.
unsafe fn run<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    let name = plan.choice.backend.name_c();
    trace::dispatch(&plan.choice, name, n);
    let (from, to) = (src as usize, dst as usize);
    let _traced = trace::Run::new(name, n, from, to, factor.bits(), T::DTYPE.item_size());
    // SAFETY: passed on.
    unsafe { split::run(plan, src, dst, n, factor) };
}
