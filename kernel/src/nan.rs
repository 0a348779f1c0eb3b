//! The rule for the payload of NaN × NaN.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::element::{Dtype, Element};

/// Which elements of an operation are computed as factor × element instead of element × factor.
///
/// The order shows only if both are NaN: the result keeps the first operand's payload. NumPy's own order depends on how
/// its loop was compiled:
///
/// | NumPy | factor first |
/// |---|---|
/// | 2.3, 2.4 on x86-64 with AVX2 | all, above two vectors (16 `float32`, 8 `float64`) |
/// | 2.0 on x86-64 with AVX2 | those after the last whole two vectors, above two vectors |
/// | 2.4 on aarch64 (read from its code, not run) | the same, vectors of 16 bytes |
/// | x86-64 without AVX2 | none |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactorFirst {
    /// Operations on at most this many elements compute element × factor for all of them.
    pub above: u32,
    /// Longer operations compute element × factor for all whole blocks of this many elements, and factor × element for
    /// the rest; 0: factor × element for all.
    pub block: u32,
}

/// Not yet set: the default of this CPU.
const UNSET: u64 = u64::MAX;
/// None: above more elements than there can be.
const NONE: u64 = u64::MAX - 1;

static RULES: [AtomicU64; 2] = [AtomicU64::new(UNSET), AtomicU64::new(UNSET)];

/// The rule in force; `None`: the element comes first everywhere. The default is the rule of the newest NumPy in
/// [`FactorFirst`]'s table for this CPU.
pub fn factor_first(dtype: Dtype) -> Option<FactorFirst> {
    match RULES[dtype as usize].load(Ordering::Relaxed) {
        UNSET => default_of(dtype),
        NONE => None,
        packed => Some(FactorFirst { above: packed as u32, block: (packed >> 32) as u32 }),
    }
}

/// Sets the rule of [`factor_first`], process-wide, for a NumPy that was compiled differently. `None`: the element
/// first everywhere.
pub fn set_factor_first(dtype: Dtype, rule: Option<FactorFirst>) {
    let packed = rule.map_or(NONE, |rule| u64::from(rule.block) << 32 | u64::from(rule.above));
    RULES[dtype as usize].store(packed.min(NONE), Ordering::Relaxed);
}

#[cfg(target_arch = "x86_64")]
fn default_of(dtype: Dtype) -> Option<FactorFirst> {
    let numpy_takes_v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    numpy_takes_v3.then(|| FactorFirst { above: 2 * 32 / dtype.item_size(), block: 0 })
}

#[cfg(target_arch = "aarch64")]
fn default_of(dtype: Dtype) -> Option<FactorFirst> {
    let two_vectors = 2 * 16 / dtype.item_size();
    Some(FactorFirst { above: two_vectors, block: two_vectors })
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn default_of(_: Dtype) -> Option<FactorFirst> {
    None
}

/// The first element of an operation on n elements that is computed as factor × element; n for none.
#[inline]
pub(crate) fn factor_first_from<T: Element>(n: usize, factor: T) -> usize {
    if !factor.is_nan_bits() {
        return n;
    }
    match factor_first(T::DTYPE) {
        Some(rule) if n > rule.above as usize => n - n.checked_rem(rule.block as usize).unwrap_or(n),
        _ => n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // float64 here; the programs in tests/ rely on the default of both.
    fn from(n: usize, rule: Option<FactorFirst>) -> usize {
        set_factor_first(Dtype::Float64, rule);
        factor_first_from(n, f64::NAN)
    }

    #[test]
    fn a_rule_tells_where_the_factor_comes_first() {
        assert_eq!(from(100, None), 100);
        let all = Some(FactorFirst { above: 8, block: 0 });
        assert_eq!([8, 9, 1000].map(|n| from(n, all)), [8, 0, 0]);
        assert_eq!(factor_first(Dtype::Float64), all);
        let rest = Some(FactorFirst { above: 8, block: 8 });
        assert_eq!([7, 8, 9, 15, 16, 17].map(|n| from(n, rest)), [7, 8, 8, 8, 16, 16]);
        assert_eq!(factor_first_from(9, 1.0f64), 9, "only where the factor is NaN");
        let never = Some(FactorFirst { above: u32::MAX, block: 0 });
        assert_eq!(from(1000, never), 1000);
    }
}
