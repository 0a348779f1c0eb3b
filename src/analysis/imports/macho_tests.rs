//! Mach-O images made by hand, for cases that no available real file has. Real ones are read in
//! `tests/integration/imports`.

use proptest::prelude::*;

use super::super::model::{Binding, FileKind, Format};
use super::super::native::Source;
use super::super::{native, read_bytes};

const ACCELERATE: &str = "/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate";
const SYSTEM: &str = "/usr/lib/libSystem.B.dylib";
const TWO_LEVEL: u32 = 0x80;
const UNDEFINED: u8 = 0x01;
const EXPORTED: u8 = 0x0f;
const PRIVATE: u8 = 0x1e;

/// A bundle for arm64 that needs Accelerate and libSystem.
fn image(flags: u32, symbols: &[(&str, u8, u16)]) -> Vec<u8> {
    let mut commands = Vec::new();
    for library in [ACCELERATE, SYSTEM] {
        let size = (24 + library.len() + 1).next_multiple_of(8);
        words(&mut commands, &[0xc, size as u32, 24, 0, 0, 0]);
        commands.extend(library.bytes());
        commands.resize(commands.len() + size - 24 - library.len(), 0);
    }
    let tables = 32 + commands.len() as u32 + 24;
    let mut strings = vec![0_u8];
    let mut table = Vec::new();
    for (name, kind, description) in symbols {
        words(&mut table, &[strings.len() as u32]);
        table.extend([*kind, u8::from(*kind != UNDEFINED)]);
        table.extend(description.to_le_bytes());
        table.extend([0; 8]);
        strings.extend(name.bytes().chain([0]));
    }
    let strings_at = tables + table.len() as u32;
    let count = symbols.len() as u32;
    words(&mut commands, &[2, 24, tables, count, strings_at, strings.len() as u32]);
    let mut image = Vec::new();
    words(&mut image, &[0xfeed_facf, 0x0100_000c, 0, 8, 3, commands.len() as u32, flags, 0]);
    [commands, table, strings].into_iter().for_each(|part| image.extend(part));
    image
}

