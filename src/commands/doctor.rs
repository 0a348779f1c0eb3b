//! `raptors-trace doctor`: its arguments and its output.

use std::path::PathBuf;

use super::command::{self, Invocation};
use super::output::Output;
use crate::model::error::Error;
use crate::run::doctor;
use crate::views;

/// Check what works on this machine and how to fix what doesn't
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only remove the probes that a killed DTrace left in the kernel; needs root, and leaves those of running ones
    /// alone
    #[arg(long)]
    clean: bool,
    /// The Python to check [default: RAPTORS_TRACE_PYTHON, the active environment, .venv, python3]
    #[arg(long, value_name = "PATH", conflicts_with = "clean")]
    python: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl command::Arguments for Arguments {
    type Task = (doctor::Options, Output);

    fn check(self, invocation: &Invocation) -> Result<Self::Task, clap::Error> {
        let Self { clean, python, output } = self;
        Ok((doctor::Options { clean, python, host: invocation.host.clone() }, output))
    }
}

impl command::Task for (doctor::Options, Output) {
    fn run(&self) -> Result<(), Error> {
        let (options, output) = self;
        let report = if options.clean { doctor::clean()? } else { doctor::examine(options, &mut output.bar()) };
        output.print(&report, |looks| views::doctor::text(&report, looks))
    }
}
