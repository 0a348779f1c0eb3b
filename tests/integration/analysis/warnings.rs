//! What limits the trust in the figures: told, and told once.

use raptors_recording::Free;
use raptors_trace::model::comparison::*;
use raptors_trace::views::{self, Part, TextOptions};

use super::{measured, timed, with_all_phases};
use crate::run::*;

/// What the user reads of it, on one line each.
fn shown(comparison: &Comparison) -> String {
    let options = TextOptions { width: 110, color: false, unicode: true, part: Part::All };
    let text = views::text(comparison, &options);
    text.replace("\n         ", " ")
}

#[test]
fn lost_records_are_warned_of_once() {
    let mut recording = Recording::within(1, &[case("operation", 64)]);
    recording.control(1);
    recording.timed(0, [(2_000, 1_000); 10]);
    recording.done(0);
    // 13 of the file's 15 segments hold 1023 records each; these lie in no round.
    for _ in 0..20_000 {
        raptors_recording::push(Free::default(), 0, 0, 1, 2);
    }
    let comparison = recording.finish().comparison();
    assert!(comparison.lost_records > 5_000, "{}", comparison.lost_records);
    let count = format!("{} records did not fit", comparison.lost_records);
    let text = shown(&comparison);
    assert_eq!(text.matches(&count).count(), 1, "{text}");
    assert_eq!(text.matches("did not fit into the run file").count(), 1, "{text}");
}

#[test]
fn a_run_that_was_cut_short_is_warned_of_once() {
    let run = |done: bool| {
        let mut recording = Recording::of(&[case("operation", 64)]);
        recording.control(1);
        recording.timed(0, [(2_000, 1_000); 10]);
        if done {
            recording.done(0);
        }
        recording.finish()
    };
    let whole = run(true).comparison();
    assert!(whole.complete);
    assert_eq!(shown(&whole).matches("cut short").count(), 0);
    for cut in [run(false), run(false).killed(), run(true).killed()] {
        let comparison = cut.comparison();
        assert!(!comparison.complete);
        let text = shown(&comparison);
        assert_eq!(text.matches("cut short").count(), 1, "{text}");
    }
}

/// Three cases; in the first `troubled` of them nothing went well, and worst in the very first.
fn three_cases(troubled: u64) -> Comparison {
    let mut recording = Recording::of(&[64, 128, 256].map(|size| case("operation", size)));
    recording.control(1);
    for index in 0..3 {
        let ill = index < troubled;
        let (step, busy) = match (ill, index) {
            (false, _) => (0, 100),
            (true, 0) => (20, 50),
            (true, _) => (15, 60),
        };
        recording.settled(index, !ill);
        for i in 0..12 {
            let a = round(index, A, TIMED).lasting(2_000 + i * step);
            let cpu = a.cpu * busy / 100;
            recording.round(Round { cpu, ..a }, &[]);
            recording.round(round(index, B, TIMED).lasting(1_000), &[]);
        }
        recording.done(index);
    }
    recording.finish().comparison()
}

#[test]
fn each_kind_of_trouble_gets_one_sentence_for_all_cases() {
    for troubled in [1, 2, 3] {
        let comparison = three_cases(troubled);
        let start = format!("in {troubled} of 3 cases");
        for trouble in ["kept off the processor for up to 50 %", "had not settled", "times drifted during the run"] {
            let told: Vec<&String> = comparison.warnings.iter().filter(|warning| warning.contains(trouble)).collect();
            let [sentence] = told[..] else {
                panic!("{trouble}: {:?}", comparison.warnings);
            };
            assert!(sentence.starts_with(&start), "{sentence}");
            assert!(sentence.contains("operation float32 64 × 64"), "names a case: {sentence}");
        }
        let moved = comparison.warnings.iter().find(|w| w.contains("drifted"));
        assert!(moved.unwrap().contains("side A drifts"));
        assert_eq!(comparison.warnings.len(), 3, "{:?}", comparison.warnings);
    }
}

#[test]
fn a_quiet_run_has_no_warning() {
    assert_eq!(three_cases(0).warnings, Vec::<String>::new());
}

#[test]
fn drift_is_told_for_the_side_that_moved() {
    let steady = |_| 10_000;
    let slower = |i| 10_000 + i * 100;
    let faster = |i| 20_000 - i * 100;
    // Up and down by as much, but in no direction.
    let restless = |i| 10_000 + (i * 7 % 4) * 500;
    let verdict = |count: u64, a: &dyn Fn(u64) -> u64, b: &dyn Fn(u64) -> u64| {
        timed((0..count).map(|i| (a(i), b(i)))).cases.remove(0).rounds.drift
    };
    assert_eq!(verdict(24, &steady, &steady).verdict, DriftVerdict::None);
    assert_eq!(verdict(24, &restless, &restless).verdict, DriftVerdict::None);
    assert_eq!(verdict(24, &steady, &slower).verdict, DriftVerdict::B);
    assert_eq!(verdict(24, &faster, &slower).verdict, DriftVerdict::Both);
    assert_eq!(verdict(8, &slower, &slower).verdict, DriftVerdict::TooFewRounds);
    let drift = verdict(24, &slower, &steady);
    assert_eq!(drift.verdict, DriftVerdict::A);
    // From the median of the first eight rounds, 10 350, to that of the last eight, 11 950.
    measured(drift.a, 11_950.0 / 10_350.0 - 1.0);
    measured(drift.ratio, 11_950.0 / 10_350.0 - 1.0);
    measured(drift.b, 0.0);
}

#[test]
fn what_no_phase_explains_is_said_once_for_the_worse_side() {
    let warnings = with_all_phases().comparison().warnings;
    let told: Vec<&String> = warnings.iter().filter(|warning| warning.contains("could not be attributed")).collect();
    let [sentence] = told[..] else {
        panic!("{warnings:?}");
    };
    // Dispatch is a tenth of A's time and a fifth of B's, and the calls are next to nothing.
    assert!(sentence.starts_with("operation"), "there is one case only: {sentence}");
    assert!(sentence.contains("of numpy"), "{sentence}");
    assert!(sentence.contains(" %) could not be attributed to a phase"), "{sentence}");
}
