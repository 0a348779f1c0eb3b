//! A process that runs, sampled by macOS's `sample`. Written from its manual page; never run on a Mac so far.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use raptors_flamegraphs::names::Names;
use raptors_flamegraphs::{Tag, read_sample};

use super::stacks::WAITS;
use super::{STEP, Taken, doing, idle, name_of};
use crate::machine::interrupt::Interrupt;
use crate::machine::pipe;
use crate::machine::platform;
use crate::model::error::{Error, Exit};
use crate::model::progress::Progress;
use crate::tracers::attach;

const SAMPLE: &str = "/usr/bin/sample";

/// Samples process `pid`. It names all functions itself when it has sampled.
pub fn process(pid: u32, time: Duration, frequency: u32, progress: &mut dyn Progress) -> Result<Taken, Error> {
    let interrupt = Interrupt::watch();
    if platform::SYSTEM != platform::System::MacOs {
        return Err(Error::new("sample is a tool of macOS")
            .help("leave --engine out, or give --engine dtrace")
            .exit(Exit::NothingObserved));
    }
    attach::check(pid)?;
    let name = name_of(pid);
    let directory = platform::private_directory("raptors-trace-sample-").map_err(|error| {
        Error::new("there is no place for the report of sample")
            .caused_by(error)
            .help("free disk space, or set TMPDIR to a directory that can be written to")
    })?;
    let report = directory.path().join("report");
    let begun = Instant::now();
    let line = line(pid, time, frequency, &report);
    let said = run(line, &interrupt, &mut || {
        let share = begun.elapsed().as_secs_f64() / time.as_secs_f64();
        progress.update(share.min(1.0), &doing(pid));
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(&report).map_err(|error| {
        let words = Error::new(said.trim().to_owned()).caused_by(error);
        Error::new(format!("sample made no report of process {pid}"))
            .caused_by(words)
            .help("see what it says by itself; it may need root")
            .exit(Exit::NothingObserved)
    })?;
    let profile = read_sample(&text).map_err(|error| match error {
        raptors_flamegraphs::Error::NoSamples => idle(&format!("process {pid}"), seconds),
        error => Error::new("the report of sample cannot be read").caused_by(error),
    })?;
    let mut taken = Taken::new(name, Names::default().name(&profile), Tag::A);
    taken.side.seconds = Some(seconds);
    taken.warnings = vec![WAITS.to_owned()];
    Ok(taken)
}

/// Whole seconds, and whole milliseconds between samples.
fn line(pid: u32, time: Duration, frequency: u32, report: &Path) -> Command {
    let seconds = (time.as_secs_f64().ceil() as u64).max(1);
    let milliseconds = (1000 / frequency.max(1)).max(1);
    let mut command = Command::new(SAMPLE);
    command
        .args([pid.to_string(), seconds.to_string(), milliseconds.to_string()])
        .args(["-mayDie", "-file"])
        .arg(report);
    command
}

/// Runs it to its end, and gives what it said.
fn run(mut line: Command, interrupt: &Interrupt, step: &mut dyn FnMut()) -> Result<String, Error> {
    line.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = |error| Error::new("sample cannot be run").caused_by(error);
    let mut child = platform::in_own_group(&mut line).spawn().map_err(failed)?;
    let said = pipe::read_aside(child.stderr.take());
    let mut told = false;
    while child.try_wait().map_err(failed)?.is_none() {
        if interrupt.asked() && !told {
            platform::interrupt(&child);
            told = true;
        }
        step();
        thread::sleep(STEP);
    }
    Ok(said.join().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_and_never_none() {
        let words = |time, frequency| {
            let command = line(7, Duration::from_secs_f64(time), frequency, Path::new("r"));
            let words: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
            words.join(" ")
        };
        assert_eq!(words(0.2, 997), "7 1 1 -mayDie -file r");
        assert_eq!(words(2.5, 100), "7 3 10 -mayDie -file r");
        assert_eq!(words(2.0, 10_000), "7 2 1 -mayDie -file r");
    }
}
