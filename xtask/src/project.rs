//! The paths of the project: the clone, its target directory and its virtual environment.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A clone of the project. Every path in it is absolute, so the commands work from any directory.
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The clone this command was built from.
    pub fn find() -> Project {
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf);
        Project { root }
    }

    /// A clone in another place, for tests.
    #[cfg(test)]
    pub fn at(root: &Path) -> Project {
        Project { root: root.to_owned() }
    }

    /// The directory of the root `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory, `CARGO_TARGET_DIR` respected.
    pub fn target(&self) -> PathBuf {
        match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => self.root.join(dir),
            None => self.root.join("target"),
        }
    }

    /// The virtual environment of the clone.
    pub fn venv(&self) -> PathBuf {
        self.root.join(".venv")
    }

    /// A program of the virtual environment, `python` for one.
    pub fn venv_program(&self, name: &str) -> PathBuf {
        self.venv().join("bin").join(name)
    }

    /// `program`, to be started in the root with the virtual environment's programs first on PATH.
    ///
    /// Every step gets the same environment: a build script that watches a variable (PyO3's does) would otherwise build
    /// its crate anew in each step.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("PATH", self.path()).env_remove("PYTHONPATH");
        let python = self.venv_program("python");
        if python.exists() {
            command.env("VIRTUAL_ENV", self.venv()).env("PYO3_PYTHON", &python).env("RAPTORS_TRACE_PYTHON", &python);
        }
        command
    }

    /// The Cargo that runs this command.
    pub fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// The virtual environment's Python.
    pub fn python(&self) -> Command {
        self.command(self.venv_program("python"))
    }

    fn path(&self) -> OsString {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let places = [self.venv().join("bin"), self.target().join("tools/bin")]
            .into_iter()
            .chain(env::split_paths(&inherited))
            // The tracers are here, and an ordinary user's PATH often lacks these directories.
            .chain(["/opt/dtrace/bin", "/usr/sbin", "/sbin"].map(PathBuf::from));
        // A directory with a colon in its name cannot be on PATH; then the rest has to be enough.
        env::join_paths(places).unwrap_or(inherited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_workspace() {
        let manifest = std::fs::read_to_string(Project::find().root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }
}
