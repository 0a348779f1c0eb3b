//! What concerns the whole system: the tools that tests drive, and the other operating system.

use anyhow::{Context, Result};

use super::plan::Plan;
use super::python::TRACERS;
use super::step::{Need, Runs, Step};
use crate::machine;
use crate::session::Session;
use crate::tools;

/// The tools, before anything that may need them.
pub const SETUP: &[Step] = &[Step {
    name: "tools",
    what: "bpftrace, DTrace, perf, valgrind, readelf, gcc, rustfmt and Clippy are there",
    runs: Runs::Always,
    after: &[],
    beside: None,
    needs: &[],
    run: |session, _| {
        rust_components(session)?;
        tools::install_system_tools(session)
    },
}];

/// The other operating system, as far as this one can tell.
pub const TESTS: &[Step] = &[Step {
    name: "macos",
    what: "the crates type-check for aarch64-apple-darwin",
    runs: Runs::InAll,
    after: &[],
    beside: Some(TRACERS),
    needs: &[Need::Linux, Need::DebianRoot],
    run: macos,
}];

/// A minimal toolchain lacks both.
fn rust_components(session: &mut Session<'_>) -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let mut asked = session.project.cargo();
        if session.run(asked.args([subcommand, "--version"])).is_ok() {
            continue;
        }
        session.say(format_args!("adding {component} to the Rust toolchain"));
        let mut rustup = session.project.command("rustup");
        session
            .run(rustup.args(["component", "add", component]))
            .with_context(|| format!("cargo {subcommand} is missing"))?;
    }
    Ok(())
}

fn macos(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    if machine::find_program("unshare").is_none() {
        tools::install_packages(session, &["util-linux"])?;
    }
    let project = session.project;
    let mut script = project.command(project.root().join("scripts/macos-check"));
    script.arg(project.root()).args(["--workspace", "--all-features"]);
    session.run(&mut script).map(drop)
}
