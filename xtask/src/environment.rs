//! The virtual environment `.venv`: made once, filled with the pinned packages and the extension of the working tree.

use std::fs;

use anyhow::{Context, Result};

use crate::interpreter::{self, Interpreter};
use crate::project::Project;
use crate::session::Session;

/// The requirements of a build and a run.
pub const RUN: &[&str] = &["requirements.txt"];
/// The same plus those of the checks; the second file includes the first.
pub const DEVELOP: &[&str] = &["requirements.txt", "requirements-dev.txt"];

/// Makes `.venv` unless a good one exists, and installs `files` if they changed.
pub fn prepare(session: &mut Session<'_>, files: &[&str]) -> Result<()> {
    let (python, named) = interpreter::find()?;
    if let Some(why) = fault(session.project, &python, named) {
        session.say(format_args!("making .venv with {python}{why}"));
        let venv = session.project.venv();
        let mut command = session.project.command(&python.path);
        session
            .run(command.args(["-m", "venv", "--clear"]).arg(&venv))
            .context("the virtual environment .venv could not be made")?;
    }
    install_requirements(session, files)
}

/// The reason that the virtual environment has to be made (again), as the end of a sentence.
fn fault(project: &Project, wanted: &Interpreter, named: bool) -> Option<&'static str> {
    let python = project.venv_program("python");
    if !project.venv().exists() {
        return Some("");
    }
    match Interpreter::ask(&python.into()) {
        Err(_) => Some(", as the Python of the present one does not run"),
        Ok(found) if found.check().is_err() => Some(", as the Python of the present one is too old"),
        Ok(found) if named && found.path != wanted.path => Some(", as another one was named"),
        Ok(_) => None,
    }
}

fn install_requirements(session: &mut Session<'_>, files: &[&str]) -> Result<()> {
    let project = session.project;
    let last = files.last().context("no requirements file")?;
    // The text itself is the stamp: no hash can collide, and a diff shows the change.
    let stamp = project.venv().join(format!("installed-{last}"));
    let mut wanted = String::new();
    for file in files {
        let path = project.root().join(file);
        wanted += &fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
    }
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    session.say(format_args!("installing the packages of {last} into .venv"));
    let mut pip = project.python();
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "-r", last]);
    session.run(&mut pip).with_context(|| format!("the packages of {last} could not be installed"))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {stamp:?}"))
}
