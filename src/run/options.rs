//! The validated options of a run.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::machine::interpreter::Host;
use crate::model::budget::Budget;
use crate::model::subject::{Dtype, Shape, Subject};
use crate::model::tool::{Engine, Engines};

/// A comparison to run.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareOptions {
    /// The subject of both sides.
    pub subject: Subject,
    /// Shapes of the arrays, at least one; none if the setup makes its own arrays and no size was given.
    pub shapes: Vec<Shape>,
    /// Element types; empty exactly if `shapes` is.
    pub dtypes: Vec<Dtype>,
    /// The time for each size.
    pub budget: Budget,
    /// The destination of the run file; `None`: it is deleted after reading.
    pub save: Option<PathBuf>,
    /// The interpreter from `--python`.
    pub python: Option<PathBuf>,
    /// The program that started the command.
    pub host: Host,
    /// `RAPTORS_THREADS` for the driver; `None`: as inherited.
    pub threads: Option<NonZeroU32>,
    /// The engines that observe calls.
    pub engines: Engines,
    /// Sample stacks as well, for flamegraphs.
    pub sampling: Option<Sampling>,
    /// Run only the operation with dropped results, and none of the other cases.
    pub operation_only: bool,
    /// Stop before the first round, for a tool to be attached; with the longest wait.
    pub wait: Option<Option<Duration>>,
    /// Measure the machine's memory limit again, even if it is cached.
    pub measure_limit: bool,
    /// Compare even if the sides' values differ.
    pub allow_different: bool,
    /// Print more about the work in progress.
    pub verbose: bool,
    /// The command line, program name first.
    pub command: Vec<String>,
}

/// The sampling of stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// The sampler.
    pub engine: Engine,
    /// The requested samples for each second of CPU time; the system's timer may give fewer.
    pub frequency: u32,
}

/// The source of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A new run.
    Run(Box<CompareOptions>),
    /// A saved run file.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether damaged or missing parts are skipped.
        lossy: bool,
    },
}
