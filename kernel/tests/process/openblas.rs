//! OpenBLAS's routines: their results, and their deviations from NumPy's multiplication.
//!
//! Every deviation has to be in the list in the docs of `Leaf::OpenBlas`.

use std::collections::BTreeMap;

use raptors_kernel::{Backend, Error, Leaf, Request, openblas_library, scale_in_place, scaled};

use crate::common::{Bits, SPECIAL_F32, SPECIAL_F64, alone_with_openblas};

fn by(backend: Backend) -> Request {
    Request { backend: Some(backend), threads: None, ..Request::default() }
}

fn run<T: Bits>(src: &[T], factor: T, in_place: bool, backend: Backend) -> Vec<u64> {
    let result = if in_place {
        let mut data = src.to_vec();
        scale_in_place(&mut data, factor, &by(backend)).unwrap();
        data
    } else {
        scaled(src, factor, &by(backend)).unwrap().0.to_vec()
    };
    result.iter().map(|value| value.bits()).collect()
}

/// The listed deviation that explains this difference.
fn listed<T: Bits + Into<f64>>(element: T, factor: T) -> Option<&'static str> {
    // A conversion of a signalling NaN makes it quiet; the test asks only whether it is a NaN.
    let (element_value, factor_value): (f64, f64) = (element.into(), factor.into());
    if factor_value == 0.0 {
        Some("a factor of zero gives +0 for everything")
    } else if factor_value == 1.0 && element_value.is_nan() {
        Some("a factor of one leaves a signalling NaN signalling")
    } else if factor_value.is_nan() && !element_value.is_nan() {
        Some("0.3.21 takes a NaN factor for zero, in place")
    } else if element_value.is_nan() && factor_value.is_nan() {
        Some("NaN × NaN keeps the factor's payload at every length")
    } else {
        None
    }
}

/// Compares arrays of one value, for every pair of special values; returns the deviations found.
fn deviations<T: Bits + Into<f64>>(special: &[T], in_place: bool) -> BTreeMap<&'static str, usize> {
    let mut met = BTreeMap::new();
    for n in [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 127, 1000] {
        for element in special {
            for factor in special {
                let src = vec![*element; n];
                let ours = run(&src, *factor, in_place, Backend::SCALAR);
                let theirs = run(&src, *factor, in_place, Backend::OPENBLAS);
                if ours != theirs {
                    let (element_bits, factor_bits) = (element.bits(), factor.bits());
                    let why = listed(*element, *factor).unwrap_or_else(|| {
                        panic!(
                            "not listed: {element_bits:#x} × {factor_bits:#x} gives {:#x} for {:#x}, \
                             n = {n}, in place: {in_place}",
                            theirs[0], ours[0]
                        )
                    });
                    *met.entry(why).or_default() += 1;
                }
            }
        }
    }
    met
}

#[test]
fn every_deviation_is_a_listed_one() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    println!("{}", openblas_library().unwrap().display());
    let singles: Vec<f32> = SPECIAL_F32.iter().map(|bits| f32::from_bits(*bits)).collect();
    let doubles: Vec<f64> = SPECIAL_F64.iter().map(|bits| f64::from_bits(*bits)).collect();
    for in_place in [false, true] {
        let (single, double) = (deviations(&singles, in_place), deviations(&doubles, in_place));
        println!("in place: {in_place}; float32: {single:?}; float64: {double:?}");
        // Present in every OpenBLAS tested; without one, this comparison would prove nothing.
        let known = "a factor of one leaves a signalling NaN signalling";
        assert!(single.contains_key(known) && double.contains_key(known));
    }
}

#[test]
fn ordinary_values_are_bitwise_ours_at_every_length() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    // In place, longer than the pieces that keep OpenBLAS on the calling thread.
    for n in (0..=130).chain([(1 << 20) - 1, (1 << 20) + 1, (2 << 20) + 17]) {
        let src: Vec<f32> = (0..n).map(|i| (i as f32 - 64.0) * 1.000_1).collect();
        for in_place in [false, true] {
            let ours = run(&src, 2.5, in_place, Backend::SIMD);
            assert_eq!(run(&src, 2.5, in_place, Backend::OPENBLAS), ours, "n = {n}");
        }
    }
}

#[test]
fn a_routine_of_the_other_place_is_refused() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    let scal = by("openblas:cblas_sscal".parse().unwrap());
    let error = scaled(&[1.0f32], 2.0, &scal).unwrap_err();
    assert!(matches!(error, Error::WrongPlace { .. }), "{error}");
    assert!(error.to_string().contains("in place only"), "{error}");
    let omatcopy = by("openblas:cblas_somatcopy".parse().unwrap());
    let mut data = [3.0f32];
    assert!(scale_in_place(&mut data, 2.0, &omatcopy).is_err());
    assert_eq!(data, [3.0]);
    let (_, choice) = scaled(&[1.0f64], 2.0, &by("parallel:openblas".parse().unwrap())).unwrap();
    assert_eq!(choice.variant(), "openblas:cblas_somatcopy");
}

#[test]
fn the_automatic_choice_never_takes_it() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    for n in [0, 1, 1000, 1 << 20] {
        for threads in [1, 2] {
            let request = Request { backend: None, threads: Some(threads), ..Request::default() };
            let (_, choice) = scaled(&vec![1.0f32; n], 0.0, &request).unwrap();
            assert!(matches!(choice.leaf, Leaf::Simd(_) | Leaf::Scalar), "{choice}");
            assert_eq!(choice.beside, None, "{choice}");
        }
    }
}
