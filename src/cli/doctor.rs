//! `raptors-trace doctor`: its arguments, and its result printed.

use super::Host;
use super::options::OutputOptions;
use crate::doctor;
use crate::error::Error;

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove what a killed tracer left in the kernel
    #[arg(long)]
    clean: bool,
}

impl Args {
    /// Validates.
    ///
    /// # Errors
    /// What makes no sense together.
    pub fn into_options(self, host: Host) -> Result<doctor::Options, clap::Error> {
        Ok(doctor::Options {
            clean: self.clean,
            host,
        })
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// When something that was to be removed could not be.
pub fn execute(_options: &doctor::Options, _output: &OutputOptions) -> Result<(), Error> {
    todo!()
}
