//! The command line as clap reads it, and its way to validated options. Nothing here touches the system.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use raptors_flamegraphs::Format;
use raptors_kernel::MAX_THREADS;

use super::Host;
use super::options::{
    CompareOptions, Documents, Dtype, EngineChoice, Job, OutputOptions, Part, Sampling, Shape, Source, StackEngine,
    Subject, Task,
};
use super::{against, attach, doctor, documents, export, imports, instruments, outside, script, tune};
use crate::run::outside::{Options as Outside, Subject as OutsideSubject};
use crate::tracers::engines::Tracer;
use crate::tracers::live;

/// Shows why one array library is slower than another: NumPy and Raptors side by side, call by call and phase by phase.
#[derive(Debug, Parser)]
#[command(name = "raptors-trace", version, max_term_width = 100, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare two sides: who wins, by how much, in which phase, through which calls
    ///
    /// Without options: NumPy's `a * 2.5` against Raptors' `scale`, float32, 512² 1024² 2048², the operation alone and
    /// the round trip. `--setup`, `--a` and `--b` take any two Python statements.
    Compare(CompareArgs),
    /// Show only where the time of one operation goes, from a new run or a saved one
    Phases(PartArgs<CallArgs>),
    /// Show only the calls of one operation, with all that is known of each, from a new run or a saved one
    Calls(CallsArgs),
    /// Find out why one side is slower: each possible cause is switched off, alone, and what that changes is its effect
    ///
    /// Without options: the main job at 2048². --time is the whole time for each size.
    Explain(ExplainArgs),
    /// Draw where the time of one operation goes: a flamegraph of each side and of their difference
    ///
    /// Without a FILE a new run is made, in which both sides are sampled: of float32 2048² unless told otherwise, in
    /// process unless perf is to add what the kernel does for them. --pid samples a process that runs, `-- COMMAND` a
    /// command to its end, `-- COMMAND -- COMMAND` both and their difference, all by perf; FILE may also be folded
    /// stacks or the text of perf script. Weights are time per operation; frames are grouped by what they are there
    /// for.
    Flamegraph(FlamegraphArgs),
    /// Show a saved run
    Show(ShowArgs),
    /// Write a saved run for other tools: its recorded calls, its samples, or a time line
    Export(export::Args),
    /// Tell which BLAS, LAPACK, vDSP and vForce routines files can call at all, without running them
    Imports(With<imports::Args>),
    /// Print a D or bpftrace script, filled in for an interpreter and its libraries
    Script(With<script::Args>),
    /// Look into a process that runs already: the commands for bpftrace, DTrace, perf and Instruments, or one of them
    /// run
    ///
    /// perf and Instruments can start a command as well: attach --with perf -- COMMAND.
    Attach(With<attach::Args>),
    /// Compare both sides by the samples of a recording of Apple's Instruments, from its exported tables
    Instruments(With<instruments::Args>),
    /// Tell what works on this machine, what does not and why, and the command that fixes it
    Doctor(With<doctor::Args>),
    /// Measure which of the kernel's backends is fastest here, and have every later process use it
    Tune(With<tune::Args>),
}

/// A command's own arguments and those about its output.
#[derive(Debug, Args)]
struct With<T: Args> {
    #[command(flatten)]
    own: T,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct CompareArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    calls: CallArgs,
    #[command(flatten)]
    documents: documents::Args,
    #[command(flatten)]
    against: against::Args,
    #[command(flatten)]
    output: OutputArgs,
}

/// `E` has the `--engine` of what is shown: calls, or stacks.
#[derive(Debug, Args)]
struct PartArgs<E: Args> {
    /// A saved run; without it, a new one is made
    #[arg(value_name = "FILE", conflicts_with_all = ["subject", "engine"])]
    file: Option<PathBuf>,
    /// Show what a damaged or truncated FILE still holds
    #[arg(long, requires = "file")]
    lossy: bool,
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    engine: E,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct CallsArgs {
    /// Watch a process that runs already, whatever it is, with bpftrace or DTrace (as root)
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = NOT_WITH_PID)]
    pid: Option<u32>,
    /// With --pid: how long it is watched
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "pid", default_value = "10")]
    duration: Duration,
    #[command(flatten)]
    part: PartArgs<CallArgs>,
}

/// The size of a flamegraph or an explanation where none was given: one is enough, of the size that the main job is
/// about.
const ONE_SIZE: &str = "2048";

