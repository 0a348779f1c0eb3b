//! A run of raptors-trace 0.1.0 (layout 1, `compare --size 64`, cut down to one of its cases and a few records a round)
//! is read by this version, and says the same.

use std::io::Read as _;
use std::path::Path;

use raptors_trace::analysis;
use raptors_trace::model::comparison::{CallKind, Scalar};
use raptors_trace::views::export::{self, Format, Options};

/// The run file, unpacked into a directory of its own.
fn unpacked() -> (tempfile::TempDir, std::path::PathBuf) {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/earlier_run.zip");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(packed).unwrap()).unwrap();
    let mut bytes = Vec::new();
    archive.by_name("run.rtrace").unwrap().read_to_end(&mut bytes).unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("run.rtrace");
    std::fs::write(&file, bytes).unwrap();
    (place, file)
}

#[test]
fn its_calls_are_exported_as_that_version_did() {
    let (_place, file) = unpacked();
    let options = Options { file, format: Format::Csv, output: None, case: None, lossy: false };
    let mut written = Vec::new();
    export::write(&options, &mut written).unwrap();
    let expected = include_str!("../golden/earlier_run.csv");
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

#[test]
fn its_comparison_is_that_versions() {
    let (_place, file) = unpacked();
    let comparison = analysis::read(&file, false).unwrap();
    assert!(comparison.complete && comparison.controls[0].ok);
    let [case] = &comparison.cases[..] else { panic!("{} cases", comparison.cases.len()) };
    assert_eq!((case.rounds.count, case.rounds.observed, case.rounds.placements), (8, 8, Some(12)));
    let [multiply] = &case.sides.a.calls[..] else { panic!("{:?}", case.sides.a.calls) };
    assert_eq!((multiply.kind, multiply.name.as_str()), (CallKind::Loop, "np.multiply[ff->f]"));
    assert_eq!(multiply.strides.as_deref(), Some(&[4, 0, 4][..]));
    assert_eq!(multiply.scalar, Some(Scalar::from(2.5)));
    let [scale] = &case.sides.b.calls[..] else { panic!("{:?}", case.sides.b.calls) };
    assert_eq!((scale.kind, scale.symbol.as_deref()), (CallKind::Backend, Some("simd")));
    assert_eq!(scale.alignment.as_deref(), Some(&[16, 64][..]));
}
