//! The wheel: built from the working tree, and installed where nothing of the project is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::plan::Plan;
use super::step::{Runs, Step};
use super::tier::Tier;
use crate::session::Session;
use crate::wheel::{self, Build};

/// The extension that the tests run.
pub const SETUP: &[Step] = &[Step {
    name: "extension",
    what: "the extension builds and installs into .venv; with --all the release wheel",
    runs: Runs::Always,
    after: &["venv"],
    beside: None,
    needs: &[],
    run: |session, plan| {
        let build = if plan.tier >= Tier::All { Build::Release } else { Build::Test };
        wheel::install(session, build)
    },
}];

/// The wheel as a user gets it.
pub const TESTS: &[Step] = &[Step {
    name: "wheel",
    what: "an empty environment elsewhere takes the wheel, and compare runs from it",
    runs: Runs::InAll,
    after: &["venv"],
    beside: None,
    needs: &[],
    run: install_elsewhere,
}];

fn install_elsewhere(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    let wheel = wheel::build(session, Build::Release)?;
    let elsewhere = tempfile::tempdir()?;
    let venv = elsewhere.path().join("venv");
    session.run(session.project.python().args(["-m", "venv"]).arg(&venv))?;
    install(session, &venv, &wheel)?;
    let output = compare(session, &venv, elsewhere.path())?;
    for side in ["numpy", "raptors"] {
        ensure!(output.contains(side), "compare did not mention {side}:\n{output}");
    }
    Ok(())
}

/// With the pinned NumPy, so that a new release of it cannot fail an old commit.
fn install(session: &mut Session<'_>, venv: &Path, wheel: &Path) -> Result<()> {
    let mut pip = outside(session, &venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--constraint"])
        .arg(session.project.root().join("requirements.txt"))
        .arg(wheel);
    session.run(&mut pip).context("the wheel could not be installed")?;
    Ok(())
}

fn compare(session: &mut Session<'_>, venv: &Path, cwd: &Path) -> Result<String> {
    let mut command = outside(session, &venv.join("bin/raptors-trace"));
    command.args(["compare", "--size", "64", "--time", "0.5", "--no-color"]).current_dir(cwd);
    session.run(&mut command).context("compare does not run from an installed wheel")
}

/// A program that knows nothing of the clone: no environment of ours is active for it.
fn outside(session: &Session<'_>, program: &PathBuf) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    for variable in ["VIRTUAL_ENV", "RAPTORS_TRACE_PYTHON", "PYTHON", "PYTHONPATH"] {
        command.env_remove(variable);
    }
    command.current_dir(session.project.target());
    command
}
