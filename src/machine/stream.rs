//! Stores past the caches: non-temporal copy and scale of float32, for measuring what memory can take.
//!
//! They are apart from the kernel's own backends on purpose, so that the limit a kernel is held against does not
//! move when the kernel does.

/// Floats in one cache line, the piece all loops here work in.
pub const LINE: usize = 16;

/// Whether this processor has non-temporal stores that are known here.
pub const AVAILABLE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// `dst = src × factor` (a copy where `factor` is `None`), stored past the caches.
///
/// Both slices have the same length, a multiple of [`LINE`], and `dst` begins on a 64-byte line.
pub fn scale(src: &[f32], factor: Option<f32>, dst: &mut [f32]) {
    assert_eq!(src.len(), dst.len());
    assert!(src.len().is_multiple_of(LINE) && dst.as_ptr().addr().is_multiple_of(64));
    // SAFETY: equal lengths, whole lines and the alignment of `dst` have just been checked.
    unsafe { lines(src, factor, dst) }
}

#[cfg(target_arch = "x86_64")]
unsafe fn lines(src: &[f32], factor: Option<f32>, dst: &mut [f32]) {
    if is_x86_feature_detected!("avx") {
        // SAFETY: the processor has AVX; the caller vouches for lengths and alignment.
        unsafe { lines_avx(src, factor, dst) }
    } else {
        // SAFETY: SSE2 is part of x86-64; the caller vouches for lengths and alignment.
        unsafe { lines_sse(src, factor, dst) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn lines_avx(src: &[f32], factor: Option<f32>, dst: &mut [f32]) {
    use std::arch::x86_64::*;
    let times = _mm256_set1_ps(factor.unwrap_or(1.0));
    for (from, to) in src.chunks_exact(LINE).zip(dst.chunks_exact_mut(LINE)) {
        for half in 0..2 {
            // SAFETY: a line has 16 floats, so 8 can be read at 0 and at 8.
            let value = unsafe { _mm256_loadu_ps(from.as_ptr().add(half * 8)) };
            let value = if factor.is_some() { _mm256_mul_ps(value, times) } else { value };
            // SAFETY: the same of `to`, whose lines are 64-byte aligned, as the 32-byte aligned store needs.
            unsafe { _mm256_stream_ps(to.as_mut_ptr().add(half * 8), value) };
        }
    }
    // Streaming stores are weakly ordered; the end of the work is when they are done.
    _mm_sfence();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
unsafe fn lines_sse(src: &[f32], factor: Option<f32>, dst: &mut [f32]) {
    use std::arch::x86_64::*;
    let times = _mm_set1_ps(factor.unwrap_or(1.0));
    for (from, to) in src.chunks_exact(LINE).zip(dst.chunks_exact_mut(LINE)) {
        for quarter in 0..4 {
            // SAFETY: a line has 16 floats, so 4 can be read at each quarter.
            let value = unsafe { _mm_loadu_ps(from.as_ptr().add(quarter * 4)) };
            let value = if factor.is_some() { _mm_mul_ps(value, times) } else { value };
            // SAFETY: the same of `to`, whose lines are 64-byte aligned, as the 16-byte aligned store needs.
            unsafe { _mm_stream_ps(to.as_mut_ptr().add(quarter * 4), value) };
        }
    }
    _mm_sfence();
}

#[cfg(target_arch = "aarch64")]
unsafe fn lines(src: &[f32], factor: Option<f32>, dst: &mut [f32]) {
    use std::arch::aarch64::*;
    for (from, to) in src.chunks_exact(LINE).zip(dst.chunks_exact_mut(LINE)) {
        for half in 0..2 {
            // SAFETY: a line has 16 floats, so twice 4 can be read at 0 and at 8; NEON is part of aarch64.
            let (mut low, mut high) = unsafe {
                let at = from.as_ptr().add(half * 8);
                (vld1q_f32(at), vld1q_f32(at.add(4)))
            };
            if let Some(factor) = factor {
                // SAFETY: NEON is part of aarch64.
                (low, high) = unsafe { (vmulq_n_f32(low, factor), vmulq_n_f32(high, factor)) };
            }
            // SAFETY: `stnp` writes 32 bytes to memory of `to` and nothing else: no flags (preserves_flags), no stack
            // (nostack). It is not `nomem`, so the compiler knows that memory changes.
            unsafe {
                std::arch::asm!(
                    "stnp {low:q}, {high:q}, [{to}]",
                    low = in(vreg) low, high = in(vreg) high, to = in(reg) to.as_mut_ptr().add(half * 8),
                    options(nostack, preserves_flags)
                );
            }
        }
    }
    // SAFETY: a barrier for stores; touches no register and no stack.
    unsafe { std::arch::asm!("dmb ishst", options(nostack, preserves_flags)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn lines(_src: &[f32], _factor: Option<f32>, _dst: &mut [f32]) {
    unreachable!("no streaming stores are known here; AVAILABLE says so");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streaming_stores_write_what_plain_ones_would() {
        if !AVAILABLE {
            println!("skipped: no streaming stores are known for {}", std::env::consts::ARCH);
            return;
        }
        let src: Vec<f32> = (0..160).map(|i| i as f32).collect();
        let mut memory = vec![-1.0_f32; 160 + 2 * LINE];
        let start = memory.as_ptr().align_offset(64);
        for factor in [Some(2.5), None] {
            scale(&src, factor, &mut memory[start..start + 160]);
            let expected: Vec<f32> = src.iter().map(|x| x * factor.unwrap_or(1.0)).collect();
            assert_eq!(&memory[start..start + 160], expected.as_slice());
            assert!(memory[..start].iter().chain(&memory[start + 160..]).all(|&x| x == -1.0), "wrote outside");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn processors_without_avx_get_the_same() {
        let src: Vec<f32> = (0..32).map(|i| i as f32).collect();
        let mut memory = [0.0_f32; 32 + LINE];
        let start = memory.as_ptr().align_offset(64);
        // SAFETY: equal lengths of whole lines, and `start` is on a line.
        unsafe { lines_sse(&src, Some(0.5), &mut memory[start..start + 32]) };
        assert_eq!(memory[start + 31], 15.5);
    }
}