/// What says what a new run is, which a process that runs already says itself.
const NOT_WITH_PID: [&str; 18] = [
    "file",
    "lossy",
    "size",
    "dtype",
    "time",
    "setup",
    "a",
    "b",
    "name_a",
    "name_b",
    "in_place",
    "allow_different",
    "threads",
    "save",
    "wait",
    "start_after",
    "measure_limit",
    "python",
];

#[derive(Debug, Args)]
struct FlamegraphArgs {
    /// Where the pictures go; made where it is not there
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Write the samples for other tools as well, several with commas: folded, pprof, speedscope, firefox, chrome
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    format: Vec<Format>,
    /// Samples for each second of CPU time; the system's timer may give fewer
    #[arg(long, value_name = "HZ", default_value = "997", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    frequency: u32,
    /// How long each size is sampled, both sides together
    #[arg(long, value_name = "SECONDS", default_value = "12", value_parser = seconds)]
    sample_time: Duration,
    /// Sample a process that runs already, whatever it is, with perf (mostly as root) or DTrace (as root)
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = NOT_WITH_PID)]
    pid: Option<u32>,
    #[command(flatten)]
    part: PartArgs<StackArgs>,
    /// Instead of two statements: a command, or two with `--` between them
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "pid", conflicts_with_all = NOT_WITH_PID)]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
struct ExplainArgs {
    /// A saved run of explain; without it, a new one is made
    #[arg(value_name = "FILE", conflicts_with_all = ["subject", "seed"])]
    file: Option<PathBuf>,
    /// Show what a damaged or truncated FILE still holds
    #[arg(long, requires = "file")]
    lossy: bool,
    /// The main job at 512², 1024² and 2048², the sizes that the project began with, and its three hypotheses
    #[arg(long, conflicts_with_all = ["size", "dtype", "setup", "a", "b", "in_place"])]
    seed: bool,
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    documents: documents::Args,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The run file that `--save` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show what a damaged or truncated FILE still holds
    #[arg(long)]
    lossy: bool,
    #[command(flatten)]
    documents: documents::Args,
    #[command(flatten)]
    against: against::Args,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[group(id = "subject", multiple = true)]
struct SubjectArgs {
    /// Sizes: n for n × n, or lengths as in 512x1024; several with commas [default: 512,1024,2048]
    #[arg(long, value_name = "SIZES", value_delimiter = ',', allow_negative_numbers = true)]
    size: Vec<Shape>,
    /// Element types, several with commas [default: float32]
    #[arg(long, value_name = "DTYPES", value_delimiter = ',', value_enum)]
    dtype: Vec<Dtype>,
    /// Unobserved seconds per size, both sides together
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    time: Option<Duration>,
    /// Python run once per side before its statement; knows np, kernel, rng, shape, size and dtype
    #[arg(long, value_name = "PYTHON", value_parser = statement, requires_all = ["a", "b"])]
    setup: Option<String>,
    /// Statement of side A, the reference [default: a * 2.5]
    #[arg(long, value_name = "PYTHON", value_parser = statement, allow_hyphen_values = true)]
    a: Option<String>,
    /// Statement of side B [default: r.scale(2.5)]
    #[arg(long, value_name = "PYTHON", value_parser = statement, allow_hyphen_values = true)]
    b: Option<String>,
    /// What side A is called
    #[arg(long, value_name = "NAME", value_parser = name)]
    name_a: Option<String>,
    /// What side B is called
    #[arg(long, value_name = "NAME", value_parser = name)]
    name_b: Option<String>,
    /// The statements write into their operand; `s` alternates 2.0 and 0.5
    #[arg(long)]
    in_place: bool,
    /// Compare even where the two sides give different values
    #[arg(long)]
    allow_different: bool,
    /// Threads the Raptors kernel may use (RAPTORS_THREADS); 1 means one
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    threads: Option<NonZeroU32>,
    /// Keep the run, to `show` it later
    #[arg(long, value_name = "FILE.rtrace")]
    save: Option<PathBuf>,
    /// Print the driver's PID and stop after imports and warm-up, until Enter, SIGUSR1 or --start-after
    #[arg(long)]
    wait: bool,
    /// With --wait: start after so many seconds by itself
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "wait")]
    start_after: Option<Duration>,
    /// Measure this machine's memory limit again (about 2 s) instead of taking the cached one
    #[arg(long)]
    measure_limit: bool,
    /// The Python that runs both sides [default: RAPTORS_TRACE_PYTHON, the active environment, .venv, python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CallArgs {
    /// How calls are seen: in process, by a tracer from outside (as root), or by all there are, beside each other
    /// [default: inprocess]
    #[arg(long, value_name = "ENGINE", value_enum)]
    engine: Option<EngineChoice>,
}

