//! Which Python runs both sides, and whether it can.
//!
//! The first of these that is there is taken, and no other is tried: `--python`, `RAPTORS_TRACE_PYTHON`, the active
//! virtual environment, the interpreter that runs the console script, `.venv`, `python3` on `PATH`.

mod question;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::machine::ask::{self, Silence};
use crate::machine::interrupt;
use crate::machine::invoker::invoker;
use crate::machine::platform::{is_root, users};
use crate::model::error::Error;
pub use question::{Question, marked};

/// Oldest Python the extension module loads into.
const OLDEST_PYTHON: (u32, u32) = (3, 11);
/// Oldest NumPy whose loops and data memory can be observed.
const OLDEST_NUMPY: u32 = 2;
/// After so long the user is told what is waited for.
const NOTICE: Duration = Duration::from_secs(2);
const ENVIRONMENT_VARIABLE: &str = "RAPTORS_TRACE_PYTHON";

/// What stands before the answer.
const MARK: &str = "raptors-trace-probe ";
/// Prints one JSON object.
const PROBE: &str = r#"
import json, platform, sysconfig
answer = {"version": list(sys.version_info[:3]), "implementation": platform.python_implementation(),
          "machine": platform.machine(), "bits": 64 if sys.maxsize > 2**32 else 32,
          "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED"))}
try:
    import numpy
    answer["numpy"] = str(numpy.__version__)
except BaseException as error:
    answer["numpy_error"] = "%s: %s" % (type(error).__name__, error)
try:
    import raptors_trace._native
except BaseException as error:
    answer["raptors_trace_error"] = "%s: %s" % (type(error).__name__, error)
sys.stdout.write("\nraptors-trace-probe " + json.dumps(answer) + "\n")
"#;

/// A Python that can run both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The file to start. Never resolved: what a link in a virtual environment points to is another environment.
    pub path: PathBuf,
    /// Why this one.
    pub origin: Origin,
    /// Version of Python, `3.11.2`.
    pub version: String,
    /// Version of NumPy.
    pub numpy: String,
    /// Architecture, in Rust's words (`x86_64`, `aarch64`).
    pub arch: String,
}

/// Why an interpreter was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--python`.
    Asked,
    /// `RAPTORS_TRACE_PYTHON`.
    Variable,
    /// The active virtual environment.
    VirtualEnvironment,
    /// It runs the console script.
    Host,
    /// `.venv` in the current directory.
    DotVenv,
    /// `python3` on `PATH`.
    Path,
}

/// As it stands in brackets behind the interpreter's path.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("from --python"),
            Self::Variable => write!(f, "from {ENVIRONMENT_VARIABLE}"),
            Self::VirtualEnvironment => f.write_str("of the active virtual environment"),
            Self::Host => f.write_str("which runs this command"),
            Self::DotVenv => f.write_str("of .venv in this directory"),
            Self::Path => f.write_str("found on PATH"),
        }
    }
}

/// What the choice depends on; collected once, so that the choice itself is a pure function.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `--python`.
    pub asked: Option<PathBuf>,
    /// `RAPTORS_TRACE_PYTHON`.
    pub variable: Option<PathBuf>,
    /// `VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// The interpreter that runs the console script.
    pub host: Option<PathBuf>,
    /// The current directory.
    pub current_dir: PathBuf,
    /// The directories of `PATH`.
    pub path: Vec<PathBuf>,
}

impl Surroundings {
    /// Reads the environment of this process.
    pub fn collect(asked: Option<PathBuf>, host: Option<PathBuf>) -> Self {
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self {
            asked,
            variable: variable(ENVIRONMENT_VARIABLE),
            virtual_env: variable("VIRTUAL_ENV"),
            host,
            current_dir: std::env::current_dir().unwrap_or_default(),
            path: std::env::var_os("PATH").map(|p| std::env::split_paths(&p).collect()).unwrap_or_default(),
        }
    }
}

