//! `raptors-trace imports`: its arguments, and its result printed.

use std::path::PathBuf;

use super::options::OutputOptions;
use super::{Host, print, print_json, text_options};
use crate::analysis::imports;
use crate::model::error::Error;
use crate::views::{self, Part};

/// What `imports` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Extensions, libraries, directories, wheels, or names of installed packages; several stand side by side
    #[arg(value_name = "FILE|PACKAGE|WHEEL", required = true)]
    subjects: Vec<PathBuf>,
    /// List every symbol as the file spells it, with its library (also -v)
    #[arg(long)]
    all: bool,
    /// The Python whose packages are meant [default: RAPTORS_TRACE_PYTHON, the active environment, .venv, python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

impl Args {
    /// Validates.
    ///
    /// # Errors
    /// What makes no sense together.
    pub fn into_options(self, host: Host, verbose: bool) -> Result<imports::Options, clap::Error> {
        Ok(imports::Options { subjects: self.subjects, all: self.all || verbose, python: self.python, host })
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// When a subject cannot be read.
pub fn execute(options: &imports::Options, output: &OutputOptions) -> Result<(), Error> {
    let read = imports::read(options)?;
    if output.json {
        return print_json(&read);
    }
    let looks = text_options(Part::All, output);
    print(&views::imports::text(&read, &looks, options.all))
}
