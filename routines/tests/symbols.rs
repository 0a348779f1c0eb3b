//! Manglings of real libraries.

use raptors_routines::{Mangling, Width, parse_symbol};

#[test]
fn the_spellings_of_one_routine() {
    let cases = [
        ("cblas_sgemm", "cblas_sgemm", Width::Lp64, Mangling::Plain),
        ("sgemm_", "sgemm", Width::Lp64, Mangling::Underscore),
        ("dgesv_", "dgesv", Width::Lp64, Mangling::Underscore),
        ("sgemm", "sgemm", Width::Lp64, Mangling::Plain),
        (
            "scipy_cblas_sgemm64_",
            "cblas_sgemm",
            Width::Ilp64,
            Mangling::Scipy,
        ),
        ("scipy_sgemm_64_", "sgemm", Width::Ilp64, Mangling::Scipy),
        ("scipy_dgesv_64_", "dgesv", Width::Ilp64, Mangling::Scipy),
        ("scipy_sgemm_", "sgemm", Width::Lp64, Mangling::Scipy),
        (
            "scipy_cblas_sgemm",
            "cblas_sgemm",
            Width::Lp64,
            Mangling::Scipy,
        ),
        (
            "cblas_sgemm64_",
            "cblas_sgemm",
            Width::Ilp64,
            Mangling::Suffix64,
        ),
        ("sgemm_64_", "sgemm", Width::Ilp64, Mangling::Suffix64),
        ("sgemm64_", "sgemm", Width::Ilp64, Mangling::Suffix64),
        (
            "cblas_sgemm_64",
            "cblas_sgemm",
            Width::Ilp64,
            Mangling::Suffix64,
        ),
        ("sgemm_64", "sgemm", Width::Ilp64, Mangling::Suffix64),
        (
            "cblas_sgemm$NEWLAPACK$ILP64",
            "cblas_sgemm",
            Width::Ilp64,
            Mangling::NewLapack,
        ),
        (
            "cblas_sgemm$NEWLAPACK",
            "cblas_sgemm",
            Width::Lp64,
            Mangling::NewLapack,
        ),
        (
            "sgemm$NEWLAPACK$ILP64",
            "sgemm",
            Width::Ilp64,
            Mangling::NewLapack,
        ),
        (
            "sgemm_$NEWLAPACK$ILP64",
            "sgemm",
            Width::Ilp64,
            Mangling::NewLapack,
        ),
        (
            "dgesv_@OPENBLAS_0.3",
            "dgesv",
            Width::Lp64,
            Mangling::Underscore,
        ),
    ];
    for (symbol, name, width, mangling) in cases {
        let (routine, w, m) = parse_symbol(symbol).unwrap_or_else(|| panic!("{symbol} is unknown"));
        assert_eq!((routine.name, w, m), (name, width, mangling), "{symbol}");
    }
}
