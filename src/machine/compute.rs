//! Fused multiply-adds over registers and nothing else, in the widest vectors that the processor has: what its
//! arithmetic can do at most.

use std::hint::black_box;

/// Registers that are worked on in turn: more than the latency of an operation times the units that do it, and
/// few enough for the sixteen registers of AVX.
const CHAINS: u64 = 12;
/// Near 1, and with [`PLUS`] towards a fixed point of 1, so that no value ever overflows or becomes subnormal.
const TIMES: f32 = 0.999;
const PLUS: f32 = 0.001;

/// One way to compute.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// What the vectors are called.
    pub name: &'static str,
    /// Does so many steps on float32, and on float64.
    steps: [unsafe fn(u64); 2],
    /// Operations (an addition, a multiplication) of one step on float32, and on float64.
    operations: [u64; 2],
}

impl Way {
    /// Does `steps` steps on float32 (`element` 0) or float64 (1), and tells how many floating-point operations these
    /// were.
    pub fn run(&self, element: usize, steps: u64) -> u64 {
        // SAFETY: the functions need nothing but the processor's features, which `widest` has asked for.
        unsafe { (self.steps[element])(steps) };
        self.operations(element, steps)
    }

    /// Floating-point operations of so many steps.
    pub fn operations(&self, element: usize, steps: u64) -> u64 {
        self.operations[element] * steps
    }

    /// For vectors of so many bytes.
    const fn of(name: &'static str, bytes: u64, steps: [unsafe fn(u64); 2]) -> Self {
        let operations = [2 * CHAINS * bytes / 4, 2 * CHAINS * bytes / 8];
        Self { name, steps, operations }
    }
}

/// A function that multiplies and adds in every chain, step after step. The start values come from where the compiler
/// cannot see, or it would find the chains equal and keep one.
macro_rules! chains {
    (
        $(#[$attribute:meta])* $name:ident, $vector:ty, $set:expr, |$chain:ident, $times:ident, $plus:ident| $step:expr
    ) => {
        $(#[$attribute])*
        unsafe fn $name(steps: u64) {
            let $times: $vector = $set(black_box(TIMES).into());
            let $plus: $vector = $set(black_box(PLUS).into());
            let mut chains = black_box([$plus; CHAINS as usize]);
            for _ in 0..steps {
                for $chain in &mut chains {
                    *$chain = $step;
                }
            }
            black_box(chains);
        }
    };
}

/// The widest vectors of this processor.
#[cfg(target_arch = "x86_64")]
pub fn widest() -> Way {
    if is_x86_feature_detected!("avx512f") {
        x86::AVX512
    } else if is_x86_feature_detected!("avx") && is_x86_feature_detected!("fma") {
        x86::AVX_FMA
    } else {
        portable::WAY
    }
}

/// The widest vectors of this processor.
#[cfg(target_arch = "aarch64")]
pub fn widest() -> Way {
    arm::NEON
}

/// The widest vectors of this processor, as far as the compiler knows them.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn widest() -> Way {
    portable::WAY
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    pub const AVX512: Way = Way::of("AVX-512 FMA", 64, [avx512_f32, avx512_f64]);
    pub const AVX_FMA: Way = Way::of("AVX FMA", 32, [avx_f32, avx_f64]);

    chains!(
        #[target_feature(enable = "avx512f")]
        avx512_f32,
        __m512,
        _mm512_set1_ps,
        |chain, times, plus| _mm512_fmadd_ps(*chain, times, plus)
    );
    chains!(
        #[target_feature(enable = "avx512f")]
        avx512_f64,
        __m512d,
        _mm512_set1_pd,
        |chain, times, plus| _mm512_fmadd_pd(*chain, times, plus)
    );
    chains!(
        #[target_feature(enable = "avx,fma")]
        avx_f32,
        __m256,
        _mm256_set1_ps,
        |chain, times, plus| _mm256_fmadd_ps(*chain, times, plus)
    );
    chains!(
        #[target_feature(enable = "avx,fma")]
        avx_f64,
        __m256d,
        _mm256_set1_pd,
        |chain, times, plus| _mm256_fmadd_pd(*chain, times, plus)
    );
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::*;

    pub const NEON: Way = Way::of("NEON FMA", 16, [neon_f32, neon_f64]);

    chains!(
        #[target_feature(enable = "neon")]
        neon_f32,
        float32x4_t,
        vdupq_n_f32,
        |chain, times, plus| vfmaq_f32(plus, *chain, times)
    );
    chains!(
        #[target_feature(enable = "neon")]
        neon_f64,
        float64x2_t,
        vdupq_n_f64,
        |chain, times, plus| vfmaq_f64(plus, *chain, times)
    );
}

/// Where nothing is known of the processor: sixteen bytes at a time, as most have, and no fused operation, which
/// without a unit for it would be a call.
#[cfg(not(target_arch = "aarch64"))]
mod portable {
    use super::*;

    pub const WAY: Way = Way::of("multiply and add, 16 bytes", 16, [f32s, f64s]);

    chains!(f32s, [f32; 4], same, |chain, times, plus| std::array::from_fn(|i| chain[i] * times[i] + plus[i]));
    chains!(f64s, [f64; 2], same, |chain, times, plus| std::array::from_fn(|i| chain[i] * times[i] + plus[i]));

    fn same<T: Copy, const N: usize>(value: T) -> [T; N] {
        [value; N]
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn any_processor_can_compute() {
            for element in 0..2 {
                assert!(WAY.run(element, 3) > 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_a_multiplication_and_an_addition_of_each_number() {
        let way = widest();
        let [single, double] = [0, 1].map(|element| way.run(element, 5));
        assert_eq!(single, 2 * double, "half as many numbers of twice the size");
        assert!(double >= 5 * 2 * CHAINS * 2, "{way:?}");
    }
}
