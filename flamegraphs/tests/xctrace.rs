//! The export of Instruments, read. The sample is made by hand after the form that Xcode 15's `xctrace export` has; it
//! was not captured on a Mac.

use raptors_flamegraphs::{Error, Folded};

const HAND_MADE: &str = include_str!("hand_made_xctrace.xml");

#[test]
fn stacks_are_folded_from_the_outermost_frame_and_references_are_followed() {
    let folded = Folded::from_xctrace(HAND_MADE.as_bytes()).unwrap();
    let mut lines: Vec<String> = folded.to_string().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "start;main;FLOAT_multiply 2",
            "start;main;raptors_kernel::scale<f32> 1",
        ]
    );
}

#[test]
fn what_is_cut_off_is_no_smaller_profile() {
    let cut = &HAND_MADE[..HAND_MADE.len() / 2];
    assert!(matches!(
        Folded::from_xctrace(cut.as_bytes()),
        Err(Error::Xctrace(_))
    ));
}

#[test]
fn an_export_without_samples_and_one_of_something_else_are_errors() {
    let empty = "<?xml version=\"1.0\"?>\n<trace-query-result>\n<node xpath='x'></node></trace-query-result>\n";
    assert!(matches!(
        Folded::from_xctrace(empty.as_bytes()),
        Err(Error::NoSamples)
    ));
    assert!(Folded::from_xctrace("xctrace: cannot open".as_bytes()).is_err());
}
