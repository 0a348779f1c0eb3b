//! x86-64: SSE2 always, AVX2 and AVX-512 where the CPU has them.

use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::Range;

use crate::backend::Isa;

/// The instruction sets of this CPU, widest first.
pub(crate) fn detect() -> &'static [Isa] {
    const ALL: &[Isa] = &[Isa::Avx512, Isa::Avx2, Isa::Sse2];
    if is_x86_feature_detected!("avx512f") {
        ALL
    } else if is_x86_feature_detected!("avx2") {
        &ALL[1..]
    } else {
        &ALL[2..]
    }
}

/// The range of sizes in bytes in which vectors of 32 bytes are faster in place than vectors of 64: the data come from
/// a cache that delivers 64 bytes at a time more slowly than twice 32. Empty if there is no such range.
pub(crate) fn narrow_in_place(l1d: usize, l2: usize) -> Range<usize> {
    if !detect().starts_with(&[Isa::Avx512, Isa::Avx2]) {
        return 0..0;
    }
    // On AMD processors, the third-level cache as well (docs/performance.md); Intel's are faster with 64 bytes there.
    let vendor = __cpuid(0);
    let amd = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
    let end = if amd.as_flattened() == b"AuthenticAMD" { usize::MAX } else { l2 };
    l1d + 1..end.max(l1d + 1)
}

/// One multiplication instruction, `first × second`.
macro_rules! multiply {
    ($name:ident, $feature:literal, $vector:ty, $register:ident, $instruction:literal) => {
        #[inline]
        #[target_feature(enable = $feature)]
        fn $name<const FACTOR_FIRST: bool>(element: $vector, factor: $vector) -> $vector {
            let (first, second) = if FACTOR_FIRST { (factor, element) } else { (element, factor) };
            let product;
            // SAFETY: one multiplication on registers. Not `pure` and not `preserves_flags`: it may
            // raise floating-point flags, which NumPy reads.
            unsafe {
                asm!(concat!($instruction, " {product}, {first}, {second}"),
                    product = lateout($register) product, first = in($register) first,
                    second = in($register) second, options(nomem, nostack));
            }
            product
        }
    };
}

/// The same in the two-operand form of SSE2.
macro_rules! multiply_sse {
    ($name:ident, $vector:ty, $instruction:literal) => {
        #[inline]
        fn $name<const FACTOR_FIRST: bool>(element: $vector, factor: $vector) -> $vector {
            let (mut first, second) =
                if FACTOR_FIRST { (factor, element) } else { (element, factor) };
            // SAFETY: as above; the destination is the first operand.
            unsafe {
                asm!(concat!($instruction, " {first}, {second}"),
                    first = inlateout(xmm_reg) first, second = in(xmm_reg) second,
                    options(nomem, nostack));
            }
            first
        }
    };
}

/// Multiplies the first lanes only: the others become 0 and raise no flag.
macro_rules! multiply_masked {
    ($name:ident, $vector:ty, $mask:ty, $instruction:literal) => {
        #[inline]
        #[target_feature(enable = "avx512f")]
        fn $name<const FACTOR_FIRST: bool>(
            mask: $mask,
            element: $vector,
            factor: $vector,
        ) -> $vector {
            let (first, second) = if FACTOR_FIRST { (factor, element) } else { (element, factor) };
            let product;
            // SAFETY: as above; lanes outside the mask are zeroed and report no exception.
            unsafe {
                asm!(concat!($instruction, " {product}{{{mask}}}{{z}}, {first}, {second}"),
                    product = lateout(zmm_reg) product, mask = in(kreg) mask,
                    first = in(zmm_reg) first, second = in(zmm_reg) second,
                    options(nomem, nostack));
            }
            product
        }
    };
}

multiply_sse!(mulss, f32, "mulss");
multiply_sse!(mulsd, f64, "mulsd");
multiply_sse!(mulps, __m128, "mulps");
multiply_sse!(mulpd, __m128d, "mulpd");
multiply!(vmulss, "avx2", f32, xmm_reg, "vmulss");
multiply!(vmulsd, "avx2", f64, xmm_reg, "vmulsd");
multiply!(vmulps, "avx2", __m256, ymm_reg, "vmulps");
multiply!(vmulpd, "avx2", __m256d, ymm_reg, "vmulpd");
multiply!(wmulps, "avx512f", __m512, zmm_reg, "vmulps");
multiply!(wmulpd, "avx512f", __m512d, zmm_reg, "vmulpd");
multiply_masked!(kmulps, __m512, __mmask16, "vmulps");
multiply_masked!(kmulpd, __m512d, __mmask8, "vmulpd");

