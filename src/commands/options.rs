//! What the command line asks for, validated. Nothing here touches the system.

use std::path::PathBuf;

pub use crate::model::sampled_by::SampledBy;
pub use crate::model::subject::{Dtype, Shape, Subject};
pub use crate::run::options::{CompareOptions, EngineChoice, Sampling, Source};
pub use crate::views::Part;

/// Who samples stacks, as the command line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StackEngine {
    /// A sampler in the process itself.
    Inprocess,
    /// perf (Linux).
    Perf,
    /// DTrace, with --pid.
    Dtrace,
    /// `sample` (macOS), with --pid.
    Sample,
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputOptions {
    /// As JSON instead of tables.
    pub json: bool,
    /// Never with colour.
    pub no_color: bool,
    /// No progress, no notes on standard error.
    pub quiet: bool,
}

/// Files with the whole result, besides what is printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// A page of HTML.
    pub html: Option<PathBuf>,
    /// Markdown.
    pub markdown: Option<PathBuf>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Show a comparison.
    Compare {
        /// Where it comes from.
        source: Source,
        /// Which part is shown.
        part: Part,
        /// What is written besides.
        documents: Documents,
        /// What it is held against.
        against: crate::analysis::against::Options,
    },
    /// Find out why one side is slower.
    Explain {
        /// Which sides, or which saved run.
        options: crate::explain::Options,
        /// What is written besides.
        documents: Documents,
    },
    /// Draw where time is spent.
    Flamegraph(super::flamegraph::Options),
    /// Draw a process, commands, or stacks that another tool wrote.
    Outside(crate::run::outside::Options),
    /// Write a saved run for other tools.
    Export(crate::views::export::Options),
    /// Tell what files can call.
    Imports(crate::analysis::imports::Options),
    /// Print a script.
    Script(crate::tracers::scripts::Options),
    /// Watch the calls of a process that runs.
    Live(crate::tracers::live::Options),
    /// Tell how to look into a process that runs.
    Attach(crate::tracers::attach::Options),
    /// Compare both sides by the samples of a recording.
    Instruments(crate::tracers::instruments::Options),
    /// Examine the machine.
    Doctor(crate::run::doctor::Options),
    /// Measure which backends are fastest.
    Tune(crate::run::tune::Options),
}

/// A whole, validated command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What is to be done.
    pub task: Task,
    /// How its result is printed.
    pub output: OutputOptions,
}
