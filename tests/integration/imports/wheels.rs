//! NumPy's wheels for four platforms, and one for macOS that brings its own OpenBLAS.

use raptors_trace::analysis::imports::{Binding, Family, FileKind, Format, Import, Subject, SubjectKind};

use super::support::{NUMPY, file, numpy, read_one, routines};

const ACCELERATE: &str = "/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate";

/// What `_multiarray_umath` imports in every wheel.
const CBLAS: [&str; 22] = [
    "cblas_caxpy",
    "cblas_cdotc_sub",
    "cblas_cdotu_sub",
    "cblas_cgemm",
    "cblas_cgemv",
    "cblas_csyrk",
    "cblas_daxpy",
    "cblas_ddot",
    "cblas_dgemm",
    "cblas_dgemv",
    "cblas_dsyrk",
    "cblas_saxpy",
    "cblas_sdot",
    "cblas_sgemm",
    "cblas_sgemv",
    "cblas_ssyrk",
    "cblas_zaxpy",
    "cblas_zdotc_sub",
    "cblas_zdotu_sub",
    "cblas_zgemm",
    "cblas_zgemv",
    "cblas_zsyrk",
];

/// What is the same everywhere; then each import of a routine is handed to `check`.
fn holds_everywhere(platform: &str, format: Format, architecture: &str, check: impl Fn(&Subject, &Import)) {
    let Some(wheel) = numpy(platform) else { return };
    let subject = read_one(&wheel);
    assert_eq!((subject.kind, subject.version.as_deref()), (SubjectKind::Wheel, Some(NUMPY)));
    assert!(subject.unread.is_empty(), "{:?}", subject.unread);
    for file in &subject.files {
        assert_eq!((file.format, file.architecture.as_str(), file.bits), (format, architecture, 64), "{}", file.path);
        assert_ne!(file.kind, FileKind::Program, "{}", file.path);
    }
    let multiarray = file(&subject, "/_multiarray_umath.");
    assert_eq!(routines(multiarray, Family::Cblas), CBLAS);
    assert_eq!(multiarray.counts.total(), 22, "CBLAS and nothing else");
    let umath_linalg = file(&subject, "/_umath_linalg.");
    assert_eq!(routines(umath_linalg, Family::Blas), ["ccopy", "dcopy", "scopy", "zcopy"]);
    assert_eq!(umath_linalg.counts.lapack, 31);
    assert!(routines(umath_linalg, Family::Lapack).contains(&"dgesdd"));
    let all = subject.imports;
    assert_eq!((all.cblas, all.blas, all.lapack, all.total()), (22, 4, 31, 57), "no vDSP, no vForce");
    let importing = subject.files.iter().filter(|file| !file.imports.is_empty());
    assert_eq!(importing.count(), 3);
    for import in subject.files.iter().flat_map(|file| &file.imports) {
        assert_eq!(import.integer_bits, Some(64), "{import:?}");
        assert!(import.in_catalogue, "{import:?}");
        check(&subject, import);
    }
}

/// The new Accelerate, as each file says itself, and no library of its own.
fn from_accelerate(subject: &Subject, import: &Import) {
    let symbol = format!("{}$NEWLAPACK$ILP64", import.routine);
    assert_eq!(import.symbol, symbol);
    assert_eq!((&import.libraries[..], import.binding), (&[ACCELERATE.to_owned()][..], Binding::Exact));
    assert_eq!(import.file, None);
    assert!(subject.files.iter().all(|file| file.defines.total() == 0));
}

/// The OpenBLAS that lies in the wheel.
fn from_openblas(subject: &Subject, import: &Import, binding: Binding, dir: &str) {
    assert!(import.symbol.starts_with("scipy_") && import.symbol.ends_with("64_"), "{import:?}");
    assert_eq!(import.binding, binding, "{import:?}");
    let path = import.file.as_deref().unwrap_or_else(|| panic!("{import:?}"));
    assert!(path.starts_with(&format!("{dir}/libscipy_openblas64_")), "{path}");
    let [library] = import.libraries.as_slice() else { panic!("{import:?}") };
    assert_eq!(library.rsplit('/').next(), path.rsplit('/').next());
    let defines = file(subject, path).defines;
    assert!(defines.cblas > 100 && defines.lapack > 500, "{defines:?}");
}

#[test]
fn on_an_arm_mac_numpy_can_call_22_cblas_routines_of_accelerate_and_no_vdsp() {
    holds_everywhere("macosx_14_0_arm64", Format::MachO, "aarch64", from_accelerate);
}

#[test]
fn on_an_intel_mac_as_well() {
    holds_everywhere("macosx_14_0_x86_64", Format::MachO, "x86_64", from_accelerate);
}

#[test]
fn on_an_older_mac_it_brings_openblas() {
    holds_everywhere("macosx_11_0_arm64", Format::MachO, "aarch64", |subject, import| {
        from_openblas(subject, import, Binding::Exact, "numpy/.dylibs");
    });
}

#[test]
fn on_linux_it_brings_openblas() {
    holds_everywhere("manylinux_2_28_x86_64", Format::Elf, "x86_64", |subject, import| {
        from_openblas(subject, import, Binding::Defined, "numpy.libs");
    });
}

#[test]
fn on_arm_linux_as_well() {
    holds_everywhere("manylinux_2_28_aarch64", Format::Elf, "aarch64", |subject, import| {
        from_openblas(subject, import, Binding::Defined, "numpy.libs");
    });
}
