//! A recording of Instruments, compared by its samples. The exports are made by hand after the form that public ones
//! have; none was captured on a Mac. The `xcrun` of one test is a stand-in, which records nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SAMPLES: &str = include_str!("../../flamegraphs/tests/hand_made_time_profile.xml");
const SIGNPOSTS: &str = include_str!("../../flamegraphs/tests/hand_made_signposts.xml");

fn run(place: &Path, arguments: &[&str]) -> Output {
    run_on(100, place, arguments)
}

/// The command on a terminal of so many columns.
fn run_on(columns: u32, place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_raptors-trace"))
        .args(arguments)
        .current_dir(place)
        .env("COLUMNS", columns.to_string())
        .output()
        .unwrap()
}

/// The command on these two exports.
fn compare(samples: &str, signposts: &str, more: &[&str]) -> (tempfile::TempDir, Output) {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("samples.xml"), samples).unwrap();
    fs::write(place.path().join("signposts.xml"), signposts).unwrap();
    let arguments = [&["instruments", "samples.xml", "signposts.xml"], more].concat();
    let output = run(place.path(), &arguments);
    (place, output)
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", told(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn refuses(samples: &str, signposts: &str, code: i32, texts: &[&str]) {
    let (place, output) = compare(samples, signposts, &[]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(output.stdout.is_empty());
    for text in texts {
        assert!(told.contains(text), "no {text:?} in:\n{told}");
    }
    let left = fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, 2, "a file was left");
}

#[test]
fn samples_are_given_to_the_side_in_whose_round_they_fall() {
    let (_place, output) = compare(SAMPLES, SIGNPOSTS, &["--json"]);
    let sides = json(&output);
    assert_eq!(sides["schema"], "raptors-trace/instruments/1");
    assert_eq!(sides["samples"], 16);
    assert_eq!(sides["in_other_rounds"], 1);
    // Between rounds, of another process, and in a round that did not end.
    assert_eq!(sides["outside"], 3);
    let cases = sides["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    assert_eq!(cases[0]["name"], "operation float32 512 × 512");
    let a = serde_json::json!({
        "name": "numpy", "rounds": 1, "wall_ns": 10_000_000, "samples": 5, "of_other_threads": 1,
        "sampled_ns": 5_000_000, "operations": 10, "ns_per_op": 500_000.0,
    });
    assert_eq!(cases[0]["a"], a);
    assert_eq!(cases[0]["b"]["ns_per_op"], 200_000.0);
    assert_eq!(cases[0]["ratio"], 2.5);
    // One of its samples stands for 2 ms.
    assert_eq!(cases[1]["a"]["sampled_ns"], 4_000_000);
    assert_eq!(cases[1]["ratio"], 2.0);
}

#[test]
fn each_side_has_its_folded_stacks() {
    let (place, output) = compare(SAMPLES, SIGNPOSTS, &["-o", "x"]);
    assert!(output.status.success(), "{}", told(&output));
    let text = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(
        text("x.a.folded"),
        "operation float32 1024 × 1024;start;_PyEval_EvalFrameDefault;array_multiply;FLOAT_multiply 3\n\
         operation float32 512 × 512;start;_PyEval_EvalFrameDefault;array_multiply;FLOAT_multiply 4\n\
         operation float32 512 × 512;thread_start;_pthread_start;blas_thread_server 1\n"
    );
    let b = text("x.b.folded");
    assert!(b.contains("512 × 512;[unknown] 1\n"), "{b}");
    assert!(b.contains("raptors_kernel::scale;raptors_kernel::loops::scale<f32> 2\n"), "{b}");
    let shown = String::from_utf8(output.stdout).unwrap();
    for text in [
        "operation float32 512 × 512\n",
        "a: numpy    500 µs",
        "5 (1 of other threads)",
        "raptors is faster, 2.50×",
        "3 of 16 samples are outside any round, 1 in rounds that are not timed",
        "folded: x.a.folded",
    ] {
        assert!(shown.contains(text), "no {text:?} in:\n{shown}");
    }
}

#[test]
fn on_a_narrow_terminal_columns_are_left_out_and_not_cut() {
    let (place, _) = compare(SAMPLES, SIGNPOSTS, &[]);
    let arguments = ["instruments", "samples.xml", "signposts.xml", "-o", "x"];
    let output = run_on(50, place.path(), &arguments);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("a: numpy    1.00 ms        3        4.00 ms\n"), "{shown}");
    assert!(!shown.contains('…'), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 50), "{shown}");
}

