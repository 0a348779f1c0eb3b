//! A process that runs already: the exact commands that look into it from outside, and one of them run. perf and
//! Instruments can start a command as well.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde::Serialize;

use crate::machine::command::ourselves_as_root;
use crate::machine::files;
use crate::machine::interpreter::quoted_unless;
use crate::machine::interrupt::Interrupt;
use crate::machine::invoker::invoker;
use crate::machine::platform;
use crate::model::budget;
use crate::model::error::Error;
use crate::model::tool::Tool;
use crate::tracers::instruments::Sides;
use crate::tracers::session::Session;
use crate::tracers::tool::{check_process, find};

mod perf;
mod xctrace;

pub use xctrace::Template;

/// What is to be done, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is to be done.
    pub action: Action,
    /// How.
    pub settings: Settings,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the commands for this process.
    Tell(u32),
    /// Watch the calls of this process.
    Watch(u32, Tool),
    /// Record sampled stacks, with perf or Instruments.
    Record(Target, Tool),
}

/// How a tool is to be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What Instruments records.
    pub template: Template,
    /// How long; `None`: a process for 10 s, a command to its end.
    pub duration: Option<Duration>,
    /// Where perf and Instruments record to.
    pub output: Option<PathBuf>,
}

/// What a tool looks into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A process that runs.
    Process(u32),
    /// A command to start, its name first.
    Command(Vec<OsString>),
}

/// One command that can be typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The tool.
    pub tool: Tool,
    /// What it shows.
    pub shows: &'static str,
    /// The command line, as a shell takes it.
    pub command: String,
    /// Why it would not work here, with the fix.
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

/// What perf or Instruments has left; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// `raptors-trace/recording/1`.
    pub schema: &'static str,
    /// The tool.
    pub tool: Tool,
    /// The recording.
    pub file: String,
    /// Samples in it, where they were counted.
    pub samples: Option<u64>,
    /// All samples as folded stacks, where they were written.
    pub folded: Option<String>,
    /// The samples of both sides, where the recording has rounds of a driver.
    pub sides: Option<Sides>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

impl Recorded {
    fn new(tool: Tool, file: &Path) -> Self {
        Self {
            schema: "raptors-trace/recording/1",
            tool,
            file: file.display().to_string(),
            samples: None,
            folded: None,
            sides: None,
            notes: Vec::new(),
        }
    }
}

/// Checks that the process is there and gives the commands for it.
///
/// # Errors
/// A process that is not there, or belongs to somebody else.
pub fn attachment(pid: u32, settings: &Settings) -> Result<Attachment, Error> {
    check_process(pid)?;
    Ok(Attachment {
        schema: "raptors-trace/attach/1",
        pid,
        command_line: platform::command_line(pid),
        hints: hints(pid, settings),
    })
}

impl Settings {
    /// How long the calls of a process are watched.
    pub fn watched(&self) -> Duration {
        self.duration.unwrap_or_else(|| budget::WATCH.into())
    }

    fn output(&self, otherwise: &str) -> PathBuf {
        self.output.clone().unwrap_or_else(|| otherwise.into())
    }
}

/// The commands for every tool, those that cannot work here with the reason.
fn hints(pid: u32, settings: &Settings) -> Vec<Hint> {
    let target = Target::Process(pid);
    let seconds = settings.watched().as_secs().max(1);
    let hint = |tool, shows, command: String| Hint { tool, shows, command, why_not: unusable(tool) };
    let calls = |engine: &str| ourselves_as_root(&format!("calls --pid {pid} --engine {engine} --duration {seconds}"));
    vec![
        hint(Tool::Bpftrace, "calls of loops and routines, sizes, times", calls("bpftrace")),
        hint(Tool::Dtrace, "the same through DTrace", calls("dtrace")),
        hint(
            Tool::Perf,
            "sampled stacks with kernel frames",
            shell_line(&perf::line(&target, settings, &perf::output(settings))),
        ),
        hint(
            Tool::Instruments,
            "Time Profiler; `CPU Counters` shows cache misses",
            shell_line(&xctrace::line(&target, settings)),
        ),
    ]
}

