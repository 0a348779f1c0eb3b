//! The hybrid: pieces alternate between `simd` and OpenBLAS.

use std::sync::{Mutex, PoisonError};

use raptors_kernel::{Backend, Choice, Error, Leaf, Request, available, scale, scale_in_place, scaled};
use raptors_probes::{Observer, set_observer};

use crate::common::{Bits, alone, alone_with_openblas, in_new_process};

const OPENBLAS: Backend = Backend::Hybrid(Leaf::OpenBlas(None));

fn by(backend: Backend, threads: usize) -> Request {
    Request { backend: Some(backend), threads: Some(threads), ..Request::default() }
}

fn run<T: Bits>(src: &[T], factor: T, in_place: bool, request: &Request) -> (Vec<u64>, Choice) {
    let (result, choice) = if in_place {
        let mut data = src.to_vec();
        let choice = scale_in_place(&mut data, factor, request).unwrap();
        (data, choice)
    } else {
        let (result, choice) = scaled(src, factor, request).unwrap();
        (result.to_vec(), choice)
    };
    (result.iter().map(|value| value.bits()).collect(), choice)
}

/// The pieces of the current operation: thread, start, end.
static PIECES: Mutex<Vec<(u32, u64, u64)>> = Mutex::new(Vec::new());

static OBSERVER: Observer = Observer {
    chunk_entry: |thread, start, end| {
        let mut pieces = PIECES.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.push((thread, start, end));
    },
    ..Observer::NOOP
};

/// The pieces of `work`, in order of their places.
fn pieces<R>(work: impl FnOnce() -> R) -> (R, Vec<(u32, u64, u64)>) {
    let taken = || std::mem::take(&mut *PIECES.lock().unwrap_or_else(PoisonError::into_inner));
    taken();
    set_observer(Some(&OBSERVER));
    let result = work();
    set_observer(None);
    let mut pieces = taken();
    pieces.sort_unstable_by_key(|(_, start, _)| *start);
    (result, pieces)
}

/// Multiplies signalling NaNs by one: the kernel's own loops make them quiet, OpenBLAS leaves them unchanged. The
/// result therefore shows which of the two computed an element.
fn each_piece_has_its_leaf<T: Bits>(signalling: T, quiet: u64) {
    let src = vec![signalling; (3 << 20) + 5];
    for (threads, in_place) in [(1, false), (1, true), (3, false), (3, true)] {
        let hybrid = by(OPENBLAS, threads);
        let ((got, choice), pieces) = pieces(|| run(&src, T::ONE, in_place, &hybrid));
        assert_eq!(choice.threads, threads);
        assert!(pieces.len() >= 4 * threads, "{pieces:?}");
        let mut at = 0;
        for (index, (thread, start, end)) in pieces.into_iter().enumerate() {
            assert_eq!(at, start, "a gap or an overlap");
            assert!((thread as usize) < threads);
            let leaf = if index % 2 == 0 { quiet } else { signalling.bits() };
            let piece = &got[start as usize..end as usize];
            assert!(
                piece.iter().all(|bits| *bits == leaf),
                "piece {index}, {start}..{end}, is not of its leaf: {choice}, in place: {in_place}"
            );
            at = end;
        }
        assert_eq!(at as usize, src.len());
    }
}

#[test]
fn even_pieces_are_of_simd_and_odd_ones_of_the_library() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    each_piece_has_its_leaf(f32::from_bits(0x7f80_0123), 0x7fc0_0123);
    each_piece_has_its_leaf(f64::from_bits(0x7ff0_0000_0000_0123), 0x7ff8_0000_0000_0123);
}

#[test]
fn an_array_of_one_piece_is_of_simd_alone() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    let src = [f32::from_bits(0x7f80_0123); 1000];
    for threads in [1, 2] {
        let (got, _) = run(&src, 1.0, false, &by(OPENBLAS, threads));
        assert_eq!(got, [0x7fc0_0123; 1000]);
    }
}

#[test]
fn ordinary_values_are_bitwise_ours_at_every_length() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    let piece = (64 << 10) / 4;
    let around_pieces = (1..6).flat_map(|count| [-1, 0, 1].map(|off| count * piece + off));
    for n in (0..=130).chain(around_pieces).chain([(2 << 20) + 17]) {
        let src: Vec<f32> = (0..n).map(|i| (i as f32 - 64.0) * 1.000_1).collect();
        let (ours, _) = run(&src, 2.5, false, &by(Backend::SIMD, 1));
        for (threads, in_place) in [(1, false), (1, true), (2, false), (3, true)] {
            let (got, choice) = run(&src, 2.5, in_place, &by(OPENBLAS, threads));
            assert_eq!(choice.backend, OPENBLAS);
            assert!(got == ours, "n = {n}, {threads} threads, in place: {in_place}");
        }
    }
}

#[test]
fn the_choice_names_both_leaves() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    let simd = run(&[1.0f32], 2.0, false, &by(Backend::SIMD, 1)).1.leaf;
    for (in_place, routine) in [(false, "cblas_somatcopy"), (true, "cblas_sscal")] {
        let (_, choice) = run(&[1.0f32], 2.0, in_place, &by(OPENBLAS, 2));
        assert_eq!(choice.name(), "parallel:simd+openblas");
        assert_eq!(choice.leaf, simd);
        let pair = format!("{simd}+openblas:{routine}");
        assert_eq!(choice.variant(), pair);
        assert_eq!(choice.to_string(), format!("parallel:{pair}, 2 threads: asked for by the argument"));
    }
    assert!(available().contains(&OPENBLAS));
}

#[test]
fn a_routine_of_the_other_place_is_refused_before_a_piece_is_computed() {
    let Some(_alone) = alone_with_openblas() else {
        return;
    };
    let mut dst = vec![7.0f32; 1 << 17];
    let src = vec![1.0; dst.len()];
    let scal = by("parallel:simd+openblas:cblas_sscal".parse().unwrap(), 2);
    let error = scale(&src, 2.0, &mut dst, &scal).unwrap_err();
    assert!(matches!(error, Error::WrongPlace { .. }), "{error}");
    assert!(dst.iter().all(|value| *value == 7.0));
    assert_eq!(scale_in_place(&mut dst, 2.0, &scal).unwrap().threads, 2);
    assert!(dst.iter().all(|value| *value == 14.0));
}

#[test]
fn a_library_of_another_system_is_refused_under_the_name_that_was_asked_for() {
    let _alone = alone();
    let accelerate = Backend::Hybrid(Leaf::Accelerate(None));
    let error = scaled(&[1.0f32], 2.0, &by(accelerate, 1)).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("parallel:simd+accelerate"), "{said}");
}

/// Prints whether the hybrid is listed, and the answer to a default request.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn show() {
    println!("listed: {}", available().contains(&OPENBLAS));
    match scaled(&[1.0f32], 2.0, &Request::default()) {
        Ok((_, choice)) => println!("{} {choice}", choice.backend),
        Err(error) => println!("error: {error}"),
    }
}

#[test]
fn without_openblas_it_is_neither_listed_nor_run() {
    let _alone = alone();
    let variables = [("RAPTORS_BACKEND", "parallel:simd+OpenBLAS"), ("RAPTORS_OPENBLAS", "/nowhere/libopenblas.so")];
    let said = in_new_process("hybrid::show", &variables);
    assert!(said.contains("listed: false"), "{said}");
    let sentence = "error: the backend parallel:simd+openblas cannot run here: RAPTORS_OPENBLAS: ";
    assert!(said.contains(sentence), "{said}");
}
