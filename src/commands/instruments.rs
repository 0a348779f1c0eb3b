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
    type Task = (instruments::Options, Output);

    fn check(self, _: &Invocation) -> Result<Self::Task, clap::Error> {
        let Self { samples, signposts, output, printed } = self;
        Ok((instruments::Options { samples, signposts, output }, printed))
    }
}

impl command::Task for (instruments::Options, Output) {
    fn run(&self) -> Result<(), Error> {
        let (options, output) = self;
        let sides = instruments::read(options)?;
        output.print(&sides, |looks| views::instruments::text(&sides, looks))
    }
}