#[derive(Debug, Args)]
struct StackArgs {
    /// How stacks are sampled: in process, by perf, which shows the kernel's own frames as well (mostly as root), or
    /// with
    /// --pid by DTrace (as root) or macOS's sample [default: inprocess; perf where nobody prepared what is sampled]
    #[arg(long, value_name = "ENGINE", value_enum)]
    engine: Option<StackEngine>,
}

#[derive(Debug, Default, Args)]
struct OutputArgs {
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
    /// Print without colour (also NO_COLOR=1, or where the output is no terminal)
    #[arg(long)]
    no_color: bool,
    /// Show no progress
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more about what is done
    #[arg(long, short)]
    verbose: bool,
}

pub fn seconds(text: &str) -> Result<Duration, String> {
    const DAY: f64 = 86_400.0;
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= DAY => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) => Err("give more than 0 seconds and at most a day (86400)".to_owned()),
        Err(_) => Err("give a number of seconds, as in 4 or 0.5".to_owned()),
    }
}

fn threads(text: &str) -> Result<NonZeroU32, String> {
    let taken = |threads: &NonZeroU32| threads.get() as usize <= MAX_THREADS;
    let threads = text.parse().ok().filter(taken);
    threads.ok_or_else(|| format!("give a number of threads, 1 to {MAX_THREADS}"))
}

fn statement(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty; give a Python statement".to_owned());
    }
    Ok(text.to_owned())
}

fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty; give a name".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// What makes no sense together, in one sentence.
pub fn conflict<T>(what: &str) -> Result<T, clap::Error> {
    Err(CommandLine::command().error(ErrorKind::ArgumentConflict, what))
}

/// Reads a command line, program name first.
///
/// # Errors
/// What clap finds wrong, and what only makes no sense together; also help and version, which clap treats as errors
/// that go to standard output.
pub fn parse(args: &[OsString], host: Host) -> Result<Job, clap::Error> {
    let line = CommandLine::try_parse_from(args)?;
    let command: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let run = |subject, verbose, engine: Option<EngineChoice>| -> Result<Source, clap::Error> {
        let options = CompareOptions {
            engines: engine.unwrap_or_default(),
            ..options(subject, verbose, host.clone(), command.clone())?
        };
        Ok(Source::Run(Box::new(options)))
    };
    let part_of = |args: PartArgs<CallArgs>, part| -> Result<_, clap::Error> {
        let lossy = args.lossy;
        let source = match args.file {
            Some(path) => Source::File { path, lossy },
            None => run(args.subject, args.output.verbose, args.engine.engine)?,
        };
        Ok((shown(source, part), args.output))
    };
    let (task, output) = match line.command {
        Command::Compare(args) => {
            let source = run(args.subject, args.output.verbose, args.calls.engine)?;
            let (documents, source) = args.documents.with(source)?;
            let task = Task::Compare { source, part: Part::All, documents, against: args.against.into() };
            (task, args.output)
        }
        Command::Explain(ExplainArgs { file, lossy, seed, mut subject, documents, output }) => {
            if subject.size.is_empty() && subject.setup.is_none() && !seed {
                subject.size.extend(ONE_SIZE.parse::<Shape>());
            }
            let time = subject.time;
            let source = match file {
                Some(path) => Source::File { path, lossy },
                None => run(subject, output.verbose, None)?,
            };
            let (documents, source) = documents.with(source)?;
            let options = crate::explain::Options { source, time };
            (Task::Explain { options, documents }, output)
        }
        Command::Phases(args) => part_of(args, Part::Phases)?,
        Command::Calls(args) => match args.pid {
            Some(pid) => {
                let options = live::Options { pid, duration: args.duration, tracer: tracer(args.part.engine.engine)? };
                (Task::Live(options), args.part.output)
            }
            None => part_of(args.part, Part::Calls)?,
        },
        Command::Flamegraph(args) if args.pid.is_some() || !args.command.is_empty() => {
            let engine = outside::engine(args.part.engine.engine, args.pid.is_some())?;
            let subject = match args.pid {
                Some(pid) => OutsideSubject::Process(pid, args.sample_time),
                None => OutsideSubject::Commands(outside::commands(&args.command)?),
            };
            let options = Outside {
                subject,
                engine,
                frequency: args.frequency,
                directory: args.output,
                formats: args.format,
                command,
                aside: args.part.output.json,
            };
            (Task::Outside(options), args.part.output)
        }
        Command::Flamegraph(args) => {
            let FlamegraphArgs { output, part, .. } = args;
            let mut subject = part.subject;
            if subject.size.is_empty() && subject.setup.is_none() {
                subject.size.extend(ONE_SIZE.parse::<Shape>());
            }
            let mut source = match part.file {
                Some(path) => Source::File { path, lossy: part.lossy },
                None => run(subject, part.output.verbose, None)?,
            };
            if let Source::Run(options) = &mut source {
                options.sampling = Some(Sampling {
                    engine: outside::in_rounds(part.engine.engine)?,
                    frequency: args.frequency,
                    time: args.sample_time,
                    alone: true,
                });
            }
            let options = super::flamegraph::Options {
                source,
                directory: output,
                formats: args.format,
                command: command.clone(),
            };
            (Task::Flamegraph(options), part.output)
        }
        Command::Show(ShowArgs { file: path, lossy, documents, against, output }) => {
            let task = Task::Compare {
                source: Source::File { path, lossy },
                part: Part::All,
                documents: documents.into_options()?,
                against: against.into(),
            };
            (task, output)
        }
        Command::Export(args) => {
            let quiet = args.quiet;
            let output = OutputArgs { quiet, ..OutputArgs::default() };
            (Task::Export(args.into_options()), output)
        }
        Command::Imports(args) => {
            let options = args.own.into_options(host, args.output.verbose)?;
            (Task::Imports(options), args.output)
        }
        Command::Script(args) => (Task::Script(args.own.into_options(host)?), args.output),
        Command::Attach(args) => (Task::Attach(args.own.into_options()?), args.output),
        Command::Instruments(args) => (Task::Instruments(args.own.into_options()), args.output),
        Command::Doctor(args) => (Task::Doctor(args.own.into_options(host)?), args.output),
        Command::Tune(args) => (Task::Tune(args.own.into_options()), args.output),
    };
    let output = OutputOptions { json: output.json, no_color: output.no_color, quiet: output.quiet };
    Ok(Job { task, output })
}

