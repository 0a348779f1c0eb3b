//! A running process, as `/proc` shows it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::target::Module;
use crate::machine::interpreter::Question;
use crate::machine::invoker::invoker;
use crate::machine::platform::users::{self, User};
use crate::machine::platform::{self, Mapping, Pinned};
use crate::model::error::Error;

/// The variables that decide which modules an interpreter loads, and which loops NumPy chooses.
const PASSED_ON: [&str; 7] = ["PYTHON", "VIRTUAL_ENV", "NPY_", "LD_LIBRARY_PATH", "CONDA_PREFIX", "PATH", "HOME"];

/// A running process, held while it is looked at.
pub struct Process {
    pid: u32,
    root: PathBuf,
    pinned: Pinned,
    loaded: Loaded,
}

/// The files with code that a process has loaded.
#[derive(Debug, Default, PartialEq, Eq)]
struct Loaded {
    /// The parts of them that may be run, each with the path under which this command opens that very file.
    parts: Vec<(Mapping, PathBuf)>,
    /// Files that are not there any more.
    replaced: Vec<String>,
    /// Files of which this command sees another one, or none, under their name.
    elsewhere: Vec<String>,
}

impl Loaded {
    fn of(maps: Vec<Mapping>, path_of: &dyn Fn(&Mapping) -> Option<PathBuf>) -> Self {
        let mut loaded = Self::default();
        for part in maps.into_iter().filter(|part| part.executable) {
            let name = || part.path.display().to_string();
            if part.gone {
                loaded.replaced.push(name());
            } else {
                match path_of(&part) {
                    Some(path) => loaded.parts.push((part, path)),
                    None => loaded.elsewhere.push(name()),
                }
            }
        }
        for names in [&mut loaded.replaced, &mut loaded.elsewhere] {
            names.sort();
            names.dedup();
        }
        loaded
    }
}

impl Process {
    /// Looks at a process.
    ///
    /// # Errors
    /// When it is not there, may not be looked at, or this system has no `/proc`.
    pub fn look_at(pid: u32) -> Result<Self, Error> {
        let read = || {
            let pinned = Pinned::new(pid)?;
            Ok((pinned, platform::mappings(pid)?))
        };
        let (pinned, maps) = read().map_err(|error: std::io::Error| {
            let help = match error.kind() {
                std::io::ErrorKind::PermissionDenied => "run the command as the process's user, or as root",
                std::io::ErrorKind::NotFound => "give the number of a process that is running",
                _ => "this system has no /proc: leave out --pid, and give it to the tracer when the script runs",
            };
            Error::new(format!("what process {pid} has loaded cannot be read")).caused_by(error).help(help)
        })?;
        let loaded = Loaded::of(maps, &|part| platform::path_of(pid, part));
        Ok(Self { pid, root: PathBuf::from(format!("/proc/{pid}")), pinned, loaded })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The files with code that it has loaded, under paths that lead this command to the very same files.
    ///
    /// # Errors
    /// When it has none: it is a kernel thread, or it ended.
    pub fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let mut files: Vec<PathBuf> = self.loaded.parts.iter().map(|(_, path)| path.clone()).collect();
        files.sort();
        files.dedup();
        if files.is_empty() {
            return Err(Error::new(format!("process {} has no files loaded", self.pid))
                .help("give the number of a process that is running"));
        }
        Ok(files)
    }

    /// The files that it has loaded and that are not watched, and why.
    pub fn left_out(&self) -> impl Iterator<Item = (&String, &'static str)> {
        let replaced = self.loaded.replaced.iter().map(|name| (name, "it has been replaced on disk since"));
        let elsewhere = self.loaded.elsewhere.iter();
        replaced.chain(elsewhere.map(|name| (name, "there is another file of that name here, or none")))
    }

    /// Where it has the code of each file.
    pub fn modules(&self) -> Vec<Module> {
        let mut modules: Vec<Module> = Vec::new();
        for (part, _) in &self.loaded.parts {
            let name = part.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match modules.last_mut() {
                Some(last) if last.name == name => last.end = part.end,
                _ => modules.push(Module { name, start: part.start, end: part.end }),
            }
        }
        modules
    }

