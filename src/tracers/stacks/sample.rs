//! A process that runs, sampled by macOS's `sample`. Written from its manual page; never run on a Mac so far.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use raptors_flamegraphs::read_sample;

use super::text::WAITS;
use super::{Job, Taken};
use crate::machine::platform;
use crate::model::error::{Error, Exit};
use crate::model::tool::Tool;
use crate::tracers::session::{self, Session};
use crate::tracers::tool::find_for;

/// Samples the process. `sample` names all functions itself when it has sampled.
pub fn process(job: &mut Job) -> Result<Taken, Error> {
    let pid = job.pid;
    let program = find_for(Tool::Sample, pid, "")?;
    let directory = session::directory(Tool::Sample)?;
    let report = directory.path().join("report");
    let mut line = line(&program.path, pid, job.time, job.frequency, &report);
    line.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let session = Session::start(Tool::Sample, platform::in_own_group(&mut line))?;
    let interrupt = job.interrupt;
    let ended = session.follow(true, &|| interrupt.asked(), &mut || job.show(begun.elapsed()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(&report).map_err(|error| {
        let words = Error::new(ended.said.trim().to_owned()).caused_by(error);
        Error::new(format!("sample made no report of process {pid}"))
            .caused_by(words)
            .help("see what it says by itself; it may need root")
            .exit(Exit::NothingObserved)
    })?;
    let profile = read_sample(&text).map_err(|error| match error {
        raptors_flamegraphs::Error::NoSamples => job.idle(seconds),
        error => Error::new("the report of sample cannot be read").caused_by(error),
    })?;
    Ok(job.taken(&profile, seconds, None, vec![WAITS.to_owned()]))
}

/// Whole seconds, and whole milliseconds between samples.
fn line(program: &Path, pid: u32, time: Duration, frequency: u32, report: &Path) -> Command {
    let seconds = (time.as_secs_f64().ceil() as u64).max(1);
    let milliseconds = (1000 / frequency.max(1)).max(1);
    let mut command = Command::new(program);
    command
        .args([pid.to_string(), seconds.to_string(), milliseconds.to_string()])
        .args(["-mayDie", "-file"])
        .arg(report);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_and_never_none() {
        let words = |time, frequency| {
            let command = line(Path::new("sample"), 7, Duration::from_secs_f64(time), frequency, Path::new("r"));
            let words: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
            words.join(" ")
        };
        assert_eq!(words(0.2, 997), "7 1 1 -mayDie -file r");
        assert_eq!(words(2.5, 100), "7 3 10 -mayDie -file r");
        assert_eq!(words(2.0, 10_000), "7 2 1 -mayDie -file r");
    }
}
