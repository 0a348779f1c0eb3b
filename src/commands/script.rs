//! `raptors-trace script`: its arguments, and the printed script.

use std::path::PathBuf;

use super::command::{self, Invocation, conflict};
use super::output::Output;
use crate::model::error::Error;
use crate::tracers::scripts::{self, Name};

/// Print a D or bpftrace script, filled in for an interpreter or a process
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The script: trace_accelerate_calls, compare_call_patterns, scale_phases, page_faults, alloc or profile_stacks,
    /// with .d for DTrace or .bt for bpftrace [default: .d on macOS, .bt elsewhere]
    #[arg(value_name = "NAME")]
    name: Name,
    /// Fill in a running process: its loaded files and the loops of its NumPy; give it twice to compare two processes
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(conflicts_with_all = ["python", "generic"])]
    pid: Vec<u32>,
    /// Fill in an interpreter [default: RAPTORS_TRACE_PYTHON, the active environment, .venv, python3]
    #[arg(long, value_name = "PATH", conflicts_with = "generic")]
    python: Option<PathBuf>,
    /// Print the script for any process, without filling it in
    #[arg(long)]
    generic: bool,
    /// Routines to watch instead of the usual ones, separated by commas: cblas_sgemm,dgesv,vDSP_vsmul
    #[arg(long, value_name = "ROUTINES", value_delimiter = ',')]
    routine: Vec<String>,
    /// Ufuncs whose loops to watch, for all types, instead of the usual ones, separated by commas; `all` watches every
    /// loop
    #[arg(long, value_name = "UFUNCS", value_delimiter = ',')]
    ufunc: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl command::Arguments for Arguments {
    type Task = (scripts::Options, Output);

    fn check(self, invocation: &Invocation) -> Result<Self::Task, clap::Error> {
        let compares = self.name.script == scripts::Script::CompareCallPatterns;
        if self.pid.len() > if compares { 2 } else { 1 } {
            return conflict(
                "only compare_call_patterns shows two processes side by side; give one --pid for every other script",
            );
        }
        let options = scripts::Options {
            name: self.name,
            generic: self.generic,
            processes: self.pid,
            python: self.python,
            routines: self.routine,
            ufuncs: self.ufunc,
            host: invocation.host.clone(),
        };
        Ok((options, self.output))
    }
}

impl command::Task for (scripts::Options, Output) {
    fn run(&self) -> Result<(), Error> {
        let (options, output) = self;
        let made = scripts::make(options)?;
        if !output.json && !output.quiet {
            for left in &made.left_out {
                let note = crate::model::text::escape(&format!("{}: {}", left.what, left.why));
                anstream::eprintln!("note: left out: {note}");
            }
        }
        output.print(&made, |_| made.text.clone())
    }
}
