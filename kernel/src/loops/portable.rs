//! Any other CPU: one plain loop; the compiler decides the NaN payloads.

use crate::backend::Isa;

/// No own vectors here.
pub(crate) fn detect() -> &'static [Isa] {
    &[]
}

/// An empty range: all vectors have one length.
pub(crate) fn narrow_in_place(_: usize, _: usize) -> std::ops::Range<usize> {
    0..0
}

macro_rules! portable {
    ($name:ident, $t:ident) => {
        // SAFETY: see `Loop`.
        unsafe fn $name(src: *const $t, dst: *mut $t, n: usize, factor: $t) {
            for i in 0..n {
                // SAFETY: i < n, which `Loop` promises to be readable and writable.
                unsafe { *dst.add(i) = *src.add(i) * factor };
            }
        }
    };
}
portable!(scale_f32, f32);
portable!(scale_f64, f64);

pub(crate) mod scalar {
    use crate::loops::{Loop, Order};

    pub(crate) fn f32(_: Order) -> Loop<f32> {
        super::scale_f32
    }

    pub(crate) fn f64(_: Order) -> Loop<f64> {
        super::scale_f64
    }
}

pub(crate) mod simd {
    use super::Isa;
    use crate::loops::{Loop, Order, Stores};

    pub(crate) fn f32(_: Isa, _: Order, _: Stores) -> Loop<f32> {
        super::scale_f32
    }

    pub(crate) fn f64(_: Isa, _: Order, _: Stores) -> Loop<f64> {
        super::scale_f64
    }
}
