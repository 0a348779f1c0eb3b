//! Libraries that gcc makes: what hints at calls that are no imports, and which library provides what.

use std::path::Path;

use raptors_trace::analysis::imports::{Binding, Counts, Family, File, Subject};
use raptors_trace::views::imports::text;

use super::looks::PLAIN;
use super::support::{file, gcc, read, read_one, skip};

/// A routine of its own that nobody else can call, as a static BLAS is.
const STATIC: &str = "__attribute__((visibility(\"hidden\"))) void cblas_sgemm(void) {}
    void work(void) { cblas_sgemm(); }";

fn only(subject: &Subject) -> &File {
    let [file] = subject.files.as_slice() else { panic!("{subject:?}") };
    file
}

/// The table of one file.
fn shown(path: &Path) -> String {
    text(&read(&[path]), &PLAIN, false)
}

#[test]
fn a_zero_says_what_it_does_not_see() {
    let dir = tempfile::tempdir().unwrap();
    let Some(held) = gcc(dir.path(), "held.so", STATIC, &[]) else {
        return;
    };
    let subject = read_one(&held);
    let file = only(&subject);
    assert_eq!((file.counts.total(), file.defines.total(), file.holds.cblas), (0, 0, 1));
    let table = shown(&held);
    assert!(table.contains("from a static library or with the same names"), "{table}");

    let stripped = gcc(dir.path(), "stripped.so", STATIC, &["-s"]).expect("gcc was there");
    let subject = read_one(&stripped);
    assert_eq!((only(&subject).holds.total(), only(&subject).local_symbols), (0, false));
    let table = shown(&stripped);
    assert!(table.contains("It is stripped, so a statically linked library would not show."), "{table}");

    let source = "void *dlsym(void *, const char *); void *work(void) { return dlsym(0, \"cblas_sgemm\"); }";
    let asking = gcc(dir.path(), "asking.so", source, &[]).expect("gcc was there");
    assert_eq!(only(&read_one(&asking)).looks_up, ["dlsym"]);
    assert!(shown(&asking).contains("It imports dlsym, so it may find more"), "{}", shown(&asking));
}

#[test]
fn exported_routines_are_told_apart_from_imported_ones() {
    let dir = tempfile::tempdir().unwrap();
    let source =
        "void cblas_sgemm(void) {} void dgesv_(void) {} void vDSP_vsmul(void); void work(void) { vDSP_vsmul(); }";
    let Some(library) = gcc(dir.path(), "both.so", source, &[]) else {
        return;
    };
    let subject = read_one(&library);
    let file = only(&subject);
    let defines = Counts { cblas: 1, lapack: 1, ..Counts::default() };
    assert_eq!((file.defines, file.counts), (defines, Counts { vdsp: 1, ..Counts::default() }));
    assert_eq!(file.imports[0].binding, Binding::Process, "it needs no library");
}

/// `libown.so` defines `cblas_sgemm` and needs `libdeep.so`, which defines `dgesv_`; the caller needs `libown.so` and
/// two libraries that are not there.
fn linked(dir: &Path) -> Option<()> {
    let near = format!("-L{}", dir.display());
    gcc(dir, "libdeep.so", "void dgesv_(void) {}", &["-Wl,-soname,libdeep.so"])?;
    let own = "void dgesv_(void); void cblas_sgemm(void) { dgesv_(); }";
    gcc(dir, "libown.so", own, &[&near, "-ldeep", "-Wl,-soname,libown.so"])?;
    for (name, source) in [("libblas.so.3", "void ddot_(void) {}"), ("libthing.so", "void thing(void) {}")] {
        gcc(dir, name, source, &[&format!("-Wl,-soname,{name}")])?;
    }
    let caller = "void cblas_sgemm(void); void dgesv_(void); void ddot_(void); void thing(void); void dlaqz0_(void);
        void work(void) { cblas_sgemm(); dgesv_(); ddot_(); thing(); dlaqz0_(); }";
    let flags = [&near[..], "-lown", "-l:libblas.so.3", "-lthing", "-Wl,--allow-shlib-undefined"];
    gcc(dir, "caller.so", caller, &flags)?;
    Some(())
}

#[test]
fn the_provider_is_found_among_the_files_read_or_said_to_be_a_guess() {
    let dir = tempfile::tempdir().unwrap();
    if linked(dir.path()).is_none() {
        return;
    }
    std::fs::remove_file(dir.path().join("libblas.so.3")).unwrap();
    std::fs::remove_file(dir.path().join("libthing.so")).unwrap();
    let subject = read_one(dir.path());
    let caller = file(&subject, "caller.so");
    let found: Vec<_> = caller
        .imports
        .iter()
        .map(|import| (import.routine.as_str(), import.libraries.join(" "), import.binding))
        .collect();
    let expected = [
        ("cblas_sgemm", "libown.so".to_owned(), Binding::Defined),
        ("ddot", "libblas.so.3".to_owned(), Binding::ByName),
        ("dgesv", "libdeep.so".to_owned(), Binding::Defined),
        ("dlaqz0", "libblas.so.3".to_owned(), Binding::ByName),
    ];
    assert_eq!(found, expected);
    assert!(!caller.imports[3].in_catalogue && caller.imports[3].family == Family::Lapack);
    let name = dir.path().file_name().unwrap().to_string_lossy();
    assert_eq!(caller.imports[0].file, Some(format!("{name}/libown.so")));

    // Alone, the caller has nobody to look it up in.
    let alone = read_one(&dir.path().join("caller.so"));
    let gemm = &only(&alone).imports[0];
    assert_eq!((gemm.binding, gemm.file.as_deref()), (Binding::ByName, None));
}

#[test]
fn links_to_a_file_do_not_make_it_two_and_links_to_directories_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    if gcc(&inside, "libone.so.1", "void cblas_sgemm(void) {}", &[]).is_none() {
        return;
    }
    std::os::unix::fs::symlink("libone.so.1", inside.join("libone.so")).unwrap();
    std::os::unix::fs::symlink("..", inside.join("round")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    gcc(outside.path(), "libother.so", "void cblas_dgemm(void) {}", &[]).expect("gcc was there");
    std::os::unix::fs::symlink(outside.path(), inside.join("outside")).unwrap();
    std::os::unix::fs::symlink("nowhere", inside.join("broken.so")).unwrap();
    assert_eq!(read_one(dir.path()).files.len(), 1);
}

#[test]
fn readelf_sees_the_same_imports() {
    let Some(wheel) = super::support::numpy("manylinux_2_28_x86_64") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lapack_lite.so");
    std::fs::write(&path, super::support::member(&wheel, "linalg/lapack_lite.cpython")).unwrap();
    let output = std::process::Command::new("readelf").args(["--dyn-syms", "-W"]).arg(&path).output();
    let Ok(output) = output else {
        return skip("there is no readelf");
    };
    let listed = String::from_utf8(output.stdout).unwrap();
    let mut theirs: Vec<&str> = listed
        .lines()
        .filter(|line| line.contains(" UND ") && line.contains("scipy_"))
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    theirs.sort_unstable();
    let subject = read_one(&path);
    let mut ours: Vec<&str> = only(&subject).imports.iter().map(|import| import.symbol.as_str()).collect();
    ours.sort_unstable();
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs);
}
