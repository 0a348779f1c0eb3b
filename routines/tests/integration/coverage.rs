//! The imports and exports of real libraries, compared with the catalogue.

use raptors_routines::{CATALOGUE, Convention, Family, Mangling, Width, parse_symbol, strip_mach_o_underscore};
use std::collections::{BTreeMap, BTreeSet};

/// The lines of a fixture that are not comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// The symbols of an import list (`module symbol`) that the catalogue does not know.
fn unknown(text: &str) -> BTreeSet<&str> {
    lines(text)
        .map(|line| line.split_once(' ').expect("module and symbol").1)
        .filter(|symbol| parse_symbol(symbol).is_none())
        .collect()
}

const NUMPY_LINUX: &str = include_str!("../fixtures/imports-numpy-linux.txt");
const NUMPY_MACOS: &str = include_str!("../fixtures/imports-numpy-macos.txt");
const SCIPY_LINUX: &str = include_str!("../fixtures/imports-scipy-linux.txt");
const SCIPY_MACOS: &str = include_str!("../fixtures/imports-scipy-macos.txt");

#[test]
fn every_import_of_numpy_is_known() {
    for (text, width, mangling) in
        [(NUMPY_LINUX, Width::Ilp64, Mangling::Scipy), (NUMPY_MACOS, Width::Ilp64, Mangling::NewLapack)]
    {
        assert_eq!(lines(text).count(), 63);
        assert_eq!(unknown(text), BTreeSet::new());
        for line in lines(text) {
            let symbol = line.split_once(' ').unwrap().1;
            let (_, w, m) = parse_symbol(symbol).unwrap();
            assert_eq!((w, m), (width, mangling), "{symbol}");
        }
    }
}

#[test]
fn every_import_of_scipy_is_known() {
    assert_eq!(unknown(SCIPY_LINUX), BTreeSet::new());
    // ilaver reports LAPACK's version and computes nothing.
    assert_eq!(unknown(SCIPY_MACOS), BTreeSet::from(["ilaver$NEWLAPACK"]));
}

#[test]
fn mach_o_symbols_lose_one_underscore() {
    assert_eq!(strip_mach_o_underscore("_cblas_sgemm$NEWLAPACK"), "cblas_sgemm$NEWLAPACK");
    assert_eq!(strip_mach_o_underscore("cblas_sgemm"), "cblas_sgemm");
}

/// Names OpenBLAS exports and the catalogue leaves out, each group with its reason.
fn left_out(name: &str) -> bool {
    let bare = name.strip_prefix("cblas_").unwrap_or(name);
    // Variadic: cannot be forwarded.
    bare == "xerbla"
        // Arrays of sizes, one per group of matrices: there is no single shape to record.
        || bare.ends_with("gemm_batch")
        || bare.ends_with("gemm_batch_strided")
        // Extended precision, in no public header: q for long double, x for its complex.
        || (!name.starts_with("cblas_") && ["q", "x", "iq", "ix"].iter().any(|start| bare.starts_with(start)))
        // Maximum and minimum without magnitude, and LAPACK's own helpers: the build exports them, but no CBLAS header
        // declares them.
        || ["smax", "smin", "dmax", "dmin", "slamc3", "dlamc3"].contains(&bare)
        // Unblocked kernels inside LAPACK, declared in f77blas.h only.
        || (bare.len() == 6 && ["getf2", "potf2", "lauu2", "trti2"].contains(&&bare[1..]))
}

#[test]
fn every_blas_name_of_openblas_is_known_or_left_out_for_a_reason() {
    for (build, text) in [
        ("numpy", include_str!("../fixtures/openblas-numpy.txt")),
        ("scipy", include_str!("../fixtures/openblas-scipy.txt")),
        ("debian", include_str!("../fixtures/openblas-debian.txt")),
    ] {
        assert!(lines(text).count() > 400, "{build}");
        for symbol in lines(text) {
            let known = parse_symbol(symbol).is_some();
            let plain = symbol.trim_start_matches("scipy_");
            let plain = plain.strip_suffix("64_").unwrap_or(plain).trim_end_matches('_');
            assert_ne!(
                known,
                left_out(plain),
                "{build}: {symbol} is {}",
                if known { "known and left out" } else { "unknown" }
            );
        }
    }
}

#[test]
fn names_are_unique_and_sorted() {
    assert!(CATALOGUE.windows(2).all(|pair| pair[0].name < pair[1].name));
}

#[test]
fn how_much_there_is() {
    let mut count = BTreeMap::new();
    for routine in CATALOGUE {
        *count.entry(routine.family).or_insert(0) += 1;
    }
    println!("{count:?}, {} in all", CATALOGUE.len());
    // Netlib's cblas.h declares 146 functions, cblas_xerbla and the deprecated cabs1 apart; its BLAS has as many.
    assert_eq!((count[&Family::Cblas], count[&Family::Fortran]), (146, 146));
    let catlas = CATALOGUE.iter().filter(|r| r.name.starts_with("catlas_"));
    assert!(catlas.clone().count() == 8 && catlas.clone().all(|r| r.convention == Convention::C));
}
