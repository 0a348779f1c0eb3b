//! `raptors-trace script`: its arguments, and the script printed.

use std::path::PathBuf;

use super::Host;
use super::options::OutputOptions;
use crate::model::error::Error;
use crate::tracers::scripts::{self, Name};

/// What `script` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the script: trace_accelerate_calls, compare_call_patterns, scale_phases, page_faults, alloc or
    /// profile_stacks; ending in .d for DTrace, in .bt for bpftrace [default: .d on macOS, .bt elsewhere]
    #[arg(value_name = "NAME")]
    name: Name,
    /// Fill it in for a running process: the files it has loaded, the loops of its NumPy; twice to compare two
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["python", "generic"])]
    pid: Vec<u32>,
    /// Fill it in for an interpreter [default: RAPTORS_TRACE_PYTHON, the active environment, .venv, python3]
    #[arg(long, value_name = "PATH", conflicts_with = "generic")]
    python: Option<PathBuf>,
    /// Do not fill it in: the script for any process, as it stands in dtrace/
    #[arg(long)]
    generic: bool,
    /// Routines to watch instead of the usual ones, several with commas: cblas_sgemm,dgesv,vDSP_vsmul
    #[arg(long, value_name = "ROUTINES", value_delimiter = ',')]
    routine: Vec<String>,
    /// Ufuncs whose loops to watch, of all types, instead of the usual ones, several with commas; `all`: every loop
    #[arg(long, value_name = "UFUNCS", value_delimiter = ',')]
    ufunc: Vec<String>,
}

impl Args {
    /// Validates.
    ///
    /// # Errors
    /// What makes no sense together.
    pub fn into_options(self, host: Host) -> Result<scripts::Options, clap::Error> {
        let compares = self.name.script == scripts::Script::CompareCallPatterns;
        if self.pid.len() > if compares { 2 } else { 1 } {
            let what = "--pid twice is for compare_call_patterns, which shows two processes side by side; \
                        every other script watches one";
            return Err(clap::Error::raw(clap::error::ErrorKind::TooManyValues, format!("{what}\n")));
        }
        Ok(scripts::Options {
            name: self.name,
            generic: self.generic,
            processes: self.pid,
            python: self.python,
            routines: self.routine,
            ufuncs: self.ufunc,
            host,
        })
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// When the script is not known, or the interpreter cannot be asked.
pub fn execute(options: &scripts::Options, output: &OutputOptions) -> Result<(), Error> {
    let made = scripts::make(options)?;
    if output.json {
        return super::print_json(&made);
    }
    if !output.quiet {
        for left in &made.left_out {
            let note = crate::model::text::escape(&format!("{}: {}", left.what, left.why));
            anstream::eprintln!("note: left out: {note}");
        }
    }
    super::print(&made.text)
}
