//! The wheel: built from the working tree, and installed where nothing of the project is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::step::Step;
use crate::environment;
use crate::session::Session;

/// The extension that the tests run.
pub const SETUP: &[Step] = &[Step {
    name: "extension",
    what: "the wheel builds in release and installs into .venv",
    after: &["venv"],
    beside: None,
    needs: &[],
    run: |session| {
        let wheel = environment::build_wheel(session)?;
        environment::install_wheel(session, &wheel)
    },
}];

/// The wheel as a user gets it.
pub const TESTS: &[Step] = &[Step {
    name: "wheel",
    what: "an empty environment elsewhere takes the wheel, and compare runs from it",
    after: &["venv", "extension"],
    beside: None,
    needs: &[],
    run: install_elsewhere,
}];

fn install_elsewhere(session: &mut Session<'_>) -> Result<()> {
    let wheel = environment::wheel(session.project)?;
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
