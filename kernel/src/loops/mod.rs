//! The kernel's own loops: one multiplication per element, its operands in a fixed order.
//!
//! For two NaNs, x86 and Arm keep the payload of the *first* operand, and a compiler may swap the operands of `a * b`
//! (it does so to fold a load into the multiplication). The multiplication itself is therefore one assembly
//! instruction; the compiler generates everything around it. No loop touches the rounding mode, flush-to-zero or
//! denormals-are-zero. Lanes without an element are never multiplied, so the raised floating-point flags are those of
//! the elements.

#[cfg(target_arch = "aarch64")]
mod aarch64;
pub(crate) mod flags;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{detect, narrow_in_place, scalar, simd};
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use portable::{detect, narrow_in_place, scalar, simd};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{detect, narrow_in_place, scalar, simd};

/// dst[i] = src[i] × factor for i < n.
///
/// Safety, for every loop: `src` is readable and `dst` writable for n elements, both aligned to the element; they are
/// the same memory or do not overlap; the CPU has the features that the loop was compiled for.
pub type Loop<T> = unsafe fn(src: *const T, dst: *mut T, n: usize, factor: T);

/// Which operand of the multiplication comes first: its payload survives NaN × NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// element × factor
    ElementFirst,
    /// factor × element
    FactorFirst,
}

/// The kind of stores for results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stores {
    /// Into the caches, as ordinary stores do: the next reader of the result finds it there.
    Plain,
    /// Past the caches (non-temporal, "streaming"), on x86-64; on aarch64 a hint. The memory is not read before it is
    /// written, which saves a third of the traffic; the next reader of the result reads it from memory.
    Stream,
}

impl Stores {
    /// `plain`, `stream`.
    pub const fn name(self) -> &'static str {
        match self {
            Stores::Plain => "plain",
            Stores::Stream => "stream",
        }
    }
}

impl std::str::FromStr for Stores {
    type Err = crate::Error;

    /// Case-insensitive. Fails with [`Error::UnknownStores`](crate::Error::UnknownStores).
    fn from_str(text: &str) -> Result<Stores, crate::Error> {
        [Stores::Plain, Stores::Stream]
            .into_iter()
            .find(|stores| stores.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| crate::Error::UnknownStores { given: text.into() })
    }
}

/// The loops of one operation: the operands are swapped from the element `split` on.
#[derive(Clone, Copy)]
pub(crate) struct Loops<T> {
    pub(crate) element_first: Loop<T>,
    pub(crate) factor_first: Loop<T>,
    pub(crate) split: usize,
}

impl<T: Copy> Loops<T> {
    /// Computes the elements start to end. Safety: as for [`Loop`], with n = end.
    #[inline]
    pub(crate) unsafe fn run(&self, src: *const T, dst: *mut T, start: usize, end: usize, factor: T) {
        let split = self.split.clamp(start, end);
        // SAFETY: start ≤ split ≤ end, so both parts are inside the range of the caller's promise.
        unsafe {
            if start < split {
                (self.element_first)(src.add(start), dst.add(start), split - start, factor);
            }
            if split < end {
                (self.factor_first)(src.add(split), dst.add(split), end - split, factor);
            }
        }
    }
}
