//! Manglings of real libraries.

use raptors_routines::{Mangling, TargetOs, Width, library_width, parse_symbol};

#[test]
fn the_spellings_of_one_routine() {
    let cases = [
        ("cblas_sgemm", "cblas_sgemm", Width::Lp64, Mangling::Plain),
        ("sgemm_", "sgemm", Width::Lp64, Mangling::Underscore),
        ("dgesv_", "dgesv", Width::Lp64, Mangling::Underscore),
        ("sgemm", "sgemm", Width::Lp64, Mangling::Plain),
        ("scipy_cblas_sgemm64_", "cblas_sgemm", Width::Ilp64, Mangling::Scipy),
        ("scipy_sgemm_64_", "sgemm", Width::Ilp64, Mangling::Scipy),
        ("scipy_dgesv_64_", "dgesv", Width::Ilp64, Mangling::Scipy),
        ("scipy_sgemm_", "sgemm", Width::Lp64, Mangling::Scipy),
        ("scipy_cblas_sgemm", "cblas_sgemm", Width::Lp64, Mangling::Scipy),
        ("cblas_sgemm64_", "cblas_sgemm", Width::Ilp64, Mangling::Suffix64),
        ("sgemm_64_", "sgemm", Width::Ilp64, Mangling::Suffix64),
        ("sgemm64_", "sgemm", Width::Ilp64, Mangling::Suffix64),
        ("cblas_sgemm_64", "cblas_sgemm", Width::Ilp64, Mangling::Suffix64),
        ("sgemm_64", "sgemm", Width::Ilp64, Mangling::Suffix64),
        ("cblas_sgemm$NEWLAPACK$ILP64", "cblas_sgemm", Width::Ilp64, Mangling::NewLapack),
        ("cblas_sgemm$NEWLAPACK", "cblas_sgemm", Width::Lp64, Mangling::NewLapack),
        ("sgemm$NEWLAPACK$ILP64", "sgemm", Width::Ilp64, Mangling::NewLapack),
        ("sgemm_$NEWLAPACK$ILP64", "sgemm", Width::Ilp64, Mangling::NewLapack),
        ("dgesv_@OPENBLAS_0.3", "dgesv", Width::Lp64, Mangling::Underscore),
    ];
    for (symbol, name, width, mangling) in cases {
        let (routine, w, m) = parse_symbol(symbol).unwrap_or_else(|| panic!("{symbol} is unknown"));
        assert_eq!((routine.name, w, m), (name, width, mangling), "{symbol}");
    }
}

#[test]
fn what_is_not_a_routine() {
    for symbol in [
        "",
        "_",
        "64_",
        "scipy_",
        "malloc",
        "sgemm_thread_nn",
        "cblas_",
        "cblas_sgemm_",
        "cblas_xerbla",
        "sdot",
        "scipy_dgesv",
        "LAPACKE_dgesv",
        "scipy_LAPACKE_dgesv64_",
        "vDSP_vsmul64_",
        "vvexpf_",
        "dgesv__",
        "dgesv$NEWLAPACK$LP64",
        "_cblas_sgemm",
    ] {
        assert!(parse_symbol(symbol).is_none(), "{symbol} is {:?}", parse_symbol(symbol).map(|p| p.0.name));
    }
}

#[test]
fn libraries_with_wide_integers_under_plain_names() {
    for (file, width) in [
        ("libopenblas64p-r0.3.21.so", Some(Width::Ilp64)),
        ("/usr/lib/x86_64-linux-gnu/libblas64.so.3", Some(Width::Ilp64)),
        ("libmkl_intel_ilp64.so.2", Some(Width::Ilp64)),
        ("libmkl_intel_lp64.so.2", Some(Width::Lp64)),
        ("/usr/lib64/libopenblas.so.0", None),
        ("libscipy_openblas-6cdc3b4a.so", None),
    ] {
        assert_eq!(library_width(file), width, "{file}");
    }
}

#[test]
fn hazards_are_told() {
    let hazard = |symbol: &str, os| {
        let (routine, _, mangling) = parse_symbol(symbol).unwrap();
        routine.abi_hazard(mangling, os).is_some()
    };
    for (symbol, linux, macos) in [
        ("cblas_sdot", false, false),
        ("sgemm_", false, false),
        ("sgemm", true, true),
        ("sdot_", false, true),
        ("sdot$NEWLAPACK", false, false),
        ("slange_", false, true),
        ("dlange_", false, false),
        ("zdotu_", true, true),
        ("zdotu$NEWLAPACK$ILP64", true, true),
        ("scipy_zdotu_64_", false, false),
        ("cblas_zdotu_sub", false, false),
    ] {
        assert_eq!((hazard(symbol, TargetOs::Linux), hazard(symbol, TargetOs::MacOs)), (linux, macos), "{symbol}");
    }
}
