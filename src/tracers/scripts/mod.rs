//! The D and bpftrace scripts, made from the catalogue and the list of probes.
//!
//! There are two forms of each: the one for any process, which is committed under `dtrace/`, and the one filled in
//! for an interpreter or a running process, with its real paths, symbols and loops.

pub(crate) mod arguments;
mod inspect;
mod manual;
mod process;
mod select;
mod target;
pub(crate) mod template;
mod text;
mod watch;
mod write;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::machine::interpreter::Host;
use crate::machine::interpreter::{self, Surroundings};
use crate::model::error::{Error, Exit};

pub use inspect::{libraries, loops, processes};
pub use select::{default_routines, named_routines};
pub use target::{Exported, Filled, LeftOut, Library, LoopPoint, Module, Target};
pub(crate) use text::probe_part;
pub use watch::Request;

/// The scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Routines and loops: calls, time, sizes, callers.
    TraceAccelerateCalls,
    /// Both sides' calls in two columns.
    CompareCallPatterns,
    /// The phases of a Raptors operation.
    ScalePhases,
    /// Page faults of both sides.
    PageFaults,
    /// Memory that both sides ask for.
    Alloc,
    /// Stacks for a flamegraph.
    ProfileStacks,
}

impl Script {
    /// All of them, the most important first.
    pub const ALL: [Self; 6] = [
        Self::TraceAccelerateCalls,
        Self::CompareCallPatterns,
        Self::ScalePhases,
        Self::PageFaults,
        Self::Alloc,
        Self::ProfileStacks,
    ];

    /// Its name, without an ending.
    pub fn name(self) -> &'static str {
        match self {
            Self::TraceAccelerateCalls => "trace_accelerate_calls",
            Self::CompareCallPatterns => "compare_call_patterns",
            Self::ScalePhases => "scale_phases",
            Self::PageFaults => "page_faults",
            Self::Alloc => "alloc",
            Self::ProfileStacks => "profile_stacks",
        }
    }

    /// Whether it watches routines of math libraries.
    fn watches_routines(self) -> bool {
        matches!(self, Self::TraceAccelerateCalls | Self::CompareCallPatterns)
    }

    /// Whether it watches NumPy's inner loops.
    fn watches_loops(self) -> bool {
        self.watches_routines() || self == Self::PageFaults
    }

    /// Whether there is one for any process. A uprobe of bpftrace needs the path of a file, and a NumPy's loops have
    /// no names that all builds share: a script with such probes is printed for a process or an interpreter only.
    pub fn suits_any_process(self, tool: Tool) -> bool {
        tool == Tool::Dtrace || !self.watches_loops()
    }

    /// Its file's name for a tool.
    pub fn file_name(self, tool: Tool) -> String {
        format!("{}.{tool}", self.name())
    }
}

/// What runs a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// DTrace, on macOS and Linux.
    Dtrace,
    /// bpftrace, on Linux.
    Bpftrace,
}

impl fmt::Display for Tool {
    /// The ending of its scripts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dtrace => "d",
            Self::Bpftrace => "bt",
        })
    }
}

/// A script and what runs it; the ending says which, else it is what this system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The script.
    pub script: Script,
    /// What runs it, where the name says so.
    pub tool: Option<Tool>,
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (stem, tool) = match (text.strip_suffix(".d"), text.strip_suffix(".bt")) {
            (Some(stem), _) => (stem, Some(Tool::Dtrace)),
            (_, Some(stem)) => (stem, Some(Tool::Bpftrace)),
            _ => (text, None),
        };
        let found = Script::ALL.into_iter().find(|script| script.name() == stem);
        found.map(|script| Self { script, tool }).ok_or_else(|| {
            let names = Script::ALL.map(Script::name).join(", ");
            format!("there is no such script; there are {names}, each with .d for DTrace or .bt for bpftrace")
        })
    }
}

/// Which script is to be printed, and for what it is filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Which.
    pub name: Name,
    /// The one for any process, as it is committed.
    pub generic: bool,
    /// The processes to fill it in for, at most two.
    pub processes: Vec<u32>,
    /// The interpreter asked for with `--python`.
    pub python: Option<PathBuf>,
    /// The routines to watch instead of the usual ones.
    pub routines: Vec<String>,
    /// The ufuncs to watch instead of the usual ones.
    pub ufuncs: Vec<String>,
    /// What started the command.
    pub host: Host,
}

