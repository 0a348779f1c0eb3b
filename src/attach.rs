//! A process that runs already: the exact commands that look into it from outside, and one of them run.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use raptors_flamegraphs::Folded;
use serde::Serialize;

use crate::engines::{Tracer, tools};
use crate::error::{Error, Exit};
use crate::interpreter::quoted_unless;
use crate::platform;

/// Which process, and what is to be run on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The process.
    pub pid: u32,
    /// Run this one; else all commands are only told.
    pub with: Option<With>,
    /// How long it is looked at.
    pub duration: Duration,
    /// Where perf and Instruments record to.
    pub output: Option<PathBuf>,
}

/// A tool that looks into a process from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum With {
    /// Calls of loops and routines.
    Bpftrace,
    /// The same.
    Dtrace,
    /// Sampled stacks, kernel frames included (Linux).
    Perf,
    /// Apple's Instruments: Time Profiler (macOS).
    Instruments,
}

/// One command that can be typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The tool.
    pub tool: With,
    /// What it shows.
    pub shows: &'static str,
    /// The command line, as a shell takes it.
    pub command: String,
    /// Why it would not work here, with the mend.
    pub why_not: Option<String>,
}

/// What can be done about a process; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Attachment {
    /// `raptors-trace/attach/1`.
    pub schema: &'static str,
    /// The process.
    pub pid: u32,
    /// Its command line, where that can be read.
    pub command_line: Option<String>,
    /// One for each tool.
    pub hints: Vec<Hint>,
}

/// Checks that the process is there and gives the commands for it.
///
/// # Errors
/// A process that is not there, or belongs to somebody else.
pub fn attachment(options: &Options) -> Result<Attachment, Error> {
    check(options.pid)?;
    Ok(Attachment {
        schema: "raptors-trace/attach/1",
        pid: options.pid,
        command_line: platform::command_line(options.pid),
        hints: hints(options),
    })
}

/// Whether a process can be looked into.
///
/// # Errors
/// One sentence: it is not there, or belongs to somebody else.
pub fn check(pid: u32) -> Result<(), Error> {
    match platform::reach(pid) {
        platform::Reach::Ours => Ok(()),
        platform::Reach::Gone => {
            Err(Error::new(format!("there is no process {pid}"))
                .mend("look it up: pgrep -af python"))
        }
        platform::Reach::Foreign => {
            Err(Error::new(format!("process {pid} belongs to another user"))
                .mend(format!("run this as root: sudo raptors-trace attach {pid}")))
        }
    }
}

/// The commands for every tool, those that cannot work here with the reason.
fn hints(options: &Options) -> Vec<Hint> {
    let (pid, seconds) = (options.pid, options.duration.as_secs().max(1));
    let hint = |tool, shows, command: String| Hint {
        tool,
        shows,
        command,
        why_not: unusable(tool),
    };
    vec![
        hint(
            With::Bpftrace,
            "calls of loops and routines, sizes, times",
            format!("sudo raptors-trace calls --pid {pid} --engine bpftrace --duration {seconds}"),
        ),
        hint(
            With::Dtrace,
            "the same through DTrace",
            format!("sudo raptors-trace calls --pid {pid} --engine dtrace --duration {seconds}"),
        ),
        hint(
            With::Perf,
            "sampled stacks with kernel frames",
            shell_line(&perf(options)),
        ),
        hint(
            With::Instruments,
            "Time Profiler; `CPU Counters` shows cache misses",
            shell_line(&instruments(options)),
        ),
    ]
}

fn unusable(tool: With) -> Option<String> {
    let missing = |error: Error| match error.mend_text() {
        Some(mend) => format!("{error}: {mend}"),
        None => error.to_string(),
    };
    match tool {
        With::Bpftrace => tools::find(Tracer::Bpftrace).err().map(missing),
        With::Dtrace => tools::find(Tracer::Dtrace).err().map(missing),
        With::Perf => (!tools::on_path("perf"))
            .then(|| "perf is not installed: apt-get install linux-perf".to_owned()),
        With::Instruments => (!tools::on_path("xcrun")).then(|| {
            "xcrun is not installed: Instruments comes with Xcode, on macOS only".to_owned()
        }),
    }
}

fn output(options: &Options, otherwise: &str) -> String {
    let given = options
        .output
        .as_ref()
        .map(|path| path.display().to_string());
    given.unwrap_or_else(|| otherwise.to_owned())
}

