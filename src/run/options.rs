//! What a run is asked to do, validated.

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
    /// What both sides run.
    pub subject: Subject,
    /// Shapes of the arrays, at least one unless the setup makes its own and no size was given: then none.
    pub shapes: Vec<Shape>,
    /// Element types; empty exactly where `shapes` is.
    pub dtypes: Vec<Dtype>,
    /// The time for each size.
    pub budget: Budget,
    /// Where to keep the run file; `None`: it is dropped after reading.
    pub save: Option<PathBuf>,
    /// The interpreter asked for with `--python`.
    pub python: Option<PathBuf>,
    /// What started the command.
    pub host: Host,
    /// `RAPTORS_THREADS` for the driver; `None`: as inherited.
    pub threads: Option<NonZeroU32>,
    /// How calls are seen.
    pub engines: Engines,
    /// Sample stacks as well, for flamegraphs.
    pub sampling: Option<Sampling>,
    /// Run the operation alone, its results dropped, and none of the other cases.
    pub operation_only: bool,
    /// Stop before the first round, for a tool to be attached; for how long at most.
    pub wait: Option<Option<Duration>>,
    /// Measure the machine's memory limit again, whatever the cache holds.
    pub measure_limit: bool,
    /// Compare even where the sides' values differ.
    pub allow_different: bool,
    /// Say more about what is done.
    pub verbose: bool,
    /// The command line, program name first.
    pub command: Vec<String>,
}

/// How stacks are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// By whom.
    pub engine: Engine,
    /// Samples for each second of CPU time that are asked for; the system's timer may give fewer.
    pub frequency: u32,
}

/// What is to be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A new run.
    Run(Box<CompareOptions>),
    /// A saved run file.
    File {
        /// Where it is.
        path: PathBuf,
        /// Whether what is damaged or missing in it is stepped over.
        lossy: bool,
    },
}
