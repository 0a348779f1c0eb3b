//! The command `raptors-trace`: reads its command line, has the work done, prints the result.
//!
//! [`main`] serves the plain binary and the console script of the Python package alike; it never ends the process.

mod against;
mod args;
mod attach;
mod doctor;
mod documents;
mod explain;
mod export;
mod flamegraph;
mod imports;
mod instruments;
mod live;
pub mod options;
mod outside;
mod script;
mod terminal;
mod tune;
#[cfg(test)]
mod workflow_tests;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::analysis;
use crate::analysis::against::{self as earlier, Baseline};
pub use crate::machine::interpreter::Host;
use crate::model::comparison::Comparison;
use crate::model::error::{Error, Exit};
use crate::run::{self, Outcome};
use crate::views::{self, TextOptions};
use options::{Documents, Job, OutputOptions, Part, Source, Task};

/// Set by whoever starts the command inside a Python: that interpreter's path.
const HOST_VARIABLE: &str = "RAPTORS_TRACE_HOST_PYTHON";

/// Runs a command line, program name first, and returns the exit code. The host's interpreter is taken from
/// `RAPTORS_TRACE_HOST_PYTHON`.
pub fn main(args: impl IntoIterator<Item = impl Into<OsString>>) -> i32 {
    let python = std::env::var_os(HOST_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    main_in(Host { python }, args)
}

/// [`main`] with a host that is known.
pub fn main_in(host: Host, args: impl IntoIterator<Item = impl Into<OsString>>) -> i32 {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let job = match args::parse(&args, host) {
        Ok(job) => job,
        Err(error) => {
            // Help into a closed pipe is nobody's failure.
            let _ = error.print();
            return error.exit_code();
        }
    };
    match execute(&job) {
        Ok(()) => Exit::Done as i32,
        Err(error) => {
            tell(&error);
            error.exit_code() as i32
        }
    }
}

fn execute(job: &Job) -> Result<(), Error> {
    match &job.task {
        Task::Compare { source, part, documents, against } => compare(source, *part, documents, against, &job.output),
        Task::Explain { options, documents } => explain::execute(options, documents, &job.output),
        Task::Flamegraph(options) => flamegraph::execute(options, &job.output),
        Task::Outside(options) => outside::execute(options, &job.output),
        Task::Export(options) => export::execute(options, &job.output),
        Task::Imports(options) => imports::execute(options, &job.output),
        Task::Script(options) => script::execute(options, &job.output),
        Task::Live(options) => live::execute(options, &job.output),
        Task::Attach(options) => attach::execute(options, &job.output),
        Task::Instruments(options) => instruments::execute(options, &job.output),
        Task::Doctor(options) => doctor::execute(options, &job.output),
        Task::Tune(options) => tune::execute(options, &job.output),
    }
}

fn compare(
    source: &Source,
    part: Part,
    documents: &Documents,
    against: &earlier::Options,
    output: &OutputOptions,
) -> Result<(), Error> {
    // Before minutes of measuring, and before --save may replace it.
    documents::check(documents)?;
    let baseline = against.file.as_deref().map(Baseline::read).transpose()?;
    let mut outcome = match source {
        Source::File { path, lossy } => {
            let (comparison, timings, samples) = if documents.html.is_some() {
                analysis::read_whole(path, *lossy)?
            } else {
                let (comparison, timings) = analysis::read_timed(path, *lossy)?;
                (comparison, timings, Vec::new())
            };
            Outcome { comparison, timings, samples, failure: None }
        }
        Source::Run(options) => run::compare(options, &mut terminal::Bar::new(output.quiet))?,
    };
    earlier::add(&mut outcome.comparison, &outcome.timings, baseline.as_ref(), against.fail_below);
    if output.json {
        print_json(&outcome.comparison)?;
    } else {
        print(&views::text(&outcome.comparison, &text_options(part, output)))?;
    }
    let written = documents::write(documents, &outcome.comparison, &outcome.samples);
    let judged = judge(&outcome.comparison).and_then(|()| earlier::judge(&outcome.comparison));
    end(judged, worse(written, outcome.failure))
}

/// Of two failures the first; the other is told.
fn worse(first: Result<(), Error>, second: Option<Error>) -> Option<Error> {
    match (first.err(), second) {
        (Some(first), Some(second)) => {
            tell(&second);
            Some(first)
        }
        (first, second) => first.or(second),
    }
}

/// The exit code says the worse of what the result is worth and how the run ended; the other is told.
fn end(judged: Result<(), Error>, failure: Option<Error>) -> Result<(), Error> {
    match (judged, failure) {
        (Err(unproved), Some(failure)) => {
            tell(&failure);
            Err(unproved)
        }
        (judged, failure) => failure.map_or(judged, Err),
    }
}

/// Where standard error is closed, the exit code still says it.
fn tell(error: &Error) {
    let _ = std::io::stderr().write_all(error.report().as_bytes());
}

/// How a text is to look on this terminal.
fn text_options(part: Part, output: &OutputOptions) -> TextOptions {
    TextOptions {
        width: terminal::width(),
        color: !output.no_color && terminal::color(),
        unicode: terminal::unicode(),
        part,
    }
}

/// Prints a result as JSON.
fn print_json(result: &impl serde::Serialize) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(result)
        .map_err(|error| Error::new("the result cannot be written as JSON").caused_by(error))?;
    print(&(json + "\n"))
}

/// Prints to standard output. A reader that went away has seen enough.
fn print(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new("the result cannot be written to standard output").caused_by(error))
        }
        _ => Ok(()),
    }
}

/// What the exit code has to say of a comparison that was shown.
fn judge(comparison: &Comparison) -> Result<(), Error> {
    if let Some(control) = comparison.controls.iter().find(|control| !control.ok) {
        let sentence =
            format!("the {} observers did not see `{}`, so no count of theirs is proved", control.engine, control.name);
        return Err(Error::new(sentence)
            .help("report it with the header above: this NumPy calls its BLAS in a way that is not observed yet")
            .exit(Exit::NothingObserved));
    }
    let differing = comparison.engines.iter().find(|engine| !engine.differences.is_empty());
    if let Some(engine) = differing {
        let sentence = format!(
            "{} and the observers in process count different calls: {}",
            engine.cost.engine, engine.differences[0]
        );
        return Err(Error::new(sentence).help(
            "trust neither count; statements that call differently from round to round do this, else report it",
        ));
    }
    if comparison.lost_records > 0 {
        let sentence = "not every call could be recorded, so phases and calls are too low";
        return Err(
            Error::new(sentence).help("free some space or --save to another disk; or give less --time or fewer sizes")
        );
    }
    Ok(())
}
