//! The arguments that define a run: its two sides, its sizes and how it is made.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use raptors_kernel::MAX_THREADS;

use super::command::{Invocation, conflict};
use super::tools;
use crate::model::budget::{Budget, Seconds};
use crate::model::subject::{Dtype, Shape, Subject};
use crate::model::tool::Engines;
use crate::run::options::{CompareOptions, Source};

/// The sizes of a comparison, unless the arguments give some.
const SIZES: [&str; 3] = ["512", "1024", "2048"];
/// The default size of a flamegraph or an explanation: one is enough, the largest of the main comparison.
const ONE_SIZE: &str = SIZES[2];

/// The arguments below, none of which goes with a saved run or a running process.
pub const NEW_RUN: [&str; 16] = [
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

/// A new run.
#[derive(Debug, clap::Args)]
pub struct SubjectArguments {
    /// Sizes, separated by commas: n for n × n, or lengths such as 512x1024
    /// [default: 512,1024,2048; of explain and flamegraph 2048]
    #[arg(long, value_name = "SIZES", value_delimiter = ',', allow_negative_numbers = true)]
    pub size: Vec<Shape>,
    /// Element types, separated by commas [default: float32]
    #[arg(long, value_name = "DTYPES", value_delimiter = ',', value_enum)]
    dtype: Vec<Dtype>,
    /// Seconds of unobserved rounds per size, both sides together; more time gives narrower intervals
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub time: Option<Seconds>,
    /// Python that runs once per side before its statement. Provided are np, kernel, rng, shape, size and dtype; a name
    /// that the setup defines replaces the provided one
    #[arg(long, value_name = "PYTHON", value_parser = statement, requires_all = ["a", "b"])]
    pub setup: Option<String>,
    /// Statement of side A, the reference [default: a * 2.5]
    #[arg(long, value_name = "PYTHON", value_parser = statement, allow_hyphen_values = true)]
    a: Option<String>,
    /// Statement of side B [default: r.scale(2.5)]
    #[arg(long, value_name = "PYTHON", value_parser = statement, allow_hyphen_values = true)]
    b: Option<String>,
    /// The name of side A in tables
    #[arg(long, value_name = "NAME", value_parser = name)]
    name_a: Option<String>,
    /// The name of side B in tables
    #[arg(long, value_name = "NAME", value_parser = name)]
    name_b: Option<String>,
    /// The statements write into their operand. Provides `s`, unless the setup defines it: it alternates between 2.0
    /// and 0.5 so that values stay in range
    #[arg(long)]
    in_place: bool,
    /// Compare even if the two sides compute different values (values that cannot be compared are warned of)
    #[arg(long)]
    allow_different: bool,
    /// The number of threads that the Raptors kernel may use (RAPTORS_THREADS)
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    threads: Option<NonZeroU32>,
    /// Keep the run in FILE, for `show`, `export`, `flamegraph` and --against
    #[arg(long, value_name = "FILE.rtrace")]
    save: Option<PathBuf>,
    /// Print the driver's PID and stop after imports and warm-up, to attach a tool; Enter, SIGUSR1 or --start-after
    /// continues
    #[arg(long)]
    wait: bool,
    /// With --wait: continue after this time
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    start_after: Option<Seconds>,
    /// Measure this machine's memory limit again (about 2 s) instead of using the cached one
    #[arg(long)]
    measure_limit: bool,
    /// The Python that runs both sides [default: RAPTORS_TRACE_PYTHON, the active environment, .venv, python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

impl SubjectArguments {
    /// The same run, of one size if the arguments give none.
    #[must_use]
    pub fn of_one_size(mut self) -> Self {
        if self.size.is_empty() && self.setup.is_none() {
            self.size.extend(ONE_SIZE.parse::<Shape>());
        }
        self
    }

    /// The options of the run.
    ///
    /// # Errors
    /// Arguments that contradict each other.
    pub fn check(self, invocation: &Invocation, verbose: bool) -> Result<CompareOptions, clap::Error> {
        let (shapes, dtypes) = sizes(self.setup.is_some(), self.size, self.dtype)?;
        let subject = Subject {
            setup: self.setup,
            a: self.a,
            b: self.b,
            name_a: self.name_a,
            name_b: self.name_b,
            in_place: self.in_place,
        };
        let [name_a, name_b] = subject.names();
        if name_a == name_b {
            return conflict(&format!(
                "both sides have the name `{name_a}`; give them different names with --name-a and --name-b"
            ));
        }
        Ok(CompareOptions {
            subject,
            shapes,
            dtypes,
            budget: Budget::compare(self.time),
            save: self.save,
            python: self.python,
            host: invocation.host.clone(),
            threads: self.threads,
            engines: Engines::default(),
            sampling: None,
            operation_only: false,
            wait: self.wait.then_some(self.start_after.map(Duration::from)),
            measure_limit: self.measure_limit,
            allow_different: self.allow_different,
            verbose,
            command: invocation.line.clone(),
        })
    }
}

/// The shapes and element types; none of either if the setup makes its own arrays.
fn sizes(has_setup: bool, shapes: Vec<Shape>, dtypes: Vec<Dtype>) -> Result<(Vec<Shape>, Vec<Dtype>), clap::Error> {
    match (has_setup && shapes.is_empty(), dtypes.is_empty()) {
        (true, true) => return Ok((shapes, dtypes)),
        (true, false) => {
            return conflict(
                "--dtype needs --size if --setup makes the arrays: without a size, the setup has no `dtype`",
            );
        }
        (false, _) => {}
    }
    let defaults = || SIZES.iter().filter_map(|size| size.parse().ok()).collect();
    let shapes = if shapes.is_empty() { defaults() } else { shapes };
    let dtypes = if dtypes.is_empty() { vec![Dtype::Float32] } else { dtypes };
    Ok((shapes, dtypes))
}

/// A saved run, beside the arguments of a new one.
#[derive(Debug, clap::Args)]
pub struct FileArguments {
    /// A saved run; without it, the command makes a new one
    #[arg(value_name = "FILE", conflicts_with_all = NEW_RUN, conflicts_with = "new_run")]
    file: Option<PathBuf>,
    /// Print the readable part of a damaged or truncated FILE
    #[arg(long, requires = "file")]
    lossy: bool,
}

impl FileArguments {
    /// The saved run, or the new one that `options` make.
    ///
    /// # Errors
    /// Those of `options`.
    pub fn or_run(self, options: impl FnOnce() -> Result<CompareOptions, clap::Error>) -> Result<Source, clap::Error> {
        Ok(match self.file {
            Some(path) => Source::File { path, lossy: self.lossy },
            None => Source::Run(Box::new(options()?)),
        })
    }
}

/// How the calls of a new run are observed.
#[derive(Debug, clap::Args)]
pub struct CallArguments {
    /// How calls are observed: in process, by a tracer from outside (as root), or by all of them for comparison
    /// [default: inprocess]
    #[arg(long, value_name = "ENGINE", value_parser = tools::engines(), group = "new_run")]
    pub engine: Option<Engines>,
}

fn threads(text: &str) -> Result<NonZeroU32, String> {
    let taken = |threads: &NonZeroU32| threads.get() as usize <= MAX_THREADS;
    let threads = text.parse().ok().filter(taken);
    threads.ok_or_else(|| format!("give a number of threads from 1 to {MAX_THREADS}"))
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

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;

    #[test]
    fn every_argument_of_a_new_run_is_listed() {
        let command = SubjectArguments::augment_args(clap::Command::new("run"));
        let ids: Vec<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
        assert_eq!(ids, NEW_RUN);
    }
}
