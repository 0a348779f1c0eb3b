//! The calls of a running process, which needs no preparation: which routines and loops, how often, with which
//! sizes, for how long. A tracer watches it from outside.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::interrupt::{Interrupt, too_early};
use crate::machine::platform;
use crate::model::comparison::CallKind;
use crate::model::error::{Error, Exit};
use crate::model::progress::Progress;
use crate::model::tool::Tool;
use crate::tracers::engines::{self, Called, Plan, Point, RoundKey, Traced};
use crate::tracers::scripts::{self, Exported, Filled, Library, LoopPoint, Request, Target};
use crate::tracers::tool::{check_process, find_for};

/// What `raptors-trace calls --pid --json` prints is of this version.
pub const SCHEMA: &str = "raptors-trace/calls/1";

/// Which process is watched, how and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The process.
    pub pid: u32,
    /// For how long at most.
    pub duration: Duration,
    /// By bpftrace or DTrace; `None`: by what this system has.
    pub tool: Option<Tool>,
}

/// What a process called while it was watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// [`SCHEMA`].
    pub schema: String,
    /// The process.
    pub pid: u32,
    /// Its command line, where that can be read.
    pub command_line: Option<String>,
    /// `bpftrace` or `dtrace`.
    pub engine: String,
    /// What the tool says of itself.
    pub version: String,
    /// Places of the process where a probe was seen to be: a count of 0 there is one.
    pub probes: usize,
    /// Seconds it was watched.
    pub seconds: f64,
    /// Whether the process ended meanwhile.
    pub ended: bool,
    /// What was not watched, and why.
    pub left_out: Vec<String>,
    /// What the tracer lost, and so what limits the trust in the counts.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What it called, the longest in sum first.
    pub calls: Vec<LiveCall>,
}

/// Calls of one thing with the same strides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveCall {
    /// What was called.
    pub kind: CallKind,
    /// `np.multiply[ff->f]`, `cblas_sgemm`, `raptors scale`.
    pub name: String,
    /// The code that ran, where it has a name.
    pub symbol: Option<String>,
    /// The file it is in.
    pub module: Option<String>,
    /// How often.
    pub calls: u64,
    /// Calls by length n; of a routine on matrices, by its first size.
    pub n: BTreeMap<i64, u64>,
    /// Bytes between elements, one per operand, at most three (loops); the sizes after the first (routines).
    pub strides: Vec<i64>,
    /// Time of all calls of this code, entry to return, with the tracer's own cost, ns; `None` where no return was
    /// seen.
    pub total_ns: Option<u64>,
}

/// Watches a process.
///
/// # Errors
/// A process that is not there or may not be watched, a tracer that is not there or is not armed, and a process that
/// called nothing of what was watched.
pub fn watch(options: &Options, progress: &mut dyn Progress) -> Result<Live, Error> {
    let interrupt = Interrupt::watch();
    check_process(options.pid)?;
    let tool = options.tool.unwrap_or(usual());
    // Before anything that takes time.
    let program = find_for(tool, options.pid, &format!("calls --pid {} --engine {tool}", options.pid))?;
    progress.update(0.0, "looking for routines and loops in the process");
    let routines = scripts::default_routines();
    let filled = scripts::processes(&[options.pid], &routines)?;
    let left_out: Vec<String> = filled.left_out.iter().map(|left| format!("{}: {}", left.what, left.why)).collect();
    let request = Request { target: Target::Filled(Box::new(filled)), routines, ufuncs: Vec::new() };
    let points = points(&request);
    let plan = Plan {
        pid: options.pid,
        extension: request.filled().and_then(|filled| filled.extensions.first().cloned()),
        in_rounds: false,
        points,
    };
    if plan.points.is_empty() && plan.extension.is_none() {
        return Err(nothing_to_watch(options.pid, &left_out));
    }
    progress.update(0.1, "starting a tracer");
    let mut watching = engines::start(&program, &plan, &|| interrupt.asked())
        .map_err(|error| if interrupt.asked() { too_early() } else { error.exit(Exit::NothingObserved) })?;
    let asked = || interrupt.asked();
    progress.update(0.2, &format!("watching process {}; Ctrl-C ends it early", options.pid));
    let (time, ended) = watching.watch(options.pid, options.duration, &asked);
    progress.update(1.0, "reading what the tracer saw");
    let traced = watching.finish()?;
    // A tracer ends with its process, and sees no second mark then.
    if traced.marks < if ended { 1 } else { 2 } {
        let sentence =
            format!("{tool} did not see this command begin and end its watch, so that no count of its is proved");
        let help = "see whether it can trace system calls here: raptors-trace doctor";
        return Err(Error::new(sentence).help(help).exit(Exit::NothingObserved));
    }
    let live = Live {
        schema: SCHEMA.to_owned(),
        pid: options.pid,
        command_line: platform::command_line(options.pid),
        engine: traced.engine.clone(),
        version: traced.version.clone(),
        probes: traced.probes,
        seconds: time.as_secs_f64(),
        ended,
        left_out: left_out.into_iter().chain(traced.left_out.clone()).collect(),
        warnings: traced.warnings.clone(),
        calls: calls(&plan.points, &traced),
    };
    if live.calls.is_empty() {
        return Err(nothing_called(&live));
    }
    Ok(live)
}