/// Why a tool cannot be used here, with the fix.
fn unusable(tool: Tool) -> Option<String> {
    let error = find(tool).err()?;
    Some(error.help_text().map_or_else(|| error.to_string(), |help| format!("{error}: {help}")))
}

/// Records with perf or Instruments, on the terminal as it is.
///
/// # Errors
/// A process that cannot be looked into, a tool that is not there, fails or saw nothing.
pub fn record(target: &Target, tool: Tool, settings: &Settings) -> Result<Recorded, Error> {
    if let Target::Process(pid) = target {
        check_process(*pid)?;
    }
    find(tool)?;
    match tool {
        Tool::Instruments => xctrace::record(target, settings),
        _ => perf::record(target, settings),
    }
}

/// Runs a tool to its end and tells whether the user ended it early. One that watches a process hears of Ctrl-C from
/// us; one that has started a command stays with it on the terminal, where both hear of it.
fn run(tool: Tool, line: &[OsString], target: &Target) -> Result<(ExitStatus, bool), Error> {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    let apart = matches!(target, Target::Process(_));
    if apart {
        platform::in_own_group(&mut command).stdin(Stdio::null());
    }
    let interrupt = Interrupt::watch();
    let ended = Session::start(tool, &mut command)?.follow(apart, &|| interrupt.asked(), &mut || ())?;
    Ok((ended.status, interrupt.asked()))
}

fn failed(program: &str, status: ExitStatus) -> Error {
    Error::new(format!("{program} failed ({status})"))
        .help("what it said stands above; raptors-trace doctor tells what is missing here")
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<OsString> {
    words.into_iter().map(OsString::from).collect()
}

/// Words as a shell takes them: quoted where it could read anything into them.
pub fn shell_line(words: &[impl AsRef<OsStr>]) -> String {
    let quoted = |word: &dyn AsRef<OsStr>| quoted_unless(&word.as_ref().to_string_lossy(), "/._-+=:,@%");
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// Gives a recording to who had root make it; where that fails, it is there all the same.
fn hand_over(recording: &Path, notes: &mut Vec<String>) {
    if let Err(error) = files::hand_over(recording, invoker().as_ref()) {
        notes.push(format!("the recording stays root's: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_nothing_into_a_word() {
        let words = ["perf", "-o", "a b", "$(rm x)", "it's", "`id`", ""];
        assert_eq!(shell_line(&words), r"perf -o 'a b' '$(rm x)' 'it'\''s' '`id`' ''");
    }

    #[test]
    fn the_line_of_each_tool_for_a_process_and_for_a_command() {
        let settings = Settings { template: Template::CpuCounters, duration: None, output: Some("a b".into()) };
        let process = Target::Process(7);
        let command = Target::Command(["python", "x;y.py", "--duration"].map(Into::into).into());
        assert_eq!(
            shell_line(&perf::line(&process, &settings, "a b".as_ref())),
            "perf record -e cpu-clock -F 997 --call-graph dwarf -o 'a b' -p 7 -- sleep 10"
        );
        assert_eq!(
            shell_line(&perf::line(&command, &settings, "a b".as_ref())),
            "perf record -e cpu-clock -F 997 --call-graph dwarf -o 'a b' -- python 'x;y.py' --duration"
        );
        assert_eq!(
            shell_line(&xctrace::line(&process, &settings)),
            "xcrun xctrace record --template 'CPU Counters' --instrument os_signpost --output 'a b' --time-limit 10s \
             --attach 7"
        );
        assert_eq!(
            shell_line(&xctrace::line(&command, &settings)),
            "xcrun xctrace record --template 'CPU Counters' --instrument os_signpost --output 'a b' --target-stdout - \
             --env RAPTORS_SIGNPOSTS=1 --launch -- python 'x;y.py' --duration"
        );
    }
}
