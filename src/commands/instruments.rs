//! `raptors-trace instruments`: its arguments and its output.

use std::path::PathBuf;

use super::command::{self, Invocation};
use super::output::Output;
use crate::model::error::Error;
use crate::tracers::instruments;
use crate::views;

/// Compare both sides by the samples of a recording of Apple's Instruments, from its exported tables
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The table `time-profile`, exported by `xcrun xctrace export`
    #[arg(value_name = "SAMPLES.xml")]
    samples: PathBuf,
    /// The table `os-signpost-interval` of the same recording
    #[arg(value_name = "SIGNPOSTS.xml")]
    signposts: PathBuf,
    /// The name of the folded stacks, before .a.folded and .b.folded [default: SAMPLES.xml]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    printed: Output,
}

impl command::Arguments for Arguments {
    type Task = Task;

    fn check(self, _: &Invocation) -> Result<Task, clap::Error> {
        let Self { samples, signposts, output, printed } = self;
        Ok(Task { options: instruments::Options { samples, signposts, output }, printed })
    }
}

/// A recording to read.
#[derive(Debug)]
pub struct Task {
    options: instruments::Options,
    printed: Output,
}

impl command::Task for Task {
    fn run(&self) -> Result<(), Error> {
        let sides = instruments::read(&self.options)?;
        self.printed.print(&sides, |looks| views::instruments::text(&sides, looks))
    }
}