/// macOS has no bpftrace; elsewhere it is the quicker one.
fn usual() -> Tool {
    if platform::SYSTEM == platform::System::MacOs { Tool::Dtrace } else { Tool::Bpftrace }
}

fn nothing_to_watch(pid: u32, left_out: &[String]) -> Error {
    let error = Error::new(format!(
        "process {pid} has loaded no library with routines of the catalogue, no NumPy and no Raptors"
    ))
    .help("give the number of the process that computes; a server's workers have their own PIDs")
    .exit(Exit::NothingObserved);
    match left_out {
        [why, ..] => error.caused_by(Error::new(why.clone())),
        [] => error,
    }
}

fn nothing_called(live: &Live) -> Error {
    let error = Error::new(format!(
        "process {} called nothing of what was watched in {:.1} s; all {} probes were in its memory",
        live.pid, live.seconds, live.probes
    ))
    .help("if it was idle, give more --duration, or start its work while it is watched")
    .exit(Exit::NothingObserved);
    match live.left_out.as_slice() {
        [] => error,
        reasons => error.caused_by(Error::new(format!("not watched: {}", reasons.join("; ")))),
    }
}

/// The places to watch, numbered.
fn points(request: &Request) -> Vec<Point> {
    let routines = request.filled().into_iter().flat_map(|filled: &Filled| &filled.libraries);
    let routines = routines.flat_map(|library| {
        let all = library.routines.iter();
        all.map(move |exported| routine(library, exported))
    });
    // Loops first: where a tracer cannot take all, they are what every statement needs.
    let all = request.loops().map(inner_loop).chain(routines);
    all.zip(1..).map(|(point, site)| Point { site, ..point }).collect()
}

fn routine(library: &Library, exported: &Exported) -> Point {
    Point {
        site: 0,
        kind: CallKind::Routine,
        name: exported.routine.name.to_owned(),
        symbol: Some(exported.symbol.clone()),
        module: library.path.clone(),
        address: None,
        operands: 0,
        generalised: false,
        width: exported.width.bits(),
    }
}

fn inner_loop(point: &LoopPoint) -> Point {
    let generalised = point.core_dimensions > 0;
    Point {
        site: 0,
        kind: CallKind::Loop,
        name: point.name(),
        symbol: point.symbol.clone(),
        module: point.path.clone(),
        address: Some(point.address),
        operands: if generalised { point.core_dimensions as u32 } else { point.operands as u32 },
        generalised,
        width: 64,
    }
}

fn calls(points: &[Point], traced: &Traced) -> Vec<LiveCall> {
    let everything = RoundKey::from_number(0);
    let mut calls: Vec<LiveCall> = Vec::new();
    for pattern in traced.patterns(everything) {
        let (kind, name, symbol, module, sizes) = match pattern.called {
            Called::Backend(backend) => (CallKind::Backend, "raptors scale".to_owned(), Some(backend.clone()), None, 0),
            Called::Site(number) => {
                let Some(point) = points.iter().find(|point| point.site == *number) else {
                    continue;
                };
                let sizes = match point.kind {
                    CallKind::Loop => point.operands.min(3) as usize,
                    _ => shape_size(&point.name).saturating_sub(1),
                };
                let module: PathBuf = point.module.clone();
                let module = Some(module.display().to_string());
                (point.kind, point.name.clone(), point.symbol.clone(), module, sizes)
            }
        };
        calls.push(LiveCall {
            kind,
            name,
            symbol,
            module,
            calls: pattern.calls(),
            strides: pattern.rest.iter().take(sizes).copied().collect(),
            total_ns: traced.total_ns(everything, pattern.called),
            n: pattern.n,
        });
    }
    calls.sort_by(|a, b| (b.total_ns, b.calls, &a.name).cmp(&(a.total_ns, a.calls, &b.name)));
    calls
}

/// How many sizes a routine has.
fn shape_size(routine: &str) -> usize {
    raptors_routines::find(routine).map_or(0, |routine| {
        let shape = routine.shape();
        [shape.m, shape.n, shape.k].iter().flatten().count()
    })
}
