//! Stacks that another tool wrote, as text.

use std::path::Path;

use raptors_flamegraphs::{Folded, PerfScript, Profile, Tag};

use super::{DrawnSide, Taken, named};
use crate::error::{Error, Exit};

/// What every run file begins with is not text; a file of stacks is.
pub fn is_text(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    let is_control = |byte: &u8| *byte < b' ' && !b"\t\n\r".contains(byte);
    read.is_ok() && !start.is_empty() && !start.iter().any(is_control)
}

/// Reads folded text, or what `perf script` printed.
pub fn read(path: &Path) -> Result<Taken, Error> {
    let name = named(path);
    let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(format!("{name} holds no stacks that can be read"))
            .caused_by(cause)
            .mend("give folded stacks, the text that perf script prints, or a run file")
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.into()))?;
    let text = String::from_utf8_lossy(&bytes);
    let read = if is_perf_script(&text) {
        PerfScript::read(&bytes[..]).map(|script| {
            let clock = script.event.contains("cpu-clock") || script.event.contains("task-clock");
            let time = clock.then_some(script.period);
            (script.profile, time)
        })
    } else {
        Folded::parse(&text).map(|folded| (Profile::from(&folded), None))
    };
    let (profile, cpu_ns) = read.map_err(|error| match error {
        raptors_flamegraphs::Error::NoSamples => {
            unreadable(error.into()).exit(Exit::NothingObserved)
        }
        _ => unreadable(error.into()),
    })?;
    let samples = profile.tags().get(&Tag::A).map_or(0, |(count, _)| *count);
    if samples == 0 {
        let error = raptors_flamegraphs::Error::NoSamples;
        return Err(unreadable(error.into()).exit(Exit::NothingObserved));
    }
    Ok(Taken {
        side: DrawnSide {
            name,
            samples,
            idle_samples: 0,
            cpu_ns,
            seconds: None,
            status: None,
        },
        profile,
        warnings: Vec::new(),
    })
}

/// A sample of `perf script` is a line and, indented, its stack.
fn is_perf_script(text: &str) -> bool {
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let first = lines.next().unwrap_or_default().trim_end();
    first.ends_with(':')
        || lines
            .next()
            .is_some_and(|line| line.starts_with(['\t', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_text() {
        assert!(!is_perf_script("a;b 3\n"));
        assert!(is_perf_script(
            "# x\npython 1/1 2.5:  100 cpu-clock: \n\t 10 f (/bin/a)\n\n"
        ));
    }

    #[test]
    fn a_broken_line_is_told_by_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.folded");
        std::fs::write(&path, "a;b 3\na;b many\n").unwrap();
        let error = read(&path).err().unwrap();
        assert!(
            error.in_a_line().contains("line 2 of the folded stacks"),
            "{}",
            error.in_a_line()
        );
    }
}
