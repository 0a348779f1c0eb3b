//! `raptors-trace doctor`: its arguments, and its result printed.

use std::path::PathBuf;

use super::options::{OutputOptions, Part};
use super::{Host, print, print_json, terminal, text_options};
use crate::model::error::Error;
use crate::run::doctor;

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only remove what a killed DTrace left in the kernel; needs root, and leaves running ones alone
    #[arg(long)]
    clean: bool,
    /// The Python to examine [default: RAPTORS_TRACE_PYTHON, the active environment, .venv, python3]
    #[arg(long, value_name = "PATH", conflicts_with = "clean")]
    python: Option<PathBuf>,
}

impl Args {
    /// Validates.
    ///
    /// # Errors
    /// What makes no sense together.
    pub fn into_options(self, host: Host) -> Result<doctor::Options, clap::Error> {
        Ok(doctor::Options { clean: self.clean, python: self.python, host })
    }
}

/// Does it and prints what came of it. What does not work on this machine is no failure of the command.
///
/// # Errors
/// When something that was to be removed could not be.
pub fn execute(options: &doctor::Options, output: &OutputOptions) -> Result<(), Error> {
    let report =
        if options.clean { doctor::clean()? } else { doctor::examine(options, &mut terminal::Bar::new(output.quiet)) };
    if output.json {
        return print_json(&report);
    }
    print(&crate::views::doctor::text(&report, &text_options(Part::All, output)))
}
