//! Reads the export of Instruments. The samples are made by hand in the form of public `xctrace` exports; none was
//! captured on a Mac.

use raptors_flamegraphs::xctrace::{Interval, TimeProfile};
use raptors_flamegraphs::{Error, Folded};

/// From Xcode 15: plain backtraces, no threads.
const HAND_MADE: &str = include_str!("../hand_made_xctrace.xml");
/// From Xcode 16: wrapped backtraces, threads and processes.
const TIME_PROFILE: &str = include_str!("../hand_made_time_profile.xml");
const SIGNPOSTS: &str = include_str!("../hand_made_signposts.xml");

/// The reason that it cannot be read.
fn refusal(export: &str) -> String {
    match TimeProfile::from_xctrace(export).unwrap_err() {
        Error::Xctrace { why } => why,
        other => panic!("{other}"),
    }
}

#[test]
fn stacks_are_folded_from_the_outermost_frame_and_references_are_followed() {
    let folded = Folded::from_xctrace(HAND_MADE).unwrap();
    assert_eq!(folded.to_string(), "start;main;FLOAT_multiply 2\nstart;main;raptors_kernel::scale<f32> 1\n");
}

#[test]
fn samples_have_time_thread_process_weight_and_stack() {
    let profile = TimeProfile::from_xctrace(TIME_PROFILE).unwrap();
    assert_eq!(profile.samples.len(), 16);
    let first = profile.samples[0];
    assert_eq!((first.time, first.thread, first.process, first.weight), (95_000_000, Some(11), Some(4242), 1_000_000));
    assert_eq!(profile.stacks[first.stack], ["start", "_PyEval_EvalFrameDefault", "array_multiply", "FLOAT_multiply"]);
    // Its process is inside its thread, both given by reference.
    let later = profile.samples[12];
    assert_eq!((later.thread, later.process, later.weight), (Some(11), Some(4242), 2_000_000));
    assert_eq!(later.stack, first.stack);
    // A sample without a backtrace is a sample.
    assert_eq!(profile.stacks[profile.samples[8].stack], ["[unknown]"]);
    assert_eq!(profile.stacks.len(), 5);
}

#[test]
fn intervals_have_begin_end_name_and_message() {
    let intervals = Interval::from_xctrace(SIGNPOSTS).unwrap();
    // One of eight did not end.
    assert_eq!(intervals.len(), 7);
    let timed = &intervals[2];
    assert_eq!((timed.start, timed.end), (100_000_000, 110_000_000));
    assert_eq!((timed.thread, timed.process), (Some(11), Some(4242)));
    assert_eq!((&*timed.subsystem, &*timed.name), ("raptors", "side A"));
    assert_eq!(timed.message, "ops=10 kind=timed case=operation float32 512 × 512 name=numpy");
    assert_eq!((&*intervals[1].subsystem, &*intervals[1].message), ("com.apple.SkyLight", ""));
}

#[test]
fn what_is_cut_off_is_no_smaller_profile() {
    assert!(refusal(&HAND_MADE[..HAND_MADE.len() / 2]).contains("its end is missing"));
    // Cut in the middle, with the end kept.
    let rows: Vec<&str> = HAND_MADE.lines().collect();
    let torn = HAND_MADE.replace(rows[3], &rows[3][..80]);
    assert!(refusal(&torn).starts_with("it is damaged: "));
}

#[test]
fn an_export_without_samples_and_one_of_something_else_are_errors() {
    let empty = "<?xml version=\"1.0\"?>\n<trace-query-result>\n<node xpath='x'></node></trace-query-result>\n";
    assert!(matches!(TimeProfile::from_xctrace(empty), Err(Error::NoSamples)));
    assert_eq!(Interval::from_xctrace(empty).unwrap(), []);
    assert!(refusal("xctrace: cannot open").contains("not what `xctrace export --xpath` prints"));
    assert_eq!(refusal(SIGNPOSTS), "it holds the table \"os-signpost-interval\"; export the table \"time-profile\"");
    assert!(Interval::from_xctrace(TIME_PROFILE).is_err());
}

#[test]
fn a_table_beside_the_wanted_one_is_passed_over() {
    let node = |export: &'static str| {
        let (_, rest) = export.split_once("<trace-query-result>").unwrap();
        rest.split_once("</trace-query-result>").unwrap().0
    };
    // Ids are those of the whole export.
    let signposts = node(SIGNPOSTS).replace(" id=\"", " id=\"s").replace(" ref=\"", " ref=\"s");
    let profile = node(HAND_MADE);
    let both = format!("<trace-query-result>{profile}{signposts}</trace-query-result>");
    assert_eq!(TimeProfile::from_xctrace(&both).unwrap().samples.len(), 3);
}

#[test]
fn a_row_that_does_not_fit_is_named() {
    let short = HAND_MADE.replace("<weight ref=\"2\"/><backtrace ref=\"10\"/>", "<weight ref=\"2\"/>");
    assert_eq!(refusal(&short), "row 2 has 2 values for 3 columns");
    let dangling = HAND_MADE.replace("<backtrace ref=\"10\"/>", "<backtrace ref=\"99\"/>");
    assert_eq!(refusal(&dangling), "row 2 refers to \"99\", which it does not have");
    let text = HAND_MADE.replace(">103000000<", ">soon<");
    assert_eq!(refusal(&text), "the time of row 3 is not a whole number");
    let none = HAND_MADE.replacen("<weight ref=\"2\"/>", "<sentinel/>", 1);
    assert_eq!(refusal(&none), "row 2 has no weight");
    let column = HAND_MADE.replace("<mnemonic>weight<", "<mnemonic>cycles<");
    assert_eq!(refusal(&column), "it has no column \"weight\"");
}

#[test]
fn nesting_as_deep_as_a_file_can_have_it_is_read() {
    let (open, close) = ("<a>".repeat(100_000), "</a>".repeat(100_000));
    let deep = format!("<trace-query-result>{open}{close}</trace-query-result>");
    // The message does not matter; it must be an error.
    assert!(TimeProfile::from_xctrace(&deep).is_err());
}
