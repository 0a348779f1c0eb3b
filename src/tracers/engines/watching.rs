//! A tracer that watches calls: started on a process, seen to be armed, ended, and its report read.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::armed::Watch;
use super::prepare::{Prepared, prepare};
use super::{Plan, Seen, Traced, bpftrace, dtrace};
use crate::machine::platform;
use crate::model::error::Error;
use crate::model::tool::Tool;
use crate::tracers::losses::MAP_KEYS;
use crate::tracers::session::{self, Session};
use crate::tracers::tool::{Program, check_numbers};

/// A breakpoint stands for a moment before the tracer's own program is attached to it.
const SETTLE: Duration = Duration::from_millis(700);

/// A tracer that is watching a process.
pub struct Watching {
    session: Session,
    tool: Tool,
    version: String,
    probes: usize,
    sites: Vec<u32>,
    left_out: Vec<String>,
    /// Holds the program and the safe names; gone when dropped, which is after the tracer has ended.
    _directory: TempDir,
}

/// Starts a tracer on the process of `plan` and waits until its probes are seen in that process's memory.
///
/// # Errors
/// Too few rights, or probes that do not appear: with the tool's own words.
pub fn start(program: &Program, plan: &Plan, interrupted: &dyn Fn() -> bool) -> Result<Watching, Error> {
    let tool = program.tool;
    check_numbers(tool, plan.pid)?;
    let directory = session::directory(tool)?;
    let Prepared { program: text, places, sites, left_out } = prepare(tool, plan, directory.path())?;
    let file = directory.path().join("program");
    fs::write(&file, text).map_err(|error| session::no_place(tool, error))?;
    let watch = Watch::new(plan.pid, &places)?;
    let mut session = Session::start(tool, &mut command(program, plan.pid, &file))?;
    session.functions = sites.len();
    session.wait_until_armed(interrupted, &mut || watch.armed())?;
    thread::sleep(SETTLE);
    let version = program.version.clone();
    Ok(Watching { session, tool, version, probes: places.len(), sites, left_out, _directory: directory })
}

/// bpftrace or DTrace with a program, on process `pid`.
fn command(program: &Program, pid: u32, file: &Path) -> Command {
    let mut command = Command::new(&program.path);
    command.args(["-p", &pid.to_string()]);
    if program.tool == Tool::Dtrace {
        command.arg("-s");
    }
    command.arg(file).env("BPFTRACE_MAP_KEYS_MAX", MAP_KEYS.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    platform::in_own_group(&mut command);
    command
}

impl Watching {
    /// Lets the tracer watch process `pid`, until the time is over, the process has ended, the tracer has, or
    /// `interrupted` says so. How long it was watched, and whether the process has ended.
    ///
    /// Tracers put their probes in and out one after the other, which takes seconds, in which some count and others do
    /// not. So nothing counts before a system call of this process that the tracer waits for, nor after a second one.
    pub fn watch(&mut self, pid: u32, time: Duration, interrupted: &dyn Fn() -> bool) -> (Duration, bool) {
        platform::mark(true);
        let started = Instant::now();
        let ended = self.session.watch(pid, time, interrupted, &mut |_| false);
        platform::mark(false);
        (started.elapsed(), ended)
    }

    /// Ends the tracer and reads its report.
    ///
    /// # Errors
    /// When the tracer did not end well.
    pub fn finish(self) -> Result<Traced, Error> {
        let Self { session, tool, version, probes, sites, left_out, _directory } = self;
        let ended = session.end()?;
        let warnings = ended.losses(tool);
        Ok(Traced { version, armed: true, probes, sites, left_out, warnings, ..Traced::read(tool, &ended.output) })
    }
}

impl Traced {
    /// The counts and times in what bpftrace or DTrace printed; lines of any other shape are left alone.
    pub fn read(tool: Tool, output: &str) -> Traced {
        let (Seen { counts, spent }, mark) = match tool {
            Tool::Dtrace => (dtrace::parse(output), "m "),
            _ => (bpftrace::parse(output), "@m["),
        };
        let marks = output.lines().filter(|line| line.starts_with(mark)).count();
        Traced { engine: tool.as_str().to_owned(), marks, counts, spent, ..Traced::default() }
    }
}
