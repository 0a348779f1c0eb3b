//! A running process, as `/proc` shows it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use super::target::Module;
use crate::machine::platform::{self, Mapping};
use crate::model::error::Error;

/// The variables that decide which modules an interpreter loads, and which loops NumPy chooses.
const PASSED_ON: [&str; 7] = ["PYTHON", "VIRTUAL_ENV", "NPY_", "LD_LIBRARY_PATH", "CONDA_PREFIX", "PATH", "HOME"];

/// A running process.
pub struct Process {
    pid: u32,
    root: PathBuf,
    maps: Vec<Mapping>,
}

impl Process {
    /// Looks at a process.
    ///
    /// # Errors
    /// When it is not there, may not be looked at, or this system has no `/proc`.
    pub fn look_at(pid: u32) -> Result<Self, Error> {
        let root = PathBuf::from(format!("/proc/{pid}"));
        let maps = platform::mappings(pid).map_err(|error| {
            let help = match error.kind() {
                std::io::ErrorKind::PermissionDenied => "run the command as the process's user, or as root",
                std::io::ErrorKind::NotFound => "give the number of a process that is running",
                _ => "this system has no /proc: leave out --pid, and give it to the tracer when the script runs",
            };
            Error::new(format!("what process {pid} has loaded cannot be read")).caused_by(error).help(help)
        })?;
        Ok(Self { pid, root, maps })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The parts of files that are code.
    fn code(&self) -> impl Iterator<Item = &Mapping> {
        self.maps.iter().filter(|part| part.executable)
    }

    /// The files with code that it has loaded.
    ///
    /// # Errors
    /// When it has none: it is a kernel thread, or it ended.
    pub fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let there = self.code().filter(|part| !part.gone);
        let mut files: Vec<PathBuf> = there.map(|part| part.path.clone()).collect();
        files.sort();
        files.dedup();
        if files.is_empty() {
            return Err(Error::new(format!("process {} has no files loaded", self.pid))
                .help("give the number of a process that is running"));
        }
        Ok(files)
    }

    /// The files that it has loaded and that are not there any more.
    pub fn replaced(&self) -> Vec<String> {
        let gone = self.code().filter(|part| part.gone);
        let mut gone: Vec<String> = gone.map(|part| part.path.display().to_string()).collect();
        gone.sort();
        gone.dedup();
        gone
    }

    /// Where it has the code of each file.
    pub fn modules(&self) -> Vec<Module> {
        let mut modules: Vec<Module> = Vec::new();
        for part in self.code() {
            let name = part.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match modules.last_mut() {
                Some(last) if last.name == name => last.end = part.end,
                _ => modules.push(Module { name, start: part.start, end: part.end }),
            }
        }
        modules
    }

    /// Its interpreter, ready to be started in its directory and environment, as its user.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn interpreter(&self) -> Result<Command, String> {
        let path = self.program()?;
        let mut command = Command::new(path);
        let environment = fs::read(self.root.join("environ")).unwrap_or_default();
        command.env_clear();
        for (name, value) in variables(&environment) {
            command.env(name, value);
        }
        command.current_dir(fs::read_link(self.root.join("cwd")).unwrap_or_else(|_| "/".into()));
        let owner = fs::metadata(&self.root).map_err(|error| error.to_string())?;
        if platform::is_root() && owner.uid() != 0 {
            // Root must not run what another user has put into their environment.
            command.gid(owner.gid()).uid(owner.uid());
        }
        Ok(command)
    }

    /// The name it was started by, where that leads to the program it runs: in a virtual environment the name
    /// matters. Else the program itself.
    fn program(&self) -> Result<PathBuf, String> {
        let exe = fs::read_link(self.root.join("exe")).map_err(|error| error.to_string())?;
        let line = fs::read(self.root.join("cmdline")).unwrap_or_default();
        let first = line.split(|&byte| byte == 0).next().unwrap_or_default();
        let name = PathBuf::from(OsString::from_vec(first.to_vec()));
        let environment = fs::read(self.root.join("environ")).unwrap_or_default();
        let is_it = |path: &PathBuf| fs::canonicalize(path).is_ok_and(|real| real == exe);
        let candidates = if name.components().count() > 1 {
            let directory = fs::read_link(self.root.join("cwd")).unwrap_or_default();
            vec![directory.join(name)]
        } else {
            let path = variables(&environment).find(|(variable, _)| variable == "PATH");
            path.map(|(_, value)| std::env::split_paths(&value).map(|dir| dir.join(&name)).collect())
                .unwrap_or_default()
        };
        let found = candidates.into_iter().find(is_it).unwrap_or(exe);
        let is_python = found.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
        if is_python { Ok(found) } else { Err(format!("{} is not an interpreter", found.display())) }
    }
}

/// The variables of an environment that are passed on.
fn variables(environment: &[u8]) -> impl Iterator<Item = (OsString, OsString)> {
    environment.split(|&byte| byte == 0).filter_map(|line| {
        let equals = line.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (&line[..equals], &line[equals + 1..]);
        let passed = PASSED_ON.iter().any(|prefix| name.starts_with(prefix.as_bytes()));
        passed.then(|| (OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_with_code_are_those_of_the_map() {
        let part = |path: &str, start, executable, gone| Mapping {
            path: path.into(),
            start,
            end: start + 1,
            offset: 0,
            executable,
            gone,
        };
        let process = Process {
            pid: 1,
            root: "/".into(),
            maps: vec![
                part("/a/lib.so", 0x7f00, false, false),
                part("/a/lib.so", 0x7f01, true, false),
                part("/b b/x\ny.so", 0x7f02, true, false),
                part("/c/old.so", 0x7f03, true, true),
            ],
        };
        let files = process.files().unwrap();
        assert_eq!(files, [PathBuf::from("/a/lib.so"), PathBuf::from("/b b/x\ny.so")]);
        assert_eq!(process.replaced(), ["/c/old.so"]);
        let module = Module { name: "lib.so".into(), start: 0x7f01, end: 0x7f02 };
        assert_eq!(process.modules()[0], module);
    }

    #[test]
    fn only_what_decides_about_modules_and_loops_is_passed_on() {
        let environment = b"PYTHONPATH=/x=y\0SECRET=1\0NPY_DISABLE_CPU_FEATURES=AVX2\0LD_PRELOAD=/z\0";
        let passed: Vec<String> = variables(environment)
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        assert_eq!(passed, ["PYTHONPATH=/x=y", "NPY_DISABLE_CPU_FEATURES=AVX2"]);
    }

    #[test]
    fn a_process_that_is_not_there_says_so() {
        let Err(error) = Process::look_at(u32::MAX) else {
            panic!("there is no such process");
        };
        assert!(error.to_string().contains("4294967295") && error.help_text().is_some());
    }
}
