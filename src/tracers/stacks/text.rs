//! Stacks as another tool's text.

use std::path::Path;

use raptors_flamegraphs::{DtraceStacks, Folded, PerfScript, Profile, Tag, is_sample, read_sample};

use super::{DrawnSide, Taken};
use crate::model::error::{Error, Exit};

/// What `sample` counts.
pub const WAITS: &str = "sample counts waiting threads too: widths are wall time of threads, not CPU time";
/// The first bytes of a run file.
const RUN_FILE: u8 = 0x89;

/// The first bytes of every run file are not text; a file of stacks is.
pub fn is_text(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    let is_control = |byte: &u8| *byte < b' ' && !b"\t\n\r".contains(byte);
    // No text contains the first byte of a run file, which may be all that is left of one.
    let is_run = start.first() == Some(&RUN_FILE);
    read.is_ok() && !start.is_empty() && !is_run && !start.iter().any(is_control)
}

/// Reads folded text, or the output of `perf script`, DTrace or `sample`.
pub fn read(path: &Path) -> Result<Taken, Error> {
    let name = path.display().to_string();
    let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(format!("{name} has no readable stacks"))
            .caused_by(cause)
            .help("give folded stacks, the text that perf script, DTrace or sample prints, or a run file")
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.into()))?;
    let text = String::from_utf8_lossy(&bytes);
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return Err(Error::new(format!("{name} is XML, not stacks as text"))
            .help("tables that Instruments exported: raptors-trace instruments SAMPLES.xml SIGNPOSTS.xml"));
    }
    let Stacks { profile, cpu_ns, warnings } = stacks(&bytes, &text).map_err(|error| match error {
        raptors_flamegraphs::Error::NoSamples => unreadable(error.into()).exit(Exit::NothingObserved),
        _ => unreadable(error.into()),
    })?;
    let samples = profile.tags().get(&Tag::A).map_or(0, |(count, _)| *count);
    if samples == 0 {
        let error = raptors_flamegraphs::Error::NoSamples;
        return Err(unreadable(error.into()).exit(Exit::NothingObserved));
    }
    Ok(Taken {
        side: DrawnSide { name, samples, idle_samples: 0, cpu_ns, seconds: None, status: None },
        profile,
        warnings,
    })
}

/// What a file has said.
#[derive(Default)]
struct Stacks {
    profile: Profile,
    cpu_ns: Option<u64>,
    warnings: Vec<String>,
}

fn stacks(bytes: &[u8], text: &str) -> Result<Stacks, raptors_flamegraphs::Error> {
    Ok(match Form::of(text) {
        Form::PerfScript => {
            let script = PerfScript::read(bytes)?;
            let clock = script.event.contains("cpu-clock") || script.event.contains("task-clock");
            Stacks { cpu_ns: clock.then_some(script.period), profile: script.profile, ..Stacks::default() }
        }
        Form::Dtrace => Stacks { profile: DtraceStacks::read(bytes)?.profile, ..Stacks::default() },
        Form::Sample => Stacks { profile: read_sample(text)?, warnings: vec![WAITS.to_owned()], ..Stacks::default() },
        Form::Folded => Stacks { profile: Profile::from(&Folded::parse(text)?), ..Stacks::default() },
    })
}

/// What printed a text.
#[derive(Debug, PartialEq)]
enum Form {
    PerfScript,
    Dtrace,
    Sample,
    Folded,
}

impl Form {
    fn of(text: &str) -> Self {
        let is_count = |line: &str| {
            let line = line.trim();
            !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
        };
        if is_sample(text) {
            Self::Sample
        } else if text.starts_with("No sample was taken") || text.lines().any(is_count) {
            // The other formats have no line with a number alone.
            Self::Dtrace
        } else if is_perf_script(text) {
            Self::PerfScript
        } else {
            Self::Folded
        }
    }
}

/// A sample of `perf script` is a line and, indented, its stack.
fn is_perf_script(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let first = lines.next().unwrap_or_default().trim_end();
    first.ends_with(':') || lines.next().is_some_and(|line| line.starts_with(['\t', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_text() {
        let perf = "# x\npython 1/1 2.5:  100 cpu-clock: \n\t 10 f (/bin/a)\n\n";
        for (text, form) in [
            ("a;b 3\n", Form::Folded),
            ("libc`a;libc`b 3\n", Form::Folded),
            (perf, Form::PerfScript),
            ("\n\n  libc`a+0x1\n  0x10\n    3\n", Form::Dtrace),
            ("Analysis of sampling a\n\nCall graph:\n    3 T\n", Form::Sample),
        ] {
            assert_eq!(Form::of(text), form, "{text}");
        }
    }

    #[test]
    fn xml_is_told_as_xml_and_a_piece_of_a_run_file_is_no_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::write(&path, "<?xml version=\"1.0\"?>\n<trace-query-result>\n").unwrap();
        let error = read(&path).err().unwrap().in_a_line();
        assert!(error.contains("is XML, not stacks") && error.contains("raptors-trace instruments"));
        std::fs::write(&path, b"\x89RTR").unwrap();
        assert!(!is_text(&path));
        std::fs::write(&path, "a;b 3\n").unwrap();
        assert!(is_text(&path));
    }

    #[test]
    fn a_broken_line_is_told_by_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.folded");
        std::fs::write(&path, "a;b 3\na;b many\n").unwrap();
        let error = read(&path).err().unwrap();
        assert!(error.in_a_line().contains("line 2 of the folded stacks"), "{}", error.in_a_line());
    }
}
