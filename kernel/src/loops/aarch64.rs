//! aarch64: NEON, which every such CPU has.

use std::arch::aarch64::*;
use std::arch::asm;

use crate::backend::Isa;

/// The instruction sets of this CPU, widest first.
pub(crate) fn detect() -> &'static [Isa] {
    &[Isa::Neon]
}

/// An empty range: all vectors have one length.
pub(crate) fn narrow_in_place(_: usize, _: usize) -> std::ops::Range<usize> {
    0..0
}

/// One multiplication instruction, `first × second`.
macro_rules! multiply {
    ($name:ident, $vector:ty, $instruction:literal) => {
        #[inline]
        fn $name<const FACTOR_FIRST: bool>(element: $vector, factor: $vector) -> $vector {
            let (first, second) = if FACTOR_FIRST { (factor, element) } else { (element, factor) };
            let product;
            // SAFETY: one multiplication on registers. Not `pure` and not `preserves_flags`: it may
            // raise floating-point flags, which NumPy reads.
            unsafe {
                asm!($instruction, product = lateout(vreg) product, first = in(vreg) first,
                    second = in(vreg) second, options(nomem, nostack));
            }
            product
        }
    };
}

multiply!(mul_f32, f32, "fmul {product:s}, {first:s}, {second:s}");
multiply!(mul_f64, f64, "fmul {product:d}, {first:d}, {second:d}");
multiply!(mul_f32x4, float32x4_t, "fmul {product:v}.4s, {first:v}.4s, {second:v}.4s");
multiply!(mul_f64x2, float64x2_t, "fmul {product:v}.2d, {first:v}.2d, {second:v}.2d");

/// Stores two vectors with the hint that they are not read soon (STNP, Arm Architecture Reference Manual, C6.2).
macro_rules! store_pair {
    ($name:ident, $t:ty, $vector:ty) => {
        /// Safety: `dst` is writable for two vectors.
        #[inline]
        unsafe fn $name(dst: *mut $t, first: $vector, second: $vector) {
            // SAFETY: the caller's promise; it writes these two vectors and nothing else.
            unsafe {
                asm!("stnp {first:q}, {second:q}, [{dst}]", first = in(vreg) first, second = in(vreg) second,
                    dst = in(reg) dst, options(nostack, preserves_flags));
            }
        }
    };
}

store_pair!(stream_f32x4, f32, float32x4_t);
store_pair!(stream_f64x2, f64, float64x2_t);

macro_rules! loops {
    ($scalar:ident, $neon:ident, $t:ty, $lanes:literal, $set:ident, $load:ident, $store:ident, $stream:ident,
     $multiply:ident, $multiply_one:ident) => {
        // SAFETY: see `Loop`.
        unsafe fn $scalar<const FACTOR_FIRST: bool>(src: *const $t, dst: *mut $t, n: usize, factor: $t) {
            for i in 0..n {
                // SAFETY: i < n, which `Loop` promises to be readable and writable.
                unsafe { *dst.add(i) = $multiply_one::<FACTOR_FIRST>(*src.add(i), factor) };
            }
        }

        // SAFETY: see `Loop`.
        unsafe fn $neon<const FACTOR_FIRST: bool, const STREAM: bool>(
            src: *const $t,
            dst: *mut $t,
            n: usize,
            factor: $t,
        ) {
            // SAFETY: every index below is under n, which `Loop` promises to be readable and
            // writable; a vector is loaded whole before it is stored, so src may equal dst.
            unsafe {
                let wide = $set(factor);
                let product = |i: usize| $multiply::<FACTOR_FIRST>($load(src.add(i)), wide);
                let pair = |i: usize| {
                    let (first, second) = (product(i), product(i + $lanes));
                    if STREAM {
                        $stream(dst.add(i), first, second);
                    } else {
                        $store(dst.add(i), first);
                        $store(dst.add(i + $lanes), second);
                    }
                };
                let mut i = 0;
                while i + 4 * $lanes <= n {
                    pair(i);
                    pair(i + 2 * $lanes);
                    i += 4 * $lanes;
                }
                while i + $lanes <= n {
                    $store(dst.add(i), product(i));
                    i += $lanes;
                }
                $scalar::<FACTOR_FIRST>(src.add(i), dst.add(i), n - i, factor);
            }
        }
    };
}

loops!(scalar_f32, neon_f32, f32, 4, vdupq_n_f32, vld1q_f32, vst1q_f32, stream_f32x4, mul_f32x4, mul_f32);
loops!(scalar_f64, neon_f64, f64, 2, vdupq_n_f64, vld1q_f64, vst1q_f64, stream_f64x2, mul_f64x2, mul_f64);

pub(crate) mod scalar {
    use crate::loops::{Loop, Order};

    pub(crate) fn f32(order: Order) -> Loop<f32> {
        match order {
            Order::ElementFirst => super::scalar_f32::<false>,
            Order::FactorFirst => super::scalar_f32::<true>,
        }
    }

    pub(crate) fn f64(order: Order) -> Loop<f64> {
        match order {
            Order::ElementFirst => super::scalar_f64::<false>,
            Order::FactorFirst => super::scalar_f64::<true>,
        }
    }
}

pub(crate) mod simd {
    use super::Isa;
    use crate::loops::{Loop, Order, Stores};

    macro_rules! pick {
        ($t:ident, $neon:ident) => {
            pub(crate) fn $t(_: Isa, order: Order, stores: Stores) -> Loop<$t> {
                match (order, stores) {
                    (Order::ElementFirst, Stores::Plain) => super::$neon::<false, false>,
                    (Order::ElementFirst, Stores::Stream) => super::$neon::<false, true>,
                    (Order::FactorFirst, Stores::Plain) => super::$neon::<true, false>,
                    (Order::FactorFirst, Stores::Stream) => super::$neon::<true, true>,
                }
            }
        };
    }
    pick!(f32, neon_f32);
    pick!(f64, neon_f64);
}
