//! The virtual environment `.venv`: made once, filled with the pinned packages and the extension of the working tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

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

/// Builds the wheel from the working tree, as `pip install .` does, and returns its path.
///
/// The build uses `target` and the pinned maturin of `.venv`, so the second one is quick.
pub fn build_wheel(session: &mut Session<'_>) -> Result<PathBuf> {
    let project = session.project;
    let wheels = project.target().join("wheels");
    remove_wheels(&wheels)?;
    let mut pip = project.python();
    pip.args(["-m", "pip", "wheel", "--no-deps", "--no-build-isolation"])
        .args(["--disable-pip-version-check", "--wheel-dir"])
        .arg(&wheels)
        .arg(".")
        .env("MATURIN_PEP517_ARGS", "--locked");
    session.run(&mut pip).context("the extension could not be built")?;
    wheel(project)
}

/// The wheel from [`build_wheel`].
pub fn wheel(project: &Project) -> Result<PathBuf> {
    let wheels = project.target().join("wheels");
    match find_wheels(&wheels)?.as_slice() {
        [wheel] => Ok(wheel.clone()),
        found => bail!("there are {} wheels in {wheels:?} instead of one", found.len()),
    }
}

/// Installs `wheel` into `.venv` in place of the present one.
pub fn install_wheel(session: &mut Session<'_>, wheel: &Path) -> Result<()> {
    let mut pip = session.project.python();
    pip.args(["-m", "pip", "install", "--no-deps", "--force-reinstall"]).arg("--disable-pip-version-check").arg(wheel);
    session.run(&mut pip).context("the extension could not be installed into .venv")?;
    Ok(())
}

fn find_wheels(dir: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(Vec::new());
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == "whl")).collect())
}

fn remove_wheels(dir: &Path) -> Result<()> {
    for wheel in find_wheels(dir)? {
        fs::remove_file(&wheel).with_context(|| format!("cannot remove {wheel:?}"))?;
    }
    Ok(())
}
