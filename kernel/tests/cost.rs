//! What probes and spans cost when nobody watches, in instructions, counted by callgrind: the
//! program `examples/count.rs` with them against the same without.
//!
//! Valgrind knows AVX2 but not AVX-512, so `simd` takes AVX2 there, as it would on such a CPU. What
//! is counted lies outside the loops and is the same for both.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Instructions a call may cost more with everything compiled in.
const A_CALL: i64 = 100;

/// Instructions a piece of a chunked call may cost more: it has a pair of probes and a span of its
/// own.
const A_PIECE: i64 = 60;

/// Builds the program in a folder of its own, as the features differ.
fn build(name: &str, features: &[&str]) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--release",
        "--example",
        "count",
        "--manifest-path",
    ]);
    cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    cargo.arg("--target-dir").arg(&target).args(features);
    let output = cargo.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join("release/examples/count")
}

/// Instructions of one call: those of 2000 calls less those of 1000, so that start and end of the
/// program drop out.
fn a_call(program: &Path, backend: &str, n: usize) -> i64 {
    let [fewer, more] = [1000, 2000].map(|calls| total(program, backend, n, calls));
    assert_eq!(
        (more - fewer) % 1000,
        0,
        "calls differ from each other: {fewer}, {more}"
    );
    (more - fewer) / 1000
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
    let (_, count) = said
        .split_once("Collected :")
        .unwrap_or_else(|| panic!("no count: {said}"));
    count.lines().next().unwrap().trim().parse().unwrap()
}

#[test]
#[ignore = "builds a program twice and counts it with valgrind: cargo xtask test --only callgrind"]
fn callgrind_counts_what_disabled_probes_and_spans_cost() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return common::skip("valgrind is not installed (apt-get install valgrind)");
    }
    let with = build("cost-with", &[]);
    let without = build("cost-without", &["--no-default-features"]);
    for (backend, pieces) in [("simd", 0), ("scalar", 0), ("chunked", 1)] {
        let cost = |n| a_call(&with, backend, n) - a_call(&without, backend, n);
        let (short, long) = (cost(1000), cost(3000));
        println!("{backend}: {short} instructions a call at n = 1000, {long} at 3000");
        assert_eq!(
            short, long,
            "{backend}: the cost grows with the number of elements"
        );
        let most = A_CALL + pieces * A_PIECE;
        assert!(
            short <= most,
            "{backend}: {short} instructions a call, {most} are allowed"
        );
    }
}
