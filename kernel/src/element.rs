//! The two element types of the kernel.

use crate::backend::{AccelerateRoutine, Isa, OpenBlasRoutine};
use crate::loops::{self, Loop, Order, Stores};
use crate::{Error, openblas, platform};

/// The type of an [`Element`], by NumPy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// `float32`, 4 bytes.
    Float32,
    /// `float64`, 8 bytes.
    Float64,
}

impl Dtype {
    /// NumPy's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::Float32 => "float32",
            Dtype::Float64 => "float64",
        }
    }

    /// Bytes of one element.
    pub const fn item_size(self) -> u32 {
        match self {
            Dtype::Float32 => 4,
            Dtype::Float64 => 8,
        }
    }
}

/// `f32` or `f64`.
pub trait Element: Kernels + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Which of the two.
    const DTYPE: Dtype;

    /// The bits of the value, zero-extended.
    fn bits(self) -> u64;

    /// Whether the value is a NaN, quiet or signalling; raises no floating-point flag.
    fn is_nan_bits(self) -> bool;
}

/// The loops of each type; sealed, because no third type has any.
pub trait Kernels: Copy {
    #[doc(hidden)]
    fn scalar(order: Order) -> Loop<Self>;
    #[doc(hidden)]
    fn simd(isa: Isa, order: Order, stores: Stores) -> Loop<Self>;
    #[doc(hidden)]
    fn accelerate(routine: AccelerateRoutine) -> Result<Loop<Self>, Error>;
    #[doc(hidden)]
    fn openblas(routine: OpenBlasRoutine) -> Result<Loop<Self>, Error>;
}

macro_rules! element {
    ($t:ident, $dtype:ident) => {
        impl Element for $t {
            const DTYPE: Dtype = Dtype::$dtype;

            #[inline]
            fn bits(self) -> u64 {
                self.to_bits().into()
            }

            #[inline]
            fn is_nan_bits(self) -> bool {
                // Compared as integers: a comparison of signalling NaNs would raise "invalid".
                self.to_bits() << 1 > $t::INFINITY.to_bits() << 1
            }
        }

        impl Kernels for $t {
            fn scalar(order: Order) -> Loop<Self> {
                loops::scalar::$t(order)
            }

            fn simd(isa: Isa, order: Order, stores: Stores) -> Loop<Self> {
                loops::simd::$t(isa, order, stores)
            }

            fn accelerate(routine: AccelerateRoutine) -> Result<Loop<Self>, Error> {
                platform::accelerate::$t(routine)
            }

            fn openblas(routine: OpenBlasRoutine) -> Result<Loop<Self>, Error> {
                openblas::$t(routine)
            }
        }
    };
}

element!(f32, Float32);
element!(f64, Float64);