#[test]
fn one_case_alone_is_no_frame() {
    let one = SIGNPOSTS.replace("1024 × 1024", "512 × 512");
    let (place, output) = compare(SAMPLES, &one, &["--json"]);
    let sides = json(&output);
    assert_eq!(sides["cases"].as_array().unwrap().len(), 1);
    assert_eq!(sides["cases"][0]["a"]["operations"], 14);
    let folded = fs::read_to_string(place.path().join("samples.xml.a.folded")).unwrap();
    assert!(folded.starts_with("start;"), "{folded}");
}

#[test]
fn intervals_without_a_count_give_no_time_of_an_operation() {
    let silent = SIGNPOSTS.replace("ops=", "n=");
    let (_place, output) = compare(SAMPLES, &silent, &["--json"]);
    let case = json(&output)["cases"][0].clone();
    assert_eq!((&case["name"], &case["a"]["operations"], &case["ratio"]), (&"".into(), &().into(), &().into()));
    assert!(case["a"]["samples"].as_u64().unwrap() > 0);
}

#[test]
fn a_thread_or_process_that_the_export_does_not_have_is_no_reason_to_lose_a_sample() {
    let column = |export: &str, name: &str| {
        export.replace(&format!("<mnemonic>{name}</mnemonic>"), "<mnemonic>other</mnemonic>")
    };
    let bare = column(&column(SAMPLES, "thread"), "process");
    let (_place, output) = compare(&bare, SIGNPOSTS, &["--json"]);
    let sides = json(&output);
    // That of another process cannot be told from ours then.
    assert_eq!((&sides["outside"], &sides["cases"][0]["a"]["samples"]), (&2.into(), &6.into()));
    assert_eq!(sides["cases"][0]["a"]["of_other_threads"], 0);
}

