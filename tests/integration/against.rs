//! Two runs held against each other: changes, their intervals, the gate, and the exit codes it gives.

use std::process::{Command, Output};

use raptors_trace::analysis::{
    self,
    against::{self, Baseline},
};
use raptors_trace::model::comparison::*;
use raptors_trace::model::error::Exit;
use raptors_trace::model::protocol::Facts;
use serde_json::{Value, json};

use crate::run::*;

/// Rounds around these times, with noise of its own for each side, so that intervals have a width.
fn noisy(a: u64, b: u64) -> Vec<(u64, u64)> {
    (0..40).map(|i| (a + i * 7 % 11 * a / 200, b + i * 5 % 13 * b / 200)).collect()
}

/// A run of one case with these rounds.
fn timed(walls: impl IntoIterator<Item = (u64, u64)>) -> RunFile {
    let mut recording = Recording::plain(64);
    recording.timed(0, walls);
    recording.finish()
}

/// A run of these cases, each with a ratio of 2.
fn cases(cases: &[Value]) -> RunFile {
    let mut recording = Recording::of(cases);
    recording.control(1);
    for index in 0..cases.len() as u64 {
        recording.settled(index, true);
        recording.timed(index, [(2_000, 1_000); 12]);
        recording.done(index);
    }
    recording.finish()
}

/// What the new run's comparison says with the old one beside it.
fn held(new: &RunFile, old: &RunFile, fail_below: Option<f64>) -> Comparison {
    let (mut comparison, timings) = analysis::read_timed(&new.path, false).unwrap();
    let baseline = Baseline::read(&old.path).unwrap();
    against::add(&mut comparison, &timings, Some(&baseline), fail_below);
    comparison
}

/// The one change of two runs of one case.
fn change(new: &RunFile, old: &RunFile) -> Change {
    let mut against = held(new, old, None).against.unwrap();
    assert_eq!(against.cases.len(), 1);
    against.cases.remove(0)
}

#[test]
fn the_change_is_of_the_ratio_and_the_machine_cancels() {
    for (old, new, expected, verdict) in [
        // B takes twice as long.
        ((2_000, 1_000), (2_000, 2_000), 0.5, ChangeVerdict::BLost),
        ((2_000, 2_000), (2_000, 1_000), 2.0, ChangeVerdict::BGained),
        // Both sides take three times as long.
        ((2_000, 1_000), (6_000, 3_000), 1.0, ChangeVerdict::NoChangeShown),
    ] {
        let files = [timed(noisy(new.0, new.1)), timed(noisy(old.0, old.1))];
        let found = change(&files[0], &files[1]);
        assert!((found.change - expected).abs() < 0.01, "{found:?}");
        assert_eq!(found.verdict, verdict);
        let [low, high] = found.ci95;
        assert!(low < found.change && found.change < high, "{found:?}");
        let near = |estimate: &Estimate, ns: u64| (estimate.median / ns as f64 - 1.0).abs() < 0.05;
        assert!(near(&found.a_ns.then, old.0) && near(&found.a_ns.now, new.0));
        assert!(near(&found.b_ns.then, old.1) && near(&found.b_ns.now, new.1));
        let then = old.0 as f64 / old.1 as f64;
        assert!((found.ratio.then.median / then - 1.0).abs() < 0.05);
    }
}

#[test]
fn the_same_run_against_itself_has_changed_by_1_with_an_interval() {
    let file = timed(noisy(2_000, 1_000));
    let found = change(&file, &file);
    assert_eq!(found.change, 1.0);
    assert_eq!(found.verdict, ChangeVerdict::NoChangeShown);
    let [low, high] = found.ci95;
    let width = |[low, high]: Ci95| (high / low).ln();
    assert!(low < 1.0 && high > 1.0, "{:?}", found.ci95);
    // Two runs know less than one: draws that went along with each other would cancel to no width at all.
    assert!(width(found.ci95) > width(found.ratio.now.ci95));
}

#[test]
fn only_cases_of_the_same_kind_are_held_against_each_other() {
    let with = |name: &str, size: u64, key: &str, value: Value| {
        let mut case = case(name, size);
        case[key] = value;
        case
    };
    let old = cases(&[case("operation", 64), case("operation", 32), with("operation", 64, "results", json!("kept"))]);
    let new = cases(&[
        with("operation", 64, "dtype", json!("float64")),
        with("operation", 64, "in_place", json!(true)),
        case("round trip", 64),
        case("operation", 64),
    ]);
    let against = held(&new, &old, None).against.unwrap();
    let changed: Vec<&str> = against.cases.iter().map(|case| &*case.case).collect();
    assert_eq!(changed, ["operation float32 64 × 64"]);
    assert_eq!(
        against.only_now,
        ["operation float64 64 × 64", "operation float32 64 × 64", "round trip float32 64 × 64"]
    );
    assert_eq!(against.only_then, ["operation float32 32 × 32", "operation float32 64 × 64, results kept"]);
}