/// The number of elements before `dst` reaches an address that is a multiple of `lanes` elements: for a run that is
/// long enough for aligned stores to pay, and always for non-temporal stores, which must be aligned.
#[inline]
fn head<T, const STREAM: bool>(dst: *const T, n: usize, lanes: usize) -> usize {
    let past = dst as usize / size_of::<T>() % lanes;
    if past == 0 || (n < 8 * lanes && !STREAM) { 0 } else { n.min(lanes - past) }
}

/// Bytes of the source that each of the two streams of a non-temporal loop processes. Two places at once keep more
/// lines in flight from memory than one: 0.86 of the time at 4096² float32 on the machine of docs/performance.md. Two
/// of them make one huge page.
const STREAM_BYTES: usize = 1 << 20;

/// Makes non-temporal stores visible to other threads in order with all other stores.
#[inline]
fn fence<const STREAM: bool>() {
    if STREAM {
        // SAFETY: every x86-64 has SSE.
        unsafe { _mm_sfence() };
    }
}

macro_rules! scalar_loop {
    ($name:ident, $t:ty, $multiply:ident) => {
        // SAFETY: see `Loop`.
        unsafe fn $name<const FACTOR_FIRST: bool>(src: *const $t, dst: *mut $t, n: usize, factor: $t) {
            for i in 0..n {
                // SAFETY: i < n, which `Loop` promises to be readable and writable.
                unsafe { *dst.add(i) = $multiply::<FACTOR_FIRST>(*src.add(i), factor) };
            }
        }
    };
}

scalar_loop!(scalar_f32, f32, mulss);
scalar_loop!(scalar_f64, f64, mulsd);

/// Head up to the alignment and tail one by one, four vectors per turn between them.
macro_rules! vector_loop {
    ($name:ident, $feature:literal, $t:ty, $lanes:literal, $set:ident, $load:ident, $store:ident, $stream:ident,
     $multiply:ident, $multiply_one:ident) => {
        // SAFETY: see `Loop`; the CPU has the feature named.
        #[target_feature(enable = $feature)]
        unsafe fn $name<const FACTOR_FIRST: bool, const STREAM: bool>(
            src: *const $t,
            dst: *mut $t,
            n: usize,
            factor: $t,
        ) {
            let wide = $set(factor);
            // SAFETY: every index below is under n, which `Loop` promises to be readable and
            // writable; a vector is loaded whole before it is stored, so src may equal dst. From `head` on `dst` is
            // aligned where the stores are non-temporal.
            unsafe {
                let one = |i: usize| {
                    *dst.add(i) = $multiply_one::<FACTOR_FIRST>(*src.add(i), factor);
                };
                let vector = |i: usize| {
                    let product = $multiply::<FACTOR_FIRST>($load(src.add(i)), wide);
                    if STREAM {
                        $stream(dst.add(i), product);
                    } else {
                        $store(dst.add(i), product);
                    }
                };
                let mut i = head::<_, STREAM>(dst, n, $lanes);
                (0..i).for_each(one);
                let four = |i: usize| (0..4).for_each(|k| vector(i + k * $lanes));
                const APART: usize = STREAM_BYTES / size_of::<$t>();
                while STREAM && i + 2 * APART <= n {
                    for j in (i..i + APART).step_by(4 * $lanes) {
                        four(j);
                        four(j + APART);
                    }
                    i += 2 * APART;
                }
                while i + 4 * $lanes <= n {
                    four(i);
                    i += 4 * $lanes;
                }
                while i + $lanes <= n {
                    vector(i);
                    i += $lanes;
                }
                (i..n).for_each(one);
            }
            fence::<STREAM>();
        }
    };
}