#[test]
fn names_are_shown_and_not_obeyed() {
    let hostile = SIGNPOSTS.replace("name=raptors", "name=&#x9b;2J&lt;b&gt;;x");
    let (place, output) = compare(SAMPLES, &hostile, &[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("b: \\x9b2J<b>;x"), "{shown}");
    assert!(place.path().join("samples.xml.b.folded").exists());
}

#[test]
fn what_is_wrong_with_an_export_is_said() {
    let cut = &SAMPLES[..SAMPLES.len() - 30];
    refuses(cut, SIGNPOSTS, 1, &["samples.xml holds no samples to read", "its end is missing"]);
    let swapped = ["it holds the table \"os-signpost-interval\"", "[@schema=\"time-profile\"]"];
    refuses(SIGNPOSTS, SAMPLES, 1, &swapped);
    let only_others = SIGNPOSTS.replace("\"raptors\"", "\"somebody\"");
    let no_rounds = ["there are no rounds of a driver in signposts.xml", "RAPTORS_SIGNPOSTS=1"];
    refuses(SAMPLES, &only_others, 3, &no_rounds);
    let empty = "<trace-query-result><node/></trace-query-result>";
    refuses(empty, SIGNPOSTS, 3, &["there are no samples"]);
    refuses(SAMPLES, empty, 3, &no_rounds);
    let warm = SIGNPOSTS.replace("kind=timed", "kind=warmup");
    refuses(SAMPLES, &warm, 3, &["none of the 16 samples falls in a timed round"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let place = tempfile::tempdir().unwrap();
    let output = run(place.path(), &["instruments", "a.xml", "b.xml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).starts_with("error: a.xml cannot be read"));
}

/// A directory whose `xcrun` is a stand-in: it writes down its arguments, "records" by making the directory that
/// `--output` names, ends as xctrace does where the time limit ended it, and "exports" the samples made by hand.
fn stand_in() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let exports = [("time-profile", SAMPLES), ("os-signpost-interval", SIGNPOSTS)];
    for (table, text) in exports {
        fs::write(place.path().join(format!("{table}.xml")), text).unwrap();
    }
    let script = r#"#!/bin/sh
here=$(dirname "$0")
printf '%s\n' "$@" >> "$here/arguments"
case $2 in
record)
    while [ $# -gt 0 ]; do [ "$1" = --output ] && mkdir "$2"; shift; done
    exit 54 ;;
export)
    for last; do :; done
    table=${last##*=\"}
    cat "$here/${table%%\"*}.xml" ;;
esac
"#;
    let xcrun = place.path().join("xcrun");
    fs::write(&xcrun, script).unwrap();
    fs::set_permissions(&xcrun, fs::Permissions::from_mode(0o755)).unwrap();
    let path = place.path().to_owned();
    (place, path)
}

fn attach(place: &Path, arguments: &[&str]) -> Output {
    let path = format!("{}:{}", place.display(), std::env::var("PATH").unwrap());
    Command::new(env!("CARGO_BIN_EXE_raptors-trace"))
        .arg("attach")
        .args(arguments)
        .current_dir(place)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn what_a_stand_in_for_xcrun_is_asked_for_and_what_becomes_of_its_exports() {
    let (_guard, place) = stand_in();
    let own = std::process::id().to_string();
    let output = attach(&place, &[&own, "--with", "instruments", "-o", "it's.trace", "--json"]);
    let recorded = json(&output);
    assert_eq!(recorded["schema"], "raptors-trace/recording/1");
    assert_eq!((&recorded["tool"], &recorded["file"]), (&"instruments".into(), &"it's.trace".into()));
    assert_eq!((&recorded["samples"], &recorded["folded"]), (&16.into(), &"it's.trace.folded".into()));
    assert_eq!(recorded["sides"]["cases"][0]["ratio"], 2.5);
    let arguments = fs::read_to_string(place.join("arguments")).unwrap();
    let wanted = format!(
        "xctrace\nrecord\n--template\nTime \
         Profiler\n--instrument\nos_signpost\n--output\nit's.trace\n--time-limit\n10s\n--attach\n{own}\n"
    );
    assert!(arguments.starts_with(&wanted), "{arguments}");
    for name in ["it's.trace.folded", "it's.trace.a.folded", "it's.trace.b.folded"] {
        assert!(fs::metadata(place.join(name)).unwrap().len() > 0);
    }
    // A recording is never recorded over.
    let again = attach(&place, &[&own, "--with", "instruments", "-o", "it's.trace"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).contains("it's.trace is there already"));
}

#[test]
fn a_recording_without_rounds_still_has_its_stacks() {
    let (_guard, place) = stand_in();
    let empty = "<trace-query-result><node/></trace-query-result>";
    fs::write(place.join("os-signpost-interval.xml"), empty).unwrap();
    let output = attach(&place, &["--with", "instruments", "--", "python", "$(x)"]);
    assert!(output.status.success(), "{}", told(&output));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("16 samples, recorded by Instruments: raptors.trace"), "{shown}");
    assert!(shown.contains("there are no rounds of a driver in raptors.trace"), "{shown}");
    let arguments = fs::read_to_string(place.join("arguments")).unwrap();
    assert!(arguments.contains("\n--env\nRAPTORS_SIGNPOSTS=1\n--launch\n--\npython\n$(x)\n"), "{arguments}");
}

#[test]
fn cache_misses_are_left_to_instruments() {
    let (_guard, place) = stand_in();
    let own = std::process::id().to_string();
    let output = attach(&place, &[&own, "--with", "instruments", "--template", "cpu counters"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("open raptors.trace"), "{shown}");
    let arguments = fs::read_to_string(place.join("arguments")).unwrap();
    assert!(arguments.contains("\nCPU Counters\n") && !arguments.contains("export"));
}

#[test]
fn attach_refuses_what_makes_no_sense_together() {
    let place = tempfile::tempdir().unwrap();
    for (line, sentence) in [
        (&[][..], "give the PID of a process, or a command to start"),
        (&["7", "--with", "perf", "--", "ls"], "a PID and a command exclude each other"),
        (&["--", "ls"], "give --with perf or --with instruments"),
        (&["--with", "bpftrace", "--", "ls"], "attach to a running process: give its PID"),
        (&["7", "--with", "dtrace", "-o", "x"], "bpftrace and dtrace write no recording"),
        (&["7", "--with", "perf", "--template", "CPU Counters"], "--template is for Instruments"),
        (&["7", "--with", "instruments", "--template", "Leaks"], "CPU Counters"),
        (&["--with", "perf", "--duration", "1", "--", "ls"], "records a command to its end"),
    ] {
        let output = run(place.path(), &[&["attach"], line].concat());
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(sentence), "no {sentence:?} in:\n{told}");
    }
}
