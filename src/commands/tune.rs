//! `raptors-trace tune`: its arguments, and its result printed.

use super::options::{OutputOptions, Part};
use super::{print, print_json, terminal, text_options};
use crate::model::error::Error;
use crate::run::tune::{self, Action};
use crate::views;

/// What `tune` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the table in use and where it is from; nothing is measured
    #[arg(long, conflicts_with_all = ["dry_run", "time", "largest"])]
    show: bool,
    /// Measure and print, and leave the table that is kept as it is
    #[arg(long)]
    dry_run: bool,
    /// Seconds for each type, place, number of threads and size
    #[arg(long, value_name = "SECONDS", default_value_t = 0.3, value_parser = seconds)]
    time: f64,
    /// The largest result that is measured, MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    largest: u32,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=60.0).contains(seconds));
    seconds.ok_or_else(|| "0 to 60 seconds are taken".into())
}

impl Args {
    /// What they ask for.
    pub fn into_options(self) -> tune::Options {
        tune::Options {
            action: match (self.show, self.dry_run) {
                (true, _) => Action::Show,
                (false, true) => Action::DryRun,
                (false, false) => Action::Keep,
            },
            time: self.time,
            largest: (self.largest as usize) << 20,
        }
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// When it was ended, or the table cannot be kept.
pub fn execute(options: &tune::Options, output: &OutputOptions) -> Result<(), Error> {
    let tuned = tune::tune(options, &mut terminal::Bar::new(output.quiet))?;
    if output.json {
        return print_json(&tuned);
    }
    print(&views::tune::text(&tuned, &text_options(Part::All, output)))
}