#[test]
fn runs_without_a_common_case_are_no_passed_gate() {
    let files = [64, 32].map(|size| cases(&[case("operation", size)]));
    let comparison = held(&files[0], &files[1], Some(0.95));
    assert_ne!(comparison.gate.as_ref().unwrap().outcome, GateOutcome::Passed);
    let error = against::judge(&comparison).unwrap_err();
    assert_eq!(error.exit_code(), Exit::NothingObserved);
    assert!(error.to_string().contains("no case in common"));
}

#[test]
fn what_is_not_the_same_is_said() {
    let old = cases(&[case("operation", 64)]);
    assert_eq!(held(&old, &old, None).warnings, Vec::<String>::new());

    let mut other = case("operation", 64);
    other["b"]["statement"] = json!("r.scale(3)");
    other["a"]["setup"] = json!("a = 1");
    let mut recording = Recording::of(&[other]);
    recording.document("facts", &Facts { raptors: Some("0.2.0".into()), ..facts("2.5.0") });
    recording.control(1);
    recording.settled(0, true);
    recording.timed(0, [(2_000, 1_000); 12]);
    recording.done(0);
    let new = recording.finish();

    let comparison = held(&new, &old, None);
    let against = comparison.against.as_ref().unwrap();
    let found: Vec<(&str, Option<&str>, Option<&str>)> =
        against.differences.iter().map(|d| (&*d.what, d.then.as_deref(), d.now.as_deref())).collect();
    let expected = [("NumPy", Some("2.4.6"), Some("2.5.0")), ("Raptors", None, Some("0.2.0"))];
    assert_eq!(found, expected);
    let [surroundings, setup, statement] = &comparison.warnings[..] else {
        panic!("{:?}", comparison.warnings);
    };
    assert!(surroundings.contains("NumPy was 2.4.6 and is 2.5.0; Raptors was none and is 0.2.0"));
    assert!(setup.contains("setup of A was none and is `a = 1`; the change is measured against A"));
    assert!(statement.ends_with("the statement of B was `r.scale(2.5)` and is `r.scale(3)`"));
}

#[test]
fn an_earlier_run_that_was_cut_short_is_told() {
    let new = timed([(2_000, 1_000); 12]);
    let old = timed([(2_000, 1_000); 12]).killed();
    let warnings = held(&new, &old, None).warnings;
    assert!(warnings.iter().any(|w| w.contains("run.rtrace was cut short")), "{warnings:?}");
}

/// The outcome of a gate at `limit` on the change, and on the ratio of a run whose change is the same figure.
#[track_caller]
fn outcomes(new: &RunFile, old: &RunFile, limit: f64) -> [(Gate, Comparison); 2] {
    let with = held(new, old, Some(limit));
    let (mut alone, timings) = analysis::read_timed(&new.path, false).unwrap();
    against::add(&mut alone, &timings, None, Some(limit));
    [with, alone].map(|comparison| (comparison.gate.clone().unwrap(), comparison))
}

#[test]
fn a_gate_is_missed_only_where_the_whole_interval_is_below_it() {
    let old = timed([(1_000, 1_000); 40]);
    let new = timed(noisy(1_000, 1_200));
    let found = change(&new, &old);
    let [low, high] = found.ci95;
    for (limit, expected) in [
        (high * 1.01, GateOutcome::Missed),
        ((found.change + high) / 2.0, GateOutcome::Undecided),
        ((low + found.change) / 2.0, GateOutcome::Passed),
        (found.change, GateOutcome::Passed),
    ] {
        let both = outcomes(&new, &old, limit);
        for ((gate, comparison), on) in both.iter().zip([GateOn::Change, GateOn::Ratio]) {
            assert_eq!((gate.on, gate.outcome), (on, expected), "{gate:?}");
            assert_eq!(gate.cases[0].outcome, expected);
            let told = comparison
                .warnings
                .iter()
                .any(|w| w.contains("is undecided") && w.contains("operation float32 64 × 64"));
            assert_eq!(told, expected == GateOutcome::Undecided);
            let judged = against::judge(comparison);
            assert_eq!(judged.is_err(), expected == GateOutcome::Missed);
            if let Err(error) = judged {
                assert_eq!(error.exit_code(), Exit::GateMissed);
                assert!(error.to_string().contains("operation float32 64 × 64"));
                assert!(error.help_text().is_some());
            }
        }
    }
}

#[test]
fn every_missed_case_is_named() {
    let both = ["operation", "round trip"].map(|name| case(name, 64));
    let old = cases(&both);
    let mut recording = Recording::of(&both);
    recording.control(1);
    for index in 0..2 {
        recording.settled(index, true);
        recording.timed(index, [(2_000, 4_000); 12]);
        recording.done(index);
    }
    let comparison = held(&recording.finish(), &old, Some(0.95));
    let error = against::judge(&comparison).unwrap_err();
    assert_eq!(error.to_string(), "the gate of 0.95 was missed in 2 of 2 cases:");
    assert_eq!(
        error.detail_text().unwrap(),
        "operation float32 64 × 64: raptors changed by 0.25× [0.25, 0.25] against numpy\n\
         round trip float32 64 × 64: raptors changed by 0.25× [0.25, 0.25] against numpy"
    );
}