vector_loop!(sse2_f32, "sse2", f32, 4, _mm_set1_ps, _mm_loadu_ps, _mm_storeu_ps, _mm_stream_ps, mulps, mulss);
vector_loop!(sse2_f64, "sse2", f64, 2, _mm_set1_pd, _mm_loadu_pd, _mm_storeu_pd, _mm_stream_pd, mulpd, mulsd);
vector_loop!(
    avx2_f32,
    "avx2",
    f32,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_stream_ps,
    vmulps,
    vmulss
);
vector_loop!(
    avx2_f64,
    "avx2",
    f64,
    4,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_stream_pd,
    vmulpd,
    vmulsd
);

/// As `vector_loop`, with one masked step each for head and tail, and two vectors per turn: four take 1.04 times as
/// long from the second-level cache.
macro_rules! masked_loop {
    ($name:ident, $t:ty, $lanes:literal, $mask:ty, $set:ident, $load:ident, $store:ident, $stream:ident,
     $multiply:ident, $mask_load:ident, $mask_store:ident, $mask_multiply:ident) => {
        // SAFETY: see `Loop`; the CPU has AVX-512F.
        #[target_feature(enable = "avx512f")]
        unsafe fn $name<const FACTOR_FIRST: bool, const STREAM: bool>(
            src: *const $t,
            dst: *mut $t,
            n: usize,
            factor: $t,
        ) {
            let wide = $set(factor);
            // SAFETY: as in `vector_loop`; masked loads and stores touch `count` elements only.
            unsafe {
                let some = |i: usize, count: usize| {
                    let mask: $mask = (1 << count) - 1;
                    let product = $mask_multiply::<FACTOR_FIRST>(mask, $mask_load(mask, src.add(i)), wide);
                    $mask_store(dst.add(i), mask, product);
                };
                let vector = |i: usize| {
                    let product = $multiply::<FACTOR_FIRST>($load(src.add(i)), wide);
                    if STREAM {
                        $stream(dst.add(i), product);
                    } else {
                        $store(dst.add(i), product);
                    }
                };
                let mut i = head::<_, STREAM>(dst, n, $lanes);
                if i > 0 {
                    some(0, i);
                }
                let four = |i: usize| (0..4).for_each(|k| vector(i + k * $lanes));
                const APART: usize = STREAM_BYTES / size_of::<$t>();
                while STREAM && i + 2 * APART <= n {
                    for j in (i..i + APART).step_by(4 * $lanes) {
                        four(j);
                        four(j + APART);
                    }
                    i += 2 * APART;
                }
                while i + 2 * $lanes <= n {
                    vector(i);
                    vector(i + $lanes);
                    i += 2 * $lanes;
                }
                if i + $lanes <= n {
                    vector(i);
                    i += $lanes;
                }
                if i < n {
                    some(i, n - i);
                }
            }
            fence::<STREAM>();
        }
    };
}

masked_loop!(
    avx512_f32,
    f32,
    16,
    __mmask16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_stream_ps,
    wmulps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    kmulps
);
masked_loop!(
    avx512_f64,
    f64,
    8,
    __mmask8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_stream_pd,
    wmulpd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    kmulpd
);

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
    use super::*;
    use crate::loops::{Loop, Order, Stores};

    macro_rules! pick {
        ($t:ident, $avx512:ident, $avx2:ident, $sse2:ident) => {
            /// `isa` is one that `detect` returned; any other gives the loop that every x86-64 has.
            pub(crate) fn $t(isa: Isa, order: Order, stores: Stores) -> Loop<$t> {
                match (order, stores) {
                    (Order::ElementFirst, Stores::Plain) => $t::of::<false, false>(isa),
                    (Order::ElementFirst, Stores::Stream) => $t::of::<false, true>(isa),
                    (Order::FactorFirst, Stores::Plain) => $t::of::<true, false>(isa),
                    (Order::FactorFirst, Stores::Stream) => $t::of::<true, true>(isa),
                }
            }

            mod $t {
                use super::*;

                pub(super) fn of<const FACTOR_FIRST: bool, const STREAM: bool>(isa: Isa) -> Loop<core::primitive::$t> {
                    match isa {
                        Isa::Avx512 => $avx512::<FACTOR_FIRST, STREAM>,
                        Isa::Avx2 => $avx2::<FACTOR_FIRST, STREAM>,
                        _ => $sse2::<FACTOR_FIRST, STREAM>,
                    }
                }
            }
        };
    }
    pick!(f32, avx512_f32, avx2_f32, sse2_f32);
    pick!(f64, avx512_f64, avx2_f64, sse2_f64);
}
