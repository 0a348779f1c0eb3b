//! The wrappers of vDSP, vForce, catlas and plain BLAS names, on a stand-in for the libraries that have them.
//!
//! Routines are told by their symbols' names alone, on every system and whatever the library is called. So Linux takes
//! vDSP's names too, though no library there has them, and a stand-in runs the very wrappers that Accelerate would.
//! Only the width of the integers of plain names is asked of the library's file name.

use raptors_hooks::{Report, routines};
use raptors_recording::{Alias, Aliasing, Alignments, Record, RoutineCall};
use std::path::Path;

use crate::support::{Library, Recorded, Recording, alone, linked, routine_call, shared};

/// What `run` of standin_calls.c calls and the hooks take, by the symbols' names.
const CALLED: [&str; 14] = [
    "catlas_daxpby",
    "catlas_saxpby",
    "cblas_sgemm",
    "dgesv_",
    "sdot_",
    "sgemm_",
    "vDSP_dotpr",
    "vDSP_sve",
    "vDSP_vsma",
    "vDSP_vsmul",
    "vDSP_vsmulD",
    "vvexp",
    "vvexpf",
    "vvpowf",
];

/// The widths of a stand-in's BLAS integers.
#[derive(Clone, Copy)]
enum Int {
    Bits32,
    Bits64,
}

/// A stand-in in a library of this name, and a caller of it.
fn standin(dir: &Path, name: &str, int: Int) -> Library {
    let int = match int {
        Int::Bits32 => "-DINT=int",
        Int::Bits64 => "-DINT=long long",
    };
    // No fused multiplications, so that the few results stated here are right on every machine.
    let flags = [int, "-ffp-contract=off", "-lm"];
    let library = shared(dir, name, "standin_accelerate.c", &flags);
    let (path, rpath) = linked(&library);
    let calls = shared(dir, "calls", "standin_calls.c", &[int, &path, &rpath]);
    Library::open(&calls, libc::RTLD_LAZY | libc::RTLD_LOCAL)
}

/// Runs the calls unhooked, hooked and unhooked again: the stand-in's own bits each time.
fn observed(library: Library) -> (Vec<u8>, Report, Recorded) {
    let before = library.run();
    let recording = Recording::start();
    let report = routines::arm().unwrap();
    let hooked = library.run();
    let put_back = routines::disarm();
    let recorded = recording.finish();
    assert_eq!(hooked, before, "results differ while hooked");
    assert_eq!(library.run(), before, "results differ after disarming");
    assert!(put_back.not_armed.is_empty(), "{put_back:?}");
    (before, report, recorded)
}

/// The one record of a call through this symbol.
fn record(recorded: &Recorded, symbol: &str) -> Record {
    let of = |r: &&Record| recorded.sites[&r.site]["symbol"] == symbol;
    let found: Vec<_> = recorded.records.iter().filter(of).collect();
    assert_eq!(found.len(), 1, "records of {symbol}");
    *found[0]
}

/// What a record should say, in words.
struct Said {
    symbol: &'static str,
    m: u64,
    n_k: [u32; 2],
    steps: [i32; 2],
    /// log2 of the bytes, an array each.
    aligned: &'static [u32],
    /// An input each.
    aliases: &'static [Alias],
    scalar: Option<u64>,
}

impl Said {
    fn call(&self) -> RoutineCall {
        let [n, k] = self.n_k;
        let (aligned, aliases) = (self.aligned.iter().enumerate(), self.aliases.iter().enumerate());
        RoutineCall {
            m: self.m,
            n,
            k,
            steps: self.steps,
            alignments: aligned.fold(Alignments::NONE, |all, (i, log2)| all.with(i, 1 << log2)),
            aliasing: aliases.fold(Aliasing::NONE, |all, (i, alias)| all.with(i, *alias)),
            scalar: self.scalar,
        }
    }
}

fn single(value: f32) -> Option<u64> {
    Some(value.to_bits().into())
}

fn double(value: f64) -> Option<u64> {
    Some(value.to_bits())
}

