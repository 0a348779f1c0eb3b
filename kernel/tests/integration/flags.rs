//! A loop raises the floating-point flags of its elements' multiplications and no others: NumPy reads them for its
//! warnings, and a padded lane of 0 × ∞ would cause a false warning.

use std::arch::asm;

use raptors_kernel::{Element, Request, scale, scale_in_place};

use crate::common::{SPECIAL_F32, SPECIAL_F64, own_backends};

const FLAGS: u32 = 0x3f;

/// Runs `work` with no flag raised and returns the flags raised after it.
fn raised(work: impl FnOnce()) -> u32 {
    let mut register = 0u32;
    // SAFETY: stores MXCSR to `register`; the sticky flags are then cleared and nothing else is
    // changed.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut register, options(nostack)) };
    register &= !FLAGS;
    // SAFETY: as above.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const register, options(nostack)) };
    work();
    // SAFETY: as above.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut register, options(nostack)) };
    register & FLAGS
}

fn one_f32(element: u32, factor: u32) -> u32 {
    let (a, b) = (f32::from_bits(element), f32::from_bits(factor));
    // SAFETY: one multiplication on registers.
    raised(|| unsafe { asm!("mulss {}, {}", inout(xmm_reg) a => _, in(xmm_reg) b) })
}

fn one_f64(element: u64, factor: u64) -> u32 {
    let (a, b) = (f64::from_bits(element), f64::from_bits(factor));
    // SAFETY: one multiplication on registers.
    raised(|| unsafe { asm!("mulsd {}, {}", inout(xmm_reg) a => _, in(xmm_reg) b) })
}

/// Every own backend on n times the same element, between elements that would raise other flags.
fn check<T: Element>(lengths: impl Iterator<Item = usize>, element: T, factor: T, expected: u32) {
    for n in lengths {
        let src = vec![element; n];
        let mut dst = vec![factor; n + 1];
        let mut data = vec![element; n + 1];
        for backend in own_backends() {
            let request = Request { backend: Some(backend), threads: Some(2), ..Request::default() };
            let seen = raised(|| _ = scale(&src, factor, &mut dst[1..], &request).unwrap());
            assert_eq!(seen, expected, "{backend}: {element:?} × {factor:?}, n = {n}");
            data.fill(element);
            let seen = raised(|| _ = scale_in_place(&mut data[1..], factor, &request).unwrap());
            assert_eq!(seen, expected, "{backend} in place: {element:?} × {factor:?}, n = {n}");
        }
    }
}

#[test]
fn no_element_raises_nothing_even_with_a_signalling_factor() {
    check::<f32>(0..1, 1.0, f32::from_bits(0x7f80_0001), 0);
}

#[test]
fn flags_of_float32_are_the_elements_own() {
    for element in SPECIAL_F32 {
        for factor in SPECIAL_F32 {
            let expected = one_f32(*element, *factor);
            let lengths = (1..=35).step_by(2);
            check(lengths, f32::from_bits(*element), f32::from_bits(*factor), expected);
        }
    }
}

#[test]
fn flags_of_float64_are_the_elements_own() {
    for element in SPECIAL_F64 {
        for factor in SPECIAL_F64 {
            let expected = one_f64(*element, *factor);
            let lengths = (1..=19).step_by(2);
            check(lengths, f64::from_bits(*element), f64::from_bits(*factor), expected);
        }
    }
}

#[test]
fn every_length_to_130_raises_the_same() {
    // A factor of ∞ makes a spurious "invalid" of every padded zero; one odd element in the tail
    // must be seen.
    check(1..=130, 1.0f32, f32::INFINITY, 0);
    check(1..=130, 0.0f32, f32::INFINITY, one_f32(0, f32::INFINITY.to_bits()));
    for n in 1..=130 {
        let mut src = vec![1.0f64; n];
        src[n - 1] = 0.0;
        let expected = one_f64(0, f64::INFINITY.to_bits());
        for backend in own_backends() {
            let request = Request { backend: Some(backend), threads: Some(2), ..Request::default() };
            let mut dst = vec![0.0; n];
            let seen = raised(|| _ = scale(&src, f64::INFINITY, &mut dst, &request).unwrap());
            assert_eq!(seen, expected, "{backend}, n = {n}");
        }
    }
}

#[test]
fn flags_raised_on_another_thread_reach_the_caller() {
    // Only the last element overflows, and any free thread takes a piece: many tries.
    let mut src = vec![1.0f32; 1 << 18];
    *src.last_mut().unwrap() = f32::MAX;
    let mut dst = vec![0.0; src.len()];
    let expected = one_f32(f32::MAX.to_bits(), 2f32.to_bits());
    let request = Request { backend: Some("parallel".parse().unwrap()), threads: Some(2), ..Request::default() };
    for _ in 0..200 {
        assert_eq!(raised(|| _ = scale(&src, 2.0, &mut dst, &request).unwrap()), expected);
    }
}
