//! `raptors-trace imports`: its arguments and its output.

use std::path::PathBuf;

use super::command::{self, Invocation};
use super::output::Output;
use crate::analysis::imports;
use crate::model::error::Error;
use crate::views;

/// List the BLAS, LAPACK, vDSP and vForce routines that extensions or wheels can call, without running them
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Extensions, libraries, directories, wheels, or names of installed packages; several are shown side by side
    #[arg(value_name = "FILE|PACKAGE|WHEEL", required = true)]
    subjects: Vec<PathBuf>,
    /// List every symbol in the file's spelling, with its library (also -v)
    #[arg(long)]
    all: bool,
    /// The Python that has the packages [default: RAPTORS_TRACE_PYTHON, the active environment, .venv, python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl command::Arguments for Arguments {
    type Task = (imports::Options, Output);

    fn check(self, invocation: &Invocation) -> Result<Self::Task, clap::Error> {
        let Self { subjects, all, python, output } = self;
        let host = invocation.host.clone();
        Ok((imports::Options { subjects, all: all || output.verbose, python, host }, output))
    }
}

impl command::Task for (imports::Options, Output) {
    fn run(&self) -> Result<(), Error> {
        let (options, output) = self;
        let read = imports::read(options)?;
        output.print(&read, |looks| views::imports::text(&read, looks, options.all))
    }
}
