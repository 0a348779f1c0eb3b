//! The cost of probes and spans without a tracer, in instructions, counted by callgrind: the program
//! `examples/count.rs` with them and without.
//!
//! Valgrind knows AVX2 but not AVX-512, so `simd` uses AVX2 there. The counted instructions are outside the loops and
//! the same for both.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common;

/// The instructions that a call may cost more with everything compiled in; a chunked one with its first piece.
const A_CALL: i64 = 100;

/// The instructions that each further piece of a chunked call may cost more: it has its own pair of probes and its own
/// span.
const A_PIECE: i64 = 60;

/// Builds the program in a folder of its own, as the features differ.
fn build(name: &str, features: &[&str]) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--example", "count", "--manifest-path"]);
    cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    cargo.arg("--target-dir").arg(&target).args(features);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("release/examples/count")
}

/// The instructions of one call: those of `calls` further calls, without the program's start and end.
fn a_call(program: &Path, backend: &str, n: usize, calls: usize) -> i64 {
    let [fewer, more] = [calls, 2 * calls].map(|calls| total(program, backend, n, calls));
    let calls = calls as i64;
    assert_eq!((more - fewer) % calls, 0, "calls differ from each other: {fewer}, {more}");
    (more - fewer) / calls
}

fn total(program: &Path, backend: &str, n: usize, calls: usize) -> i64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([backend, &n.to_string(), &calls.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let (_, count) = said.split_once("Collected :").unwrap_or_else(|| panic!("no count: {said}"));
    count.lines().next().unwrap().trim().parse().unwrap()
}

/// The two builds.
struct Programs {
    with: PathBuf,
    without: PathBuf,
}

impl Programs {
    fn build() -> Self {
        Programs { with: build("cost-with", &[]), without: build("cost-without", &["--no-default-features"]) }
    }

    /// The additional instructions of a call on `n` elements; a call on `other` must cost the same.
    fn cost(&self, backend: &str, n: usize, other: usize, calls: usize) -> i64 {
        let [cost, others] =
            [n, other].map(|n| a_call(&self.with, backend, n, calls) - a_call(&self.without, backend, n, calls));
        println!("{backend}: {cost} instructions a call at n = {n}, {others} at {other}");
        assert_eq!(cost, others, "{backend}: the cost differs with the number of elements");
        cost
    }
}

/// Pieces that `chunked` cuts n elements into under valgrind, whose CPU has other caches than this one.
fn pieces(program: &Path, n: usize) -> usize {
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=none"])
        .arg(program)
        .args(["pieces", &n.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let parsed = said.trim().parse();
    parsed.unwrap_or_else(|_| panic!("no number: {said}{output:?}"))
}

#[test]
#[ignore = "builds a program twice and counts it with valgrind: cargo xtask test --only callgrind"]
fn callgrind_counts_what_disabled_probes_and_spans_cost() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return common::skip("valgrind is not installed (apt-get install valgrind)");
    }
    let programs = Programs::build();
    assert_eq!(pieces(&programs.with, 3000), 1, "short arrays are one piece");
    let [_, _, one_piece] = ["simd", "scalar", "chunked"].map(|backend| a_short_call_costs_little(&programs, backend));
    further_pieces_cost_little(&programs, one_piece);
}

fn a_short_call_costs_little(programs: &Programs, backend: &str) -> i64 {
    let cost = programs.cost(backend, 1000, 3000, 1000);
    assert!(cost <= A_CALL, "{backend}: {cost} instructions a call, {A_CALL} are allowed");
    cost
}

fn further_pieces_cost_little(programs: &Programs, one_piece: i64) {
    let pieces = |n| pieces(&programs.with, n);
    let several = (10..).map(|power| 3 << power).find(|&n| pieces(n) > 2);
    let several = several.unwrap();
    let further = pieces(several) as i64 - 1;
    assert_eq!(pieces(several - 1000) as i64, further + 1, "as many pieces");
    let more = programs.cost("chunked", several, several - 1000, 10) - one_piece;
    println!("chunked: {more} instructions for {further} further pieces");
    assert!(more <= further * A_PIECE, "{more} instructions for {further} further pieces, {A_PIECE} each are allowed");
}
