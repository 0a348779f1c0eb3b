//! `raptors-trace imports`: its arguments, and its result printed.

use std::path::PathBuf;

use super::options::OutputOptions;
use crate::error::Error;
use crate::imports;

/// What `imports` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Extensions, libraries, directories, wheels, or names of installed packages
    #[arg(value_name = "FILE|PACKAGE|WHEEL", required = true)]
    subjects: Vec<PathBuf>,
}

impl Args {
    /// Validates.
    ///
    /// # Errors
    /// What makes no sense together.
    pub fn into_options(self) -> Result<imports::Options, clap::Error> {
        Ok(imports::Options {
            subjects: self.subjects,
        })
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// When a subject cannot be read.
pub fn execute(_options: &imports::Options, _output: &OutputOptions) -> Result<(), Error> {
    todo!()
}