    /// A question to its interpreter, which is started once more in its environment, as its user.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn interpreter(&self) -> Result<(PathBuf, Question), String> {
        let path = self.program()?;
        let mut command = Command::new(&path);
        let environment = fs::read(self.root.join("environ")).unwrap_or_default();
        command.env_clear();
        for (name, value) in variables(&environment) {
            command.env(name, value);
        }
        let owner = self.pinned.owner();
        if platform::is_root() {
            may_be_run(&path, owner)?;
            // Root must not run what another user has put into their environment.
            users::run_as(&mut command, owner);
        } else if owner.uid != platform::tracing::user() {
            return Err(format!("process {} belongs to another user", self.pid));
        }
        // All of the above is the process's own only if it was the same one all the time.
        self.check()?;
        Ok((path, Question::by(command)))
    }

    /// Checks that it was the same process, of the same user, all the time.
    ///
    /// # Errors
    /// What has changed.
    pub fn check(&self) -> Result<(), String> {
        self.pinned.check()
    }

    /// The name it was started by, where that leads to the program it runs: in a virtual environment the name
    /// matters. Else the program itself. Names are this command's own: in a container the process may see other files
    /// under them.
    fn program(&self) -> Result<PathBuf, String> {
        let exe = fs::read_link(self.root.join("exe")).map_err(|error| error.to_string())?;
        let identity = |path: &Path| fs::metadata(path).ok().as_ref().map(platform::identity);
        let running = identity(&self.root.join("exe"));
        let is_it = |path: &PathBuf| running.is_some() && identity(path) == running;
        let line = fs::read(self.root.join("cmdline")).unwrap_or_default();
        let first = line.split(|&byte| byte == 0).next().unwrap_or_default();
        let name = PathBuf::from(OsString::from_vec(first.to_vec()));
        let environment = fs::read(self.root.join("environ")).unwrap_or_default();
        let mut candidates = if name.components().count() > 1 {
            let directory = fs::read_link(self.root.join("cwd")).unwrap_or_default();
            vec![directory.join(name)]
        } else {
            let path = variables(&environment).find(|(variable, _)| variable == "PATH");
            path.map(|(_, value)| std::env::split_paths(&value).map(|dir| dir.join(&name)).collect())
                .unwrap_or_default()
        };
        candidates.push(exe.clone());
        let found = candidates.into_iter().filter(|path| path.is_absolute()).find(is_it);
        let found = found.ok_or_else(|| format!("there is another program at {} here, or none", exe.display()))?;
        let is_python = found.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
        if is_python { Ok(found) } else { Err(format!("{} is not an interpreter", found.display())) }
    }
}

/// Checks that root may have this interpreter run as `owner`: nobody but root, that user and who invoked sudo can
/// change it.
fn may_be_run(path: &Path, owner: &User) -> Result<(), String> {
    let invoker = invoker().map(|user| user.uid);
    let trusted: Vec<u32> = [owner.uid].into_iter().chain(invoker).collect();
    users::changed_by_others(path, &trusted)
        .map_err(|why| format!("root does not run {}, as others can change it: {why}", path.display()))
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
    fn the_files_with_code_are_those_of_the_map_that_can_be_opened() {
        let part = |path: &str, start, executable, gone| Mapping {
            path: path.into(),
            start,
            end: start + 1,
            executable,
            gone,
            ..Mapping::default()
        };
        let maps = vec![
            part("/a/lib.so", 0x7f00, false, false),
            part("/a/lib.so", 0x7f01, true, false),
            part("/b b/x\ny.so", 0x7f02, true, false),
            part("/c/old.so", 0x7f03, true, true),
            part("/inside/only.so", 0x7f04, true, false),
            part("/inside/other.so", 0x7f05, true, false),
        ];
        let path_of = |part: &Mapping| match part.path.to_str()? {
            "/inside/only.so" => Some("/proc/7/root/inside/only.so".into()),
            "/inside/other.so" => None,
            path => Some(path.into()),
        };
        let loaded = Loaded::of(maps, &path_of);
        let paths: Vec<&str> = loaded.parts.iter().map(|(_, path)| path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/a/lib.so", "/b b/x\ny.so", "/proc/7/root/inside/only.so"]);
        assert_eq!((loaded.replaced, loaded.elsewhere), (vec!["/c/old.so".into()], vec!["/inside/other.so".into()]));
    }

    #[test]
    fn where_the_code_of_a_file_is_is_told_by_its_name() {
        let own = Process::look_at(std::process::id()).unwrap();
        let program = std::env::current_exe().unwrap();
        let name = program.file_name().unwrap().to_string_lossy().into_owned();
        assert!(own.modules().iter().any(|module| module.name == name && module.start < module.end));
        assert!(own.files().unwrap().contains(&program));
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