/// A script that was made.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Made {
    /// Its file name, `trace_accelerate_calls.bt`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What it does not watch, and why.
    pub left_out: Vec<LeftOut>,
}

/// Makes the script that is asked for.
///
/// # Errors
/// When the interpreter or the process cannot be looked at, a routine is not known, or nothing is there to watch.
pub fn make(options: &Options) -> Result<Made, Error> {
    let routines = match options.routines.as_slice() {
        [] => default_routines(),
        names => named_routines(names)?,
    };
    let tool = options.name.tool.unwrap_or(default_tool());
    // The patterns of a D script name the libraries of every process on macOS, where they lie in one shared cache.
    let everywhere = tool == Tool::Dtrace && std::env::consts::OS == "macos";
    let target = if options.generic || everywhere {
        Target::Generic
    } else if options.processes.is_empty() {
        let python = python(options)?;
        Target::Filled(Box::new(inspect::interpreter(&python, &routines)?))
    } else {
        Target::Filled(Box::new(processes(&options.processes, &routines)?))
    };
    let request = Request { target, routines, ufuncs: options.ufuncs.clone() };
    something_to_watch(options.name.script, tool, &request)?;
    generate(options.name.script, tool, &request)
}

/// Makes a script for a request.
///
/// # Errors
/// A fault in a template.
pub fn generate(script: Script, tool: Tool, request: &Request) -> Result<Made, Error> {
    write::write(script, tool, request)
}

/// The scripts as they are committed under `dtrace/`: file names and texts.
///
/// # Errors
/// A fault in a template.
pub fn committed() -> Result<Vec<(String, String)>, Error> {
    let tools = [Tool::Dtrace, Tool::Bpftrace];
    let all = Script::ALL.into_iter().flat_map(|script| tools.map(|tool| (script, tool)));
    let all = all.filter(|(script, tool)| script.suits_any_process(*tool));
    all.map(|(script, tool)| Ok((script.file_name(tool), for_any_process(script, tool)?))).collect()
}

/// A script as it is committed.
///
/// # Errors
/// A fault in a template.
pub fn for_any_process(script: Script, tool: Tool) -> Result<String, Error> {
    let request = Request { target: Target::Generic, routines: default_routines(), ufuncs: Vec::new() };
    Ok(generate(script, tool, &request)?.text)
}

fn python(options: &Options) -> Result<PathBuf, Error> {
    let surroundings = Surroundings::collect(options.python.clone(), options.host.python.clone());
    let (path, _) = interpreter::pick(&surroundings)?;
    Ok(path)
}

/// macOS has no bpftrace.
fn default_tool() -> Tool {
    if std::env::consts::OS == "macos" { Tool::Dtrace } else { Tool::Bpftrace }
}

/// A script that could see nothing is refused.
fn something_to_watch(script: Script, tool: Tool, request: &Request) -> Result<(), Error> {
    let Some(filled) = request.filled() else {
        return only_if_it_suits_any_process(script, tool);
    };
    let wants_raptors = script == Script::ScalePhases && filled.extensions.is_empty();
    let wants_calls = matches!(script, Script::TraceAccelerateCalls | Script::CompareCallPatterns)
        && filled.libraries.is_empty()
        && filled.loops.is_empty()
        && filled.extensions.is_empty();
    if !(wants_raptors || wants_calls) {
        return Ok(());
    }
    let what = if wants_raptors {
        "no file with the probes of Raptors is loaded there"
    } else {
        "no math library, no NumPy and no Raptors is loaded there"
    };
    Err(Error::new(what).help("let the process import what it is to use, then ask again").exit(Exit::NothingObserved))
}

/// A script for any process that is none.
fn only_if_it_suits_any_process(script: Script, tool: Tool) -> Result<(), Error> {
    if script.suits_any_process(tool) {
        return Ok(());
    }
    let sentence =
        format!("{} needs the paths of the files it watches, so there is none for any process", script.file_name(tool));
    Err(Error::new(sentence).help("give the process with --pid PID, or the interpreter with --python PATH"))
}
