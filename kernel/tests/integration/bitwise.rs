//! Every own loop against the one-by-one reference, bit for bit.

use proptest::prelude::*;
use raptors_kernel::{Backend, Element, Request, Stores, scale, scale_in_place, scaled};

use crate::common::{self, Bits, SPECIAL_F32, SPECIAL_F64, own_backends};

/// The reference: single multiplications in the operand order of NumPy's loop at this length.
fn reference<T: Bits>(src: &[T], factor: T) -> Vec<u64> {
    let request = Request { backend: Some(Backend::SCALAR), threads: None, ..Request::default() };
    let (result, _) = scaled(src, factor, &request).expect("scalar always runs");
    result.iter().map(|value| value.bits()).collect()
}

fn bits<T: Bits>(values: &[T]) -> Vec<u64> {
    values.iter().map(|value| value.bits()).collect()
}

/// Runs every own backend on src\[offset..\] in all three ways.
fn check<T: Bits>(values: &[T], offset: usize, factor: T) {
    let src = &values[offset.min(values.len())..];
    let expected = reference(src, factor);
    let plain = own_backends().into_iter().map(|backend| (backend, Stores::Plain));
    let streaming = common::streaming_backends().into_iter().map(|backend| (backend, Stores::Stream));
    for (backend, stores) in plain.chain(streaming) {
        let request = Request { backend: Some(backend), threads: Some(3), stores: Some(stores) };
        let (fresh, choice) = scaled(src, factor, &request).unwrap();
        assert_eq!((choice.backend, choice.stores), (backend, stores));
        assert_eq!(bits(&fresh), expected, "{backend}, {stores:?}, fresh, n = {}", src.len());
        let mut out = vec![T::ONE; values.len()];
        let start = values.len() - src.len();
        scale(src, factor, &mut out[start..], &request).unwrap();
        assert_eq!(bits(&out[start..]), expected, "{backend}, {stores:?}, out, n = {}", src.len());
        let mut data = values.to_vec();
        scale_in_place(&mut data[start..], factor, &request).unwrap();
        assert_eq!(bits(&data[start..]), expected, "{backend}, {stores:?}, in place, n = {}", src.len());
        assert_eq!(bits(&data[..start]), bits(&values[..start]), "{backend}, {stores:?} wrote before the slice");
    }
}

#[test]
fn every_length_to_130_every_special_factor_float32() {
    for n in 0..=130 {
        for (k, factor) in SPECIAL_F32.iter().enumerate() {
            let values: Vec<f32> =
                (0..n + 3).map(|i| f32::from_bits(SPECIAL_F32[(i * 7 + k) % SPECIAL_F32.len()])).collect();
            check(&values, k % 4, f32::from_bits(*factor));
        }
    }
}

#[test]
fn every_length_to_130_every_special_factor_float64() {
    for n in 0..=130 {
        for (k, factor) in SPECIAL_F64.iter().enumerate() {
            let values: Vec<f64> =
                (0..n + 3).map(|i| f64::from_bits(SPECIAL_F64[(i * 7 + k) % SPECIAL_F64.len()])).collect();
            check(&values, k % 4, f64::from_bits(*factor));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bits_float32(values in prop::collection::vec(common::any_f32(), 0..300),
                        offset in 0usize..17, factor in common::any_f32()) {
        check(&values, offset, factor);
    }

    #[test]
    fn any_bits_float64(values in prop::collection::vec(common::any_f64(), 0..300),
                        offset in 0usize..9, factor in common::any_f64()) {
        check(&values, offset, factor);
    }
}

#[test]
fn pieces_join_without_a_seam() {
    // Longer than several pieces of `chunked` and `parallel`, and not a multiple of anything.
    let n = (5 << 20) / 4 + 13;
    let values: Vec<f32> = (0..n).map(|i| f32::from_bits((i as u32).wrapping_mul(2_654_435_761))).collect();
    for factor in [2.5, f32::from_bits(0x7fc0_0abc), f32::from_bits(0xff80_0001)] {
        check(&values, 1, factor);
    }
}

/// The reference itself: the rule of the first operand, without the kernel's loops.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_reference_keeps_the_payload_of_the_first_operand() {
    let quieted = |bits: u32| bits | 0x0040_0000;
    let (element, factor) = (0x7f80_0123, 0xffc0_0456);
    let above =
        raptors_kernel::factor_first(raptors_kernel::Dtype::Float32).map_or(u32::MAX, |rule| rule.above) as usize;
    for n in 1..=130 {
        let values = vec![f32::from_bits(element); n];
        let first = if n > above { factor } else { element };
        let expected = vec![u64::from(quieted(first)); n];
        assert_eq!(reference(&values, f32::from_bits(factor)), expected, "n = {n}");
    }
}

#[test]
fn finite_results_are_those_of_the_language() {
    let values: Vec<f64> = (0..1000).map(|i| (i as f64 - 500.0) * 1.000_000_1e-3).collect();
    let expected: Vec<u64> = values.iter().map(|value| (value * 2.5).to_bits()).collect();
    assert_eq!(reference(&values, 2.5), expected);
}

#[test]
fn denormals_are_neither_flushed_nor_read_as_zero() {
    let tiny = vec![f32::from_bits(1); 40];
    assert_eq!(reference(&tiny, 3.0), vec![3; 40]);
    let small = vec![f32::MIN_POSITIVE; 40];
    let half: u32 = f32::MIN_POSITIVE.to_bits() / 2;
    assert_eq!(reference(&small, 0.5), vec![u64::from(half); 40]);
}

#[test]
fn element_kinds_are_what_they_say() {
    assert_eq!(<f32 as Element>::DTYPE.name(), "float32");
    assert_eq!(<f64 as Element>::DTYPE.item_size(), 8);
}
