//! Whose payload NaN × NaN keeps.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::element::{Dtype, Element};
use crate::loops::Order;

/// Not yet asked for: the default of this CPU.
const UNSET: usize = usize::MAX - 1;
/// The element's payload is kept at every length.
const NEVER: usize = usize::MAX;

static ABOVE: [AtomicUsize; 2] = [AtomicUsize::new(UNSET), AtomicUsize::new(UNSET)];

/// Above how many elements an operation computes factor × element instead of element × factor.
///
/// The order shows only where both are NaN: the first operand's payload is kept. NumPy's own order
/// is an accident of how its loop was compiled: measured with the wheels of 2.4 on x86-64 with AVX2,
/// the factor's payload is kept above two vectors (16 `float32`, 8 `float64`) and the element's up
/// to there; the baseline (SSE) loop always keeps the element's. That is the default here.
/// `None`: the element's payload is kept at every length.
pub fn factor_first_above(dtype: Dtype) -> Option<usize> {
    match ABOVE[dtype as usize].load(Ordering::Relaxed) {
        UNSET => default_of(dtype),
        NEVER => None,
        above => Some(above),
    }
}

/// Sets what [`factor_first_above`] gives, process-wide: for a NumPy that was compiled otherwise.
pub fn set_factor_first_above(dtype: Dtype, above: Option<usize>) {
    let above = above.map_or(NEVER, |above| above.min(UNSET - 1));
    ABOVE[dtype as usize].store(above, Ordering::Relaxed);
}

#[cfg(target_arch = "x86_64")]
fn default_of(dtype: Dtype) -> Option<usize> {
    let numpy_takes_v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    numpy_takes_v3.then(|| 2 * 32 / dtype.item_size() as usize)
}

#[cfg(not(target_arch = "x86_64"))]
fn default_of(_: Dtype) -> Option<usize> {
    None
}

/// The order for an operation on n elements.
#[inline]
pub(crate) fn order<T: Element>(n: usize, factor: T) -> Order {
    if factor.is_nan_bits() && factor_first_above(T::DTYPE).is_some_and(|above| n > above) {
        Order::FactorFirst
    } else {
        Order::ElementFirst
    }
}
