//! `raptors-trace script`: its arguments, and the script printed.

use super::Host;
use super::options::OutputOptions;
use crate::error::Error;
use crate::scripts;

/// What `script` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the script
    #[arg(value_name = "NAME")]
    name: String,
}

impl Args {
    /// Validates.
    ///
    /// # Errors
    /// What makes no sense together.
    pub fn into_options(self, host: Host) -> Result<scripts::Options, clap::Error> {
        Ok(scripts::Options {
            name: self.name,
            host,
        })
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// When the script is not known, or the interpreter cannot be asked.
pub fn execute(_options: &scripts::Options, _output: &OutputOptions) -> Result<(), Error> {
    todo!()
}
