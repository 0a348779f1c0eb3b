//! `cargo xtask scripts`: writes the scripts under `dtrace/` anew.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::project::Project;
use crate::session::Session;

/// The options of `cargo xtask scripts`.
#[derive(Args)]
pub struct Options {
    /// Show Cargo's output
    #[arg(long, short)]
    verbose: bool,
}

/// Runs the test that compares the scripts with their generator in the mode that writes them, so that only one program
/// makes them.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let mut session = Session::new(project, options.verbose);
    session.say("writing dtrace/ from the catalogue, probes/provider.d and src/tracers/scripts/");
    let mut cargo = project.cargo();
    cargo
        .args(["test", "--locked", "-p", "raptors-trace", "--test", "integration"])
        .args(["--", "--exact", "scripts::the_committed_scripts_are_what_the_generator_makes"])
        .env("BLESS", "1");
    session.run(&mut cargo).context("the scripts were not written")?;
    Ok(ExitCode::SUCCESS)
}