fn words(bytes: &mut Vec<u8>, words: &[u32]) {
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

/// The ordinal of a library in a symbol's description.
fn ordinal(n: u16) -> u16 {
    n << 8
}

fn usual() -> Vec<u8> {
    image(
        TWO_LEVEL,
        &[
            ("_cblas_sgemm$NEWLAPACK$ILP64", UNDEFINED, ordinal(1)),
            ("_vDSP_fft_zrip", UNDEFINED, ordinal(1)),
            ("_dlsym", UNDEFINED, ordinal(2)),
            ("_PyList_New", UNDEFINED, ordinal(254)),
            ("_cblas_dgemm", PRIVATE, 0),
            ("_PyInit_x", EXPORTED, 0),
            ("__ZN3foo3barEv", EXPORTED, 0),
        ],
    )
}

#[test]
fn each_import_has_the_library_of_its_ordinal() {
    let images = native::read(usual().as_slice()).unwrap();
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((image.format, image.kind), (Format::MachO, FileKind::Bundle));
    assert_eq!((image.architecture.as_str(), image.bits), ("aarch64", 64));
    assert_eq!(image.needed, [ACCELERATE, SYSTEM]);
    let expected = [
        ("cblas_sgemm$NEWLAPACK$ILP64", Source::Needed(0)),
        ("vDSP_fft_zrip", Source::Needed(0)),
        ("dlsym", Source::Needed(1)),
        ("PyList_New", Source::Process),
    ];
    assert_eq!(image.imports, expected.map(|(name, from)| (name.to_owned(), from)));
    assert_eq!(image.exports, ["PyInit_x"], "C++ names are left out");
    assert_eq!((image.local_symbols, &image.locals[..]), (true, &["cblas_dgemm".to_owned()][..]));
}

#[test]
fn what_it_imports_holds_and_looks_up_is_told() {
    let files = read_bytes("x.so", &usual()).unwrap();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let gemm = &file.imports[0];
    assert_eq!((gemm.routine.as_str(), gemm.integer_bits), ("cblas_sgemm", Some(64)));
    assert_eq!((&gemm.libraries[..], gemm.binding), (&[ACCELERATE.to_owned()][..], Binding::Exact));
    assert_eq!((file.counts.cblas, file.counts.vdsp, file.counts.total()), (1, 1, 2));
    assert!(!file.imports[1].in_catalogue, "{:?}", file.imports[1]);
    assert_eq!((file.holds.cblas, file.defines.total()), (1, 0));
    assert_eq!(file.looks_up, ["dlsym"]);
}

#[test]
fn a_wrapper_of_an_imported_routine_is_not_a_static_library() {
    let symbols = [("_dgemm$NEWLAPACK", UNDEFINED, ordinal(1)), ("_dgemm_", PRIVATE, 0)];
    let files = read_bytes("x.so", &image(TWO_LEVEL, &symbols)).unwrap();
    assert_eq!((files[0].counts.blas, files[0].holds.total()), (1, 0));
    let files = read_bytes("x.so", &image(TWO_LEVEL, &symbols[1..])).unwrap();
    assert_eq!((files[0].counts.blas, files[0].holds.blas), (0, 1));
}

#[test]
fn no_library_is_claimed_where_the_file_names_none() {
    let symbols = [("_cblas_sgemm", UNDEFINED, ordinal(1))];
    let flat = read_bytes("x.so", &image(0, &symbols)).unwrap();
    let damaged = [("_cblas_sgemm", UNDEFINED, ordinal(9))];
    let damaged = read_bytes("x.so", &image(TWO_LEVEL, &damaged)).unwrap();
    for files in [flat, damaged] {
        let import = &files[0].imports[0];
        assert_eq!((import.binding, import.libraries.len()), (Binding::Process, 0));
    }
}

/// The same image for two processors, at 4 KiB and 8 KiB.
fn fat(sizes: [u32; 2]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let slice = usual();
    let mut word = |n: u32| bytes.extend(n.to_be_bytes());
    [0xcafe_babe, 2].into_iter().for_each(&mut word);
    for (cpu, (at, size)) in [0x0100_000c, 0x0100_0007].into_iter().zip([4096, 8192].into_iter().zip(sizes)) {
        [cpu, 0, at, size, 12].into_iter().for_each(&mut word);
    }
    for at in [4096, 8192] {
        bytes.resize(at, 0);
        bytes.extend(&slice);
    }
    bytes
}

#[test]
fn every_slice_of_a_fat_file_is_read_and_none_twice() {
    let size = usual().len() as u32;
    let files = read_bytes("x.so", &fat([size; 2])).unwrap();
    assert_eq!(files.len(), 2);
    let error = read_bytes("x.so", &fat([size, u32::MAX])).unwrap_err();
    assert!(error.to_string().contains("larger than the file"), "{error}");
    let mut java = fat([size; 2]);
    java[4..8].copy_from_slice(&[0, 0, 0, 52]);
    let error = read_bytes("X.class", &java).unwrap_err();
    assert_eq!(error.to_string(), "it is neither ELF nor Mach-O");
}

proptest! {
    #[test]
    fn damage_is_refused_or_read_and_never_a_panic(
        length in 0_usize..600,
        damage in proptest::collection::vec((0_usize..600, any::<u8>()), 0..8),
    ) {
        let size = usual().len() as u32;
        for whole in [usual(), fat([size; 2])] {
            let mut bytes = whole.clone();
            for (at, value) in &damage {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte = *value;
                }
            }
            let _ = read_bytes("x.so", &bytes);
            bytes.truncate(length);
            let _ = read_bytes("x.so", &bytes);
        }
        // A truncated file must never look like "imports none".
        prop_assume!(length < usual().len());
        prop_assert!(read_bytes("x.so", &usual()[..length]).is_err());
    }
}