/// The command on two runs, in an empty directory.
fn command(args: &[&str]) -> Output {
    let place = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_raptors-trace"))
        .args(args)
        .current_dir(place.path())
        .env("XDG_CACHE_HOME", place.path())
        .env("LC_ALL", "C.UTF-8")
        .env_remove("COLUMNS")
        .output()
        .unwrap()
}

fn texts(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8(text.clone()).unwrap())
}

#[test]
fn a_missed_gate_is_4_and_everything_is_printed_all_the_same() {
    let files = [timed(noisy(2_000, 2_000)), timed(noisy(2_000, 1_000))];
    let [new, old] = [&files[0], &files[1]].map(|file| file.path.to_str().unwrap());
    let gate = ["--against", old, "--fail-below", "0.95"];
    let output = command(&[&["show", new][..], &gate].concat());
    assert_eq!(output.status.code(), Some(4));
    let [shown, errors] = texts(&output);
    for text in ["what changed since run.rtrace", "raptors lost", "gate 0.95 on the change: missed in 1 of 1 cases"] {
        assert!(shown.contains(text), "no {text:?} in:\n{shown}");
    }
    let sentence = "error: the gate of 0.95 was missed: operation float32 64 × 64: raptors changed by 0.5";
    assert!(errors.contains(sentence), "{errors}");
    assert!(errors.contains("  help: "), "{errors}");

    let output = command(&[&["show", "--json", new][..], &gate].concat());
    assert_eq!(output.status.code(), Some(4));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["gate"]["outcome"], "missed");
    assert_eq!(json["against"]["file"], old);
    assert_eq!(json["against"]["cases"][0]["verdict"], "b lost");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compare.schema.json");
    let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::validate(&schema, &json).unwrap();

    // The other way round, and against itself, it is passed.
    for line in [["show", old, "--against", new], ["show", new, "--against", new]] {
        let output = command(&[&line[..], &["--fail-below", "0.95"]].concat());
        assert_eq!(output.status.code(), Some(0), "{:?}", texts(&output));
        assert!(texts(&output)[0].contains("passed in 1 of 1 cases"));
    }
}

#[test]
fn a_gate_without_an_earlier_run_is_on_the_ratio() {
    let file = timed(noisy(1_000, 2_000));
    let path = file.path.to_str().unwrap();
    for (limit, code) in [("0.4", 0), ("0.6", 4)] {
        let output = command(&["show", path, "--fail-below", limit]);
        assert_eq!(output.status.code(), Some(code), "{:?}", texts(&output));
        assert!(texts(&output)[0].contains(&format!("gate {limit} on A ÷ B: ")));
    }
}

#[test]
fn an_earlier_run_that_cannot_be_read_is_told_before_anything_is_measured() {
    let file = timed([(2_000, 1_000); 12]);
    let whole = std::fs::read(&file.path).unwrap();
    let (truncated, text) = (file.path.with_extension("cut"), file.path.with_extension("txt"));
    std::fs::write(&truncated, &whole[..whole.len() - 1000]).unwrap();
    std::fs::write(&text, "no run").unwrap();
    for (old, why, help) in [
        (&truncated, "is truncated at offset", "show --lossy"),
        (&text, "is not a run file", ""),
        (&file.path.with_extension("none"), "No such file", ""),
    ] {
        let old = old.to_str().unwrap();
        let new = file.path.to_str().unwrap();
        // No Python is needed to say so.
        for line in
            [&["show", new, "--against", old][..], &["compare", "--python", "/no/such/python", "--against", old]]
        {
            let output = command(line);
            assert_eq!(output.status.code(), Some(1));
            let [shown, errors] = texts(&output);
            assert_eq!(shown, "");
            for text in ["error: cannot compare with", old, why, help] {
                assert!(errors.contains(text), "no {text:?} in:\n{errors}");
            }
        }
    }
}

#[test]
fn an_earlier_run_whose_control_saw_nothing_proves_nothing() {
    let new = timed([(2_000, 1_000); 12]);
    let mut recording = Recording::of(&[case("operation", 64)]);
    recording.control(0);
    recording.timed(0, [(2_000, 1_000); 12]);
    let old = recording.finish();
    let paths = [&new, &old].map(|file| file.path.to_str().unwrap());
    let output = command(&["show", paths[0], "--against", paths[1]]);
    assert_eq!(output.status.code(), Some(3));
    assert!(texts(&output)[1].contains("because: the control was not seen"));
}

#[test]
fn a_limit_that_is_none_is_a_usage_error() {
    for limit in ["0", "-0.5", "nan", "fast"] {
        let output = command(&["show", "x.rtrace", "--fail-below", limit]);
        assert_eq!(output.status.code(), Some(2));
        assert!(texts(&output)[1].contains("give a factor above 0"));
    }
}
