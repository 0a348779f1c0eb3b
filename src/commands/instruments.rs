//! `raptors-trace instruments`: its arguments, and its result printed.

use std::path::PathBuf;

use super::options::OutputOptions;
use super::{print, print_json, text_options};
use crate::model::error::Error;
use crate::tracers::instruments;
use crate::views::{self, Part};

/// What `instruments` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The table `time-profile`, as `xcrun xctrace export` wrote it
    #[arg(value_name = "SAMPLES.xml")]
    samples: PathBuf,
    /// The table `os-signpost-interval` of the same recording
    #[arg(value_name = "SIGNPOSTS.xml")]
    signposts: PathBuf,
    /// What the folded stacks of the sides are called, before .a.folded and .b.folded [default: SAMPLES.xml]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    /// The options.
    pub fn into_options(self) -> instruments::Options {
        instruments::Options { samples: self.samples, signposts: self.signposts, output: self.output }
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// Those of [`instruments::read`].
pub fn execute(options: &instruments::Options, output: &OutputOptions) -> Result<(), Error> {
    let sides = instruments::read(options)?;
    if output.json {
        return print_json(&sides);
    }
    let looks = text_options(Part::All, output);
    print(&views::instruments::text(&sides, &looks))
}
