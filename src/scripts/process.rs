//! A running process, as `/proc` shows it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// The variables that decide which modules an interpreter loads, and which loops NumPy chooses.
const PASSED_ON: [&str; 7] = [
    "PYTHON",
    "VIRTUAL_ENV",
    "NPY_",
    "LD_LIBRARY_PATH",
    "CONDA_PREFIX",
    "PATH",
    "HOME",
];

/// A running process.
pub struct Process {
    pid: u32,
    root: PathBuf,
    maps: Vec<u8>,
}

impl Process {
    /// Looks at a process.
    ///
    /// # Errors
    /// When it is not there, may not be looked at, or this system has no `/proc`.
    pub fn look_at(pid: u32) -> Result<Self, Error> {
        let root = PathBuf::from(format!("/proc/{pid}"));
        let maps = fs::read(root.join("maps")).map_err(|error| {
            let mend = match error.kind() {
                std::io::ErrorKind::PermissionDenied => "run the command as the process's user, or as root",
                _ if Path::new("/proc/self/maps").exists() => "give the number of a process that is running",
                _ => "this system has no /proc: leave out --pid, and give it to the tracer when the script runs",
            };
            Error::new(format!("what process {pid} has loaded cannot be read"))
                .caused_by(error)
                .mend(mend)
        })?;
        Ok(Self { pid, root, maps })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The files with code that it has loaded.
    ///
    /// # Errors
    /// When it has none: it is a kernel thread, or it ended.
    pub fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let (files, _) = mapped(&self.maps);
        if files.is_empty() {
            return Err(
                Error::new(format!("process {} has no files loaded", self.pid))
                    .mend("give the number of a process that is running"),
            );
        }
        Ok(files)
    }

    /// The files that it has loaded and that are not there any more.
    ///
    /// # Errors
    /// None so far.
    pub fn replaced(&self) -> Result<Vec<String>, Error> {
        Ok(mapped(&self.maps).1)
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
        // SAFETY: geteuid only returns a number.
        if unsafe { libc::geteuid() } == 0 && owner.uid() != 0 {
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
            path.map(|(_, value)| {
                std::env::split_paths(&value)
                    .map(|dir| dir.join(&name))
                    .collect()
            })
            .unwrap_or_default()
        };
        let found = candidates.into_iter().find(is_it).unwrap_or(exe);
        let is_python = found
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("python"));
        if is_python {
            Ok(found)
        } else {
            Err(format!(
                "{} is no interpreter that could be asked",
                found.display()
            ))
        }
    }
}

/// The variables of an environment that are passed on.
fn variables(environment: &[u8]) -> impl Iterator<Item = (OsString, OsString)> {
    environment.split(|&byte| byte == 0).filter_map(|line| {
        let equals = line.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (&line[..equals], &line[equals + 1..]);
        let passed = PASSED_ON
            .iter()
            .any(|prefix| name.starts_with(prefix.as_bytes()));
        passed.then(|| {
            (
                OsString::from_vec(name.to_vec()),
                OsString::from_vec(value.to_vec()),
            )
        })
    })
}

/// The files of a process map, and those that are gone.
fn mapped(maps: &[u8]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut files, mut gone) = (Vec::new(), Vec::new());
    for line in maps.split(|&byte| byte == b'\n') {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let permissions = fields.nth(1).unwrap_or_default();
        let Some(path) = fields.nth(3).map(<[u8]>::trim_ascii) else {
            continue;
        };
        if !permissions.contains(&b'x') || !path.starts_with(b"/") {
            continue;
        }
        if let Some(path) = path.strip_suffix(b" (deleted)") {
            gone.push(String::from_utf8_lossy(path).into_owned());
        } else {
            files.push(PathBuf::from(OsString::from_vec(unescape(path))));
        }
    }
    files.sort();
    files.dedup();
    gone.sort();
    gone.dedup();
    (files, gone)
}

/// The kernel writes a line break in a path as `\012`.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\\012") {
            out.push(b'\n');
            rest = after;
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_with_code_are_read_from_the_map() {
        let maps = b"7f00-7f01 r--p 00000000 fe:00 12 /a/lib.so\n7f01-7f02 r-xp 00001000 fe:00 12      /a/lib.so\n\
            7f02-7f03 r-xp 00001000 fe:00 13 /b b/x\\012y.so\n7f03-7f04 r-xp 0 fe:00 14 /c/old.so (deleted)\n\
            7ffd-7ffe r-xp 00000000 00:00 0 [vdso]\n7f05-7f06 rw-p 00000000 00:00 0 \n";
        let (files, gone) = mapped(maps);
        assert_eq!(
            files,
            [PathBuf::from("/a/lib.so"), PathBuf::from("/b b/x\ny.so")]
        );
        assert_eq!(gone, ["/c/old.so"]);
    }

    #[test]
    fn only_what_decides_about_modules_and_loops_is_passed_on() {
        let environment =
            b"PYTHONPATH=/x=y\0SECRET=1\0NPY_DISABLE_CPU_FEATURES=AVX2\0LD_PRELOAD=/z\0";
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
        assert!(error.to_string().contains("4294967295") && error.mend_text().is_some());
    }
}