/// The calls of vDSP, vForce and catlas in standin_calls.c. A page is 12, an odd float in it 2.
#[rustfmt::skip]
fn accelerates() -> Vec<Said> {
    use Alias::{Apart, Overlap, Same};
    let said = |symbol, m, steps, aligned, aliases, scalar|
        Said { symbol, m, n_k: [0, 0], steps, aligned, aliases, scalar };
    vec![
        said("vDSP_vsmul", 40, [2, -1], &[2, 6], &[Apart], single(2.5)),
        said("vDSP_vsmulD", 33, [1, 1], &[12, 12], &[Same], double(-0.75)),
        said("vDSP_vsma", 20, [1, 3], &[12, 12, 6], &[Overlap, Apart], single(2.5)),
        said("vDSP_dotpr", 64, [1, 1], &[12, 12, 2], &[Apart, Apart], None),
        said("vDSP_sve", 60, [-2, 0], &[3, 3], &[Apart], None),
        said("vvexpf", 24, [0, 0], &[12, 12], &[Apart], None),
        said("vvexp", 24, [0, 0], &[5, 12], &[Apart], None),
        said("vvpowf", 24, [0, 0], &[12, 12, 12], &[Same, Apart], None),
        said("catlas_saxpby", 30, [1, -2], &[3, 2], &[Overlap], single(1.5)),
        said("catlas_daxpby", 10, [2, 2], &[12, 12], &[Same], double(-2.0)),
    ]
}

/// The calls under BLAS's plain names.
#[rustfmt::skip]
fn plain_names() -> Vec<Said> {
    use Alias::Apart;
    let said = |symbol, m, n_k, steps, aligned, aliases, scalar|
        Said { symbol, m, n_k, steps, aligned, aliases, scalar };
    vec![
        said("cblas_sgemm", 3, [5, 4], [6, 7], &[12, 12, 12], &[Apart, Apart], single(1.25)),
        said("sgemm_", 3, [5, 4], [8, 8], &[12, 12, 12], &[Apart, Apart], single(0.375)),
        said("sdot_", 5, [0, 0], [-2, 1], &[12, 12], &[], None),
        said("dgesv_", 6, [0, 2], [7, 7], &[12, 12, 12], &[], None),
    ]
}

/// Every record against what it should say, and its site.
fn check(recorded: &Recorded, library: &str, blas_width: u64) {
    let all = accelerates().into_iter().chain(plain_names());
    let mut symbols: Vec<_> = all
        .map(|said| {
            let record = record(recorded, said.symbol);
            assert_eq!(routine_call(&record), said.call(), "{}", said.symbol);
            let site = &recorded.sites[&record.site];
            assert_eq!(site["name"], said.symbol.trim_end_matches('_'));
            assert_eq!(site["width"], blas_width, "{site}");
            let module = site["module"].as_str().unwrap();
            assert!(module.ends_with(library), "{site}");
            said.symbol
        })
        .collect();
    symbols.sort_unstable();
    assert_eq!(symbols, CALLED);
    assert_eq!(recorded.records.len(), CALLED.len(), "and nothing else");
}

#[test]
fn each_wrapper_records_its_arguments_and_changes_no_bit() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let (results, report, recorded) = observed(standin(dir.path(), "standin_accelerate", Int::Bits32));
    check(&recorded, "libstandin_accelerate.so", 32);
    let ours = report.objects.iter().filter(|o| Path::new(&o.object).starts_with(dir.path()));
    assert_eq!(ours.map(|o| o.slots).sum::<usize>(), CALLED.len());
    // The stand-in computes at all: the first results are those of vDSP_vsmul, backwards from the 49th.
    let first = |i: usize| f32::from_le_bytes(results[4 * i..4 * i + 4].try_into().unwrap());
    for i in 0..40 {
        assert_eq!(first(48 - i), 2.5 * 0.25 * ((49 + 2 * i) % 11) as f32);
    }
}

#[test]
fn a_library_whose_file_says_ilp64_is_read_with_wide_integers() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let (_, _, recorded) = observed(standin(dir.path(), "standin_ilp64", Int::Bits64));
    // The counts of vForce have 32 bits all the same: behind each lies a number that is none of theirs.
    check(&recorded, "libstandin_ilp64.so", 64);
}

#[test]
fn names_that_may_be_of_another_kind_are_left_alone_and_said() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let (_, report, _) = observed(standin(dir.path(), "standin_accelerate", Int::Bits32));
    let caller = dir.path().join("libcalls.so");
    let caller = caller.to_str().unwrap();
    for (symbol, why) in [
        ("saxpy in ", "may be a function of the program's own"),
        ("zdotu_ in ", "return through a hidden first pointer"),
    ] {
        let of = |r: &&raptors_hooks::NotArmed| r.what.starts_with(symbol) && r.what.ends_with(caller);
        let refused = report.not_armed.iter().find(of);
        let refused = refused.unwrap_or_else(|| panic!("{symbol}: {report:?}"));
        assert!(refused.why.contains(why), "{refused:?}");
    }
}
