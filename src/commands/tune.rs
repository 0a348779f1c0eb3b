//! `raptors-trace tune`: its arguments and its output.

use super::command::{self, Invocation};
use super::output::Output;
use crate::model::budget;
use crate::model::error::Error;
use crate::run::tune::{self, Action};
use crate::views;

/// Measure which kernel backend is fastest on this machine, and keep the result for later processes
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print the table in use and its origin, without measuring
    #[arg(long, conflicts_with_all = ["dry_run", "time", "largest"])]
    show: bool,
    /// Measure and print, but do not change the kept table
    #[arg(long)]
    dry_run: bool,
    /// Seconds for each type, place, number of threads and size
    #[arg(long, value_name = "SECONDS", default_value_t = budget::TUNE.0, value_parser = seconds)]
    time: f64,
    /// The largest measured result, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    largest: u32,
    #[command(flatten)]
    output: Output,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=60.0).contains(seconds));
    seconds.ok_or_else(|| "give a number of seconds from 0 to 60".into())
}

impl command::Arguments for Arguments {
    type Task = (tune::Options, Output);

    fn check(self, _: &Invocation) -> Result<Self::Task, clap::Error> {
        let action = match (self.show, self.dry_run) {
            (true, _) => Action::Show,
            (false, true) => Action::DryRun,
            (false, false) => Action::Keep,
        };
        let options = tune::Options { action, time: self.time, largest: (self.largest as usize) << 20 };
        Ok((options, self.output))
    }
}

impl command::Task for (tune::Options, Output) {
    fn run(&self) -> Result<(), Error> {
        let (options, output) = self;
        let tuned = tune::tune(options, &mut output.bar())?;
        output.print(&tuned, |looks| views::tune::text(&tuned, looks))
    }
}