/// A part of a comparison by itself.
fn shown(source: Source, part: Part) -> Task {
    Task::Compare {
        source,
        part,
        documents: Documents::default(),
        against: crate::analysis::against::Options::default(),
    }
}

/// The tracer for a process that nobody prepared.
fn tracer(asked: Option<EngineChoice>) -> Result<Option<Tracer>, clap::Error> {
    match asked {
        None => Ok(None),
        Some(EngineChoice::Bpftrace) => Ok(Some(Tracer::Bpftrace)),
        Some(EngineChoice::Dtrace) => Ok(Some(Tracer::Dtrace)),
        Some(EngineChoice::Inprocess) => conflict(
            "--pid needs a tracer from outside, as nobody has prepared that process: --engine bpftrace or dtrace",
        ),
        Some(EngineChoice::All) => conflict("--pid takes one tracer at a time: --engine bpftrace or dtrace"),
    }
}

fn options(args: SubjectArgs, verbose: bool, host: Host, command: Vec<String>) -> Result<CompareOptions, clap::Error> {
    let own_arrays = args.setup.is_some() && args.size.is_empty();
    if own_arrays && !args.dtype.is_empty() {
        let what = "--dtype needs --size where --setup makes the arrays: without a size there is no `dtype` in it";
        return conflict(what);
    }
    let or = |given: bool, default: &[&str]| -> Vec<Shape> {
        if given || own_arrays { Vec::new() } else { default.iter().filter_map(|n| n.parse().ok()).collect() }
    };
    let default_shapes = or(!args.size.is_empty(), &["512", "1024", "2048"]);
    let shapes = if args.size.is_empty() { default_shapes } else { args.size };
    let dtypes = match (own_arrays, args.dtype.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => vec![Dtype::Float32],
        (false, false) => args.dtype,
    };
    let subject = Subject {
        setup: args.setup,
        a: args.a,
        b: args.b,
        name_a: args.name_a,
        name_b: args.name_b,
        in_place: args.in_place,
    };
    if subject.names()[0] == subject.names()[1] {
        let what = format!(
            "both sides would be called `{}`, and nobody could tell them apart; give them different names with --name-a \
             and --name-b",
            subject.names()[0]
        );
        return conflict(&what);
    }
    Ok(CompareOptions {
        subject,
        shapes,
        dtypes,
        time: args.time,
        save: args.save,
        python: args.python,
        host,
        threads: args.threads,
        engines: EngineChoice::default(),
        sampling: None,
        operation_only: false,
        wait: args.wait.then_some(args.start_after),
        measure_limit: args.measure_limit,
        allow_different: args.allow_different,
        verbose,
        command,
    })
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
