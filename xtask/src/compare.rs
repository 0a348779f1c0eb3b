//! `cargo xtask compare`: NumPy against Raptors from a fresh clone, in one command.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::environment;
use crate::project::Project;
use crate::session::Session;
use crate::wheel;

/// The options of `cargo xtask compare`.
#[derive(Args)]
pub struct Options {
    /// Show the output of every step of the set-up; must come first
    #[arg(long, short)]
    verbose: bool,
    /// Passed to `raptors-trace compare`, for example --size 2048 or --json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

/// Sets the environment up, builds the extension and runs the comparison in the caller's
/// directory. The exit code is the comparison's own.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let mut session = Session::new(project, options.verbose);
    environment::prepare(&mut session, environment::RUN)?;
    wheel::install(&mut session, wheel::Build::Release)?;
    session.say("running .venv/bin/raptors-trace compare");
    let program = project.venv_program("raptors-trace");
    let status = project
        .command(&program)
        .current_dir(std::env::current_dir()?)
        .arg("compare")
        .args(&options.args)
        .status()
        .with_context(|| format!("cannot start {program:?}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