/// `perf record` of one process for a while; perf itself asks for a command whose end it waits for.
fn perf(options: &Options) -> Vec<String> {
    let (pid, seconds) = (
        options.pid.to_string(),
        options.duration.as_secs_f64().to_string(),
    );
    let file = output(options, "perf.data");
    [
        "perf",
        "record",
        "-e",
        "cpu-clock",
        "-F",
        "997",
        "--call-graph",
        "dwarf",
        "-p",
        &pid,
        "-o",
        &file,
        "--",
        "sleep",
        &seconds,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// `xctrace record` of one process for a while (`man xctrace`).
fn instruments(options: &Options) -> Vec<String> {
    let (pid, seconds) = (
        options.pid.to_string(),
        format!("{}s", options.duration.as_secs().max(1)),
    );
    let file = output(options, "raptors.trace");
    [
        "xcrun",
        "xctrace",
        "record",
        "--template",
        "Time Profiler",
        "--attach",
        &pid,
        "--time-limit",
        &seconds,
        "--output",
        &file,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Runs the tool that was asked for, on the terminal as it is.
///
/// # Errors
/// A tool that is not there or that fails.
pub fn run(options: &Options, with: With) -> Result<(), Error> {
    check(options.pid)?;
    if let Some(why) = unusable(with) {
        return Err(Error::new(why).exit(Exit::NothingObserved));
    }
    let line = match with {
        With::Perf => perf(options),
        With::Instruments => instruments(options),
        With::Bpftrace | With::Dtrace => {
            return Err(Error::new(
                "calls are watched by `raptors-trace calls --pid`",
            ));
        }
    };
    let (program, arguments) = line.split_first().expect("a command has a name");
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| Error::new(format!("{program} could not be started")).caused_by(error))?;
    if status.success() && with == With::Instruments {
        return fold(options);
    }
    if status.success() {
        return Ok(());
    }
    Err(Error::new(format!("{program} failed ({status})"))
        .mend("what it said stands above; raptors-trace doctor tells what is missing here"))
}

/// What reads the samples of a recording out of it (`man xctrace`).
fn export(recording: &str) -> Vec<String> {
    [
        "xcrun",
        "xctrace",
        "export",
        "--input",
        recording,
        "--xpath",
        "/trace-toc/run[@number=\"1\"]/data/table[@schema=\"time-profile\"]",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Writes the folded stacks of what Instruments recorded beside the recording.
fn fold(options: &Options) -> Result<(), Error> {
    let recording = output(options, "raptors.trace");
    let line = export(&recording);
    let failed = || Error::new(format!("the samples in {recording} could not be read"));
    let told = Command::new(&line[0])
        .args(&line[1..])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed().caused_by(error))?;
    if !told.status.success() {
        return Err(failed().mend(format!("look at it: {}", shell_line(&line))));
    }
    let folded = Folded::from_xctrace(told.stdout.as_slice()).map_err(|error| {
        failed()
            .caused_by(error)
            .mend(format!("look at it: {}", shell_line(&line)))
    })?;
    let path = PathBuf::from(format!("{recording}.folded"));
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let written = tempfile::NamedTempFile::new_in(directory.unwrap_or(".".as_ref()))
        .and_then(|mut file| file.write_all(folded.to_string().as_bytes()).map(|()| file))
        .and_then(|file| file.persist(&path).map_err(|error| error.error));
    written.map_err(|error| {
        Error::new(format!("{} cannot be written", path.display())).caused_by(error)
    })?;
    println!("{} samples, folded: {}", folded.total(), path.display());
    Ok(())
}

/// Words as a shell takes them: quoted where it could read anything into them.
pub fn shell_line(words: &[String]) -> String {
    let quoted = |word: &String| quoted_unless(word, "/._-+=:,@%");
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_nothing_into_a_word() {
        let words = ["perf", "-o", "a b", "$(rm x)", "it's", "`id`", ""].map(str::to_owned);
        assert_eq!(
            shell_line(&words),
            r"perf -o 'a b' '$(rm x)' 'it'\''s' '`id`' ''"
        );
    }

    #[test]
    fn a_process_that_is_gone_is_one_sentence() {
        let error = check(u32::MAX / 2).unwrap_err();
        assert_eq!(error.to_string(), "there is no process 2147483647");
        assert!(check(std::process::id()).is_ok());
    }
}