/// Why no interpreter can run both sides.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InterpreterError {
    /// None was found.
    #[error("no Python was found: no virtual environment is active, there is no .venv here and no python3 on PATH")]
    None,
    /// The one asked for is not there.
    #[error("there is no Python at {} ({origin})", .path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
        /// Who asked.
        origin: Origin,
    },
    /// The user has had enough.
    #[error("interrupted before anything was measured")]
    Interrupted,
    /// It is there and does not run.
    #[error("{} ({origin}) could not be run as Python: {why}", .path.display())]
    NotRunning {
        /// The file.
        path: PathBuf,
        /// Who asked.
        origin: Origin,
        /// What happened.
        why: String,
    },
    /// Root does not run it.
    #[error("as root, {} ({origin}) is not run, as others can change it: {why}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Who asked.
        origin: Origin,
        /// What others can change.
        why: String,
    },
    /// It is not CPython.
    #[error("{} is {implementation}; raptors-trace observes CPython only", .path.display())]
    NotCPython {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        implementation: String,
    },
    /// It is too old.
    #[error("{} is Python {version}; raptors-trace needs 3.11 or newer", .path.display())]
    OldPython {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// Its threads run without a lock, and its objects have another layout.
    #[error("{} is a free-threaded Python {version}, which raptors-trace cannot observe yet", .path.display())]
    FreeThreaded {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// It was built for another processor.
    #[error("{} runs as {theirs}, this program as {ours}; an interpreter of another architecture cannot load \
             it", .path.display())]
    OtherArchitecture {
        /// The file.
        path: PathBuf,
        /// Its architecture.
        theirs: String,
        /// This program's.
        ours: String,
    },
    /// NumPy cannot be imported.
    #[error("{} cannot import NumPy: {why}", .path.display())]
    NoNumpy {
        /// The file.
        path: PathBuf,
        /// What the import raised.
        why: String,
    },
    /// NumPy is too old.
    #[error("{} has NumPy {version}; raptors-trace needs 2.0 or newer", .path.display())]
    OldNumpy {
        /// The file.
        path: PathBuf,
        /// NumPy's version.
        version: String,
    },
    /// The Python part of raptors-trace is not installed there.
    #[error("{} ({origin}) cannot import raptors_trace: {why}", .path.display())]
    NoRaptorsTrace {
        /// The file.
        path: PathBuf,
        /// Who asked.
        origin: Origin,
        /// What the import raised.
        why: String,
    },
}

impl InterpreterError {
    /// What to do about it.
    pub fn help(&self) -> String {
        const OTHER: &str = "choose another interpreter with --python PATH";
        match self {
            Self::Interrupted => String::new(),
            Self::None => "install Python 3.11 or newer, or name one with --python PATH".into(),
            Self::Missing { origin: Origin::Variable, .. } => {
                format!("set {ENVIRONMENT_VARIABLE} to an interpreter that exists, or unset it")
            }
            Self::Missing { origin: Origin::VirtualEnvironment, .. } => {
                "run `deactivate` (or unset VIRTUAL_ENV), or name an interpreter with --python PATH".into()
            }
            Self::Missing { .. } | Self::NotRunning { .. } => {
                "give the path of a Python interpreter to --python".into()
            }
            Self::Foreign { origin: Origin::DotVenv, .. } if invoker().is_none() => {
                "name it with --python PATH if you trust its owner".into()
            }
            Self::Foreign { .. } => {
                "run this without sudo, or choose an interpreter that only root and you can change: --python PATH"
                    .into()
            }
            Self::NotCPython { .. } | Self::OldPython { .. } => {
                format!("{OTHER}; it must be CPython 3.11 or newer")
            }
            Self::FreeThreaded { .. } => format!("{OTHER}; it must be an ordinary CPython, not a free-threaded one"),
            Self::OtherArchitecture { ours, .. } => format!("{OTHER}; it must be built for {ours}"),
            Self::NoNumpy { path, .. } => format!("{} -m pip install numpy", quoted(path)),
            Self::OldNumpy { path, .. } => {
                format!("{} -m pip install --upgrade 'numpy>=2'", quoted(path))
            }
            Self::NoRaptorsTrace { path, .. } => {
                format!("{} -m pip install . in a clone of raptors-trace, or {OTHER}", quoted(path))
            }
        }
    }
}

impl From<InterpreterError> for Error {
    fn from(error: InterpreterError) -> Self {
        if error == InterpreterError::Interrupted {
            return interrupt::too_early();
        }
        let help = error.help();
        Self::new(error.to_string()).help(help)
    }
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    quoted_unless(&path.display().to_string(), "/._-+")
}

/// A word as a shell takes it: in quotes unless it has letters, digits and the characters of `plain` only.
pub(crate) fn quoted_unless(word: &str, plain: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || plain.contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What goes on around the wait for an interpreter's answer.
pub struct Waiting<'a> {
    /// Whether the user has asked to end it.
    pub interrupted: &'a dyn Fn() -> bool,
    /// Told once what is waited for, where that takes long.
    pub tell: &'a mut dyn FnMut(&str),
}

/// Finds the interpreter, starts it once and checks that it can run both sides.
///
/// # Errors
/// Every [`InterpreterError`], with its fix.
pub fn find(surroundings: &Surroundings, waiting: Waiting<'_>) -> Result<Interpreter, Error> {
    let (path, origin) = pick(surroundings)?;
    let answer = ask(&path, origin, waiting)?;
    Ok(check(path, origin, answer, std::env::consts::ARCH)?)
}

/// The interpreter to take, which root runs only where nobody else can change it: nobody but root and who invoked sudo,
/// and without sudo, where root cannot be told from a container's only user, one that happens to lie in this directory.
///
/// # Errors
/// Those of [`choose`], and [`InterpreterError::Foreign`].
pub fn pick(surroundings: &Surroundings) -> Result<(PathBuf, Origin), InterpreterError> {
    let (path, origin) = choose(surroundings, Path::is_file)?;
    let user = invoker();
    if is_root() && (user.is_some() || origin == Origin::DotVenv) {
        let trusted: Vec<u32> = user.iter().map(|user| user.uid).collect();
        if let Err(why) = users::changed_by_others(&path, &trusted) {
            return Err(InterpreterError::Foreign { path, origin, why });
        }
    }
    Ok((path, origin))
}

/// The interpreter to take. `is_file` says what exists.
///
/// # Errors
/// [`InterpreterError::Missing`] when one was asked for by name and is not there, [`InterpreterError::None`] when
/// nothing is.
pub fn choose(
    surroundings: &Surroundings,
    is_file: impl Fn(&Path) -> bool,
) -> Result<(PathBuf, Origin), InterpreterError> {
    let on_path = |name: &Path| surroundings.path.iter().map(|dir| dir.join(name)).find(|p| is_file(p));
    let environment =
        |dir: &Path| ["bin/python", "bin/python3"].iter().map(|name| dir.join(name)).find(|python| is_file(python));
    let named = |name: &PathBuf, origin| {
        let bare = name.components().count() == 1 && !name.has_root();
        let found = if bare { on_path(name).or(is_file(name).then(|| name.clone())) } else { None };
        let found = found.or_else(|| is_file(name).then(|| name.clone())).or_else(|| environment(name));
        found.map(|path| (path, origin)).ok_or(InterpreterError::Missing { path: name.clone(), origin })
    };
    if let Some(name) = &surroundings.asked {
        return named(name, Origin::Asked);
    }
    if let Some(name) = &surroundings.variable {
        return named(name, Origin::Variable);
    }
    if let Some(dir) = &surroundings.virtual_env {
        let missing = InterpreterError::Missing { path: dir.join("bin/python"), origin: Origin::VirtualEnvironment };
        return environment(dir).map(|path| (path, Origin::VirtualEnvironment)).ok_or(missing);
    }
    if let Some(path) = surroundings.host.as_ref().filter(|path| is_file(path)) {
        return Ok((path.clone(), Origin::Host));
    }
    if let Some(path) = environment(&surroundings.current_dir.join(".venv")) {
        return Ok((path, Origin::DotVenv));
    }
    on_path(Path::new("python3")).map(|path| (path, Origin::Path)).ok_or(InterpreterError::None)
}

/// What the probe printed.
#[derive(Clone, Debug, Default, Deserialize)]
struct Answer {
    version: Vec<u32>,
    implementation: String,
    machine: String,
    bits: u32,
    #[serde(default)]
    free_threaded: bool,
    numpy: Option<String>,
    numpy_error: Option<String>,
    raptors_trace_error: Option<String>,
}

/// Starts the interpreter with the probe and reads its answer.
fn ask(path: &Path, origin: Origin, waiting: Waiting<'_>) -> Result<Answer, InterpreterError> {
    // What root can start, the user who invoked sudo may not be allowed to.
    let user = invoker().map_or_else(String::new, |user| format!(" (started as user {}, who invoked sudo)", user.uid));
    let not_running = |why| InterpreterError::NotRunning { path: path.to_owned(), origin, why: format!("{why}{user}") };
    let mut told = false;
    let mut wanted = |waited| {
        if waited > NOTICE && !told {
            told = true;
            let most = ask::INTERPRETER.as_secs();
            (waiting.tell)(&format!("waiting for {} to import NumPy, {most} s at most", path.display()));
        }
        !(waiting.interrupted)()
    };
    let answer = Question::of(path).ask(PROBE, &[], &mut wanted).map_err(|silence| match silence {
        Silence::Unwanted => InterpreterError::Interrupted,
        Silence::NotStarted(error) => not_running(error.to_string()),
        silence => not_running(format!("it {}", silence.sentence())),
    })?;
    if answer.errors.contains("Unknown option: -I") {
        return Err(InterpreterError::OldPython { path: path.to_owned(), version: "2, or 3 before 3.4".into() });
    }
    let line = marked(&answer, MARK).map_err(not_running)?;
    serde_json::from_str(line).map_err(|error| not_running(format!("its answer was invalid: {error}")))
}

/// Judges an answer.
fn check(path: PathBuf, origin: Origin, answer: Answer, ours: &str) -> Result<Interpreter, InterpreterError> {
    let version = answer.version.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    let number = |i: usize| answer.version.get(i).copied().unwrap_or(0);
    if answer.implementation != "CPython" {
        return Err(InterpreterError::NotCPython { path, implementation: answer.implementation });
    }
    if (number(0), number(1)) < OLDEST_PYTHON {
        return Err(InterpreterError::OldPython { path, version });
    }
    if answer.free_threaded {
        return Err(InterpreterError::FreeThreaded { path, version });
    }
    let arch = architecture(&answer.machine, answer.bits);
    if arch != ours {
        return Err(InterpreterError::OtherArchitecture { path, theirs: arch, ours: ours.to_owned() });
    }
    let Some(numpy) = answer.numpy else {
        let why = answer.numpy_error.unwrap_or_else(|| "no reason given".into());
        return Err(InterpreterError::NoNumpy { path, why });
    };
    let major = numpy.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_NUMPY) {
        return Err(InterpreterError::OldNumpy { path, version: numpy });
    }
    if let Some(why) = answer.raptors_trace_error {
        return Err(InterpreterError::NoRaptorsTrace { path, origin, why });
    }
    Ok(Interpreter { path, origin, version, numpy, arch })
}

/// Python's word for an architecture in Rust's words; a 32-bit interpreter on a 64-bit system is told apart.
fn architecture(machine: &str, bits: u32) -> String {
    let name = match machine {
        "arm64" | "aarch64" => "aarch64",
        "AMD64" | "x86_64" | "amd64" => "x86_64",
        other => other,
    };
    if bits == 64 { name.to_owned() } else { format!("{name} ({bits}-bit)") }
}

/// What started the command, where that says something about the interpreter to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The interpreter that runs the console script; `None` for the plain binary.
    pub python: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
