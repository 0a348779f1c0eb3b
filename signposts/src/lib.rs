//! Spans as `os_signpost` intervals, so that Apple's Instruments names rounds, sides and phases in its timeline.
//!
//! [`Round`] is the message of a round's interval; the driver writes it and the reader of a recording parses it. With
//! the feature `layer` there is a layer for `tracing-subscriber` that begins and ends an interval with each span, into
//! a sink: the system's on macOS, a list in the tests.
//!
//! None of this has run on a Mac: the system's sink is type-checked for macOS, everything else is tested on Linux.

#[cfg(feature = "layer")]
mod layer;
mod name;
#[cfg(all(feature = "layer", target_os = "macos"))]
mod os_signpost;
mod round;

#[cfg(feature = "layer")]
pub use layer::{Detail, Signposts, Sink};
pub use name::Name;
#[cfg(all(feature = "layer", target_os = "macos"))]
pub use os_signpost::OsSignpost;
pub use round::{Round, Side};

/// The subsystem of every interval, by which a recording is filtered.
pub const SUBSYSTEM: &str = "raptors";
/// The target of every span that becomes an interval.
pub const TARGET: &str = "raptors";
/// The variable that asks for intervals: `1` for on, `0` or nothing for off.
pub const VARIABLE: &str = "RAPTORS_SIGNPOSTS";

/// Whether the value of [`VARIABLE`] asks for intervals.
///
/// # Errors
/// One sentence for a value that is neither `1` nor `0` nor empty.
pub fn asked(value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("" | "0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(format!("the environment variable {VARIABLE} is wrong: `{other}` is neither 0 nor 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn intervals_are_asked_for_with_a_one() {
        assert_eq!(asked(None), Ok(false));
        assert_eq!(asked(Some("")), Ok(false));
        assert_eq!(asked(Some("0")), Ok(false));
        assert_eq!(asked(Some("1")), Ok(true));
        assert_eq!(
            asked(Some("yes")).unwrap_err(),
            "the environment variable RAPTORS_SIGNPOSTS is wrong: `yes` is neither 0 nor 1"
        );
    }
}
