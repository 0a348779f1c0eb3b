//! Finds a Python that is good enough for the project.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The oldest Python the wheel supports (`requires-python` in pyproject.toml).
const OLDEST: (u32, u32) = (3, 11);
/// The variables that name the interpreter, the first one set wins.
const VARIABLES: [&str; 2] = ["RAPTORS_TRACE_PYTHON", "PYTHON"];
/// The names that are tried otherwise: `python3` first, as a person would.
const NAMES: [&str; 6] = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11"];

/// Prints the version, whether it is 64-bit, whether it can make environments, and its path. `_base_executable` is the
/// interpreter behind a virtual environment.
const PROBE: &str = "\
import importlib.util as u, sys
print(*sys.version_info[:2], int(sys.maxsize > 2**32), int(bool(u.find_spec('ensurepip'))))
print(getattr(sys, '_base_executable', None) or sys.executable)";

/// An interpreter that answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Interpreter {
    /// The program itself, symbolic links and virtual environments resolved.
    pub path: PathBuf,
    version: (u32, u32),
    is_64_bit: bool,
    /// Debian has `ensurepip`, which `venv` needs, in a separate package.
    has_ensurepip: bool,
}

/// The interpreter to build the virtual environment from, and whether the user named it.
///
/// # Errors
/// If the named one, or every one found, does not run or is too old; the message says which.
pub fn find() -> Result<(Interpreter, bool)> {
    if let Some((variable, program)) = named() {
        let what = || format!("{variable} names {program:?}, which cannot be used");
        let found = Interpreter::ask(&program).with_context(what)?;
        found.check().with_context(what)?;
        return Ok((found, true));
    }
    let mut refused = Vec::new();
    for name in NAMES {
        match Interpreter::ask(&name.into()).and_then(|found| found.check().map(|()| found)) {
            Ok(found) => return Ok((found, false)),
            Err(error) => refused.push(format!("{name}: {error:#}")),
        }
    }
    bail!(
        "no usable Python found; raptors-trace needs Python {}.{} or newer.\n  {}\n\
         Install one, or name one: PYTHON=/path/to/python3 cargo xtask …",
        OLDEST.0,
        OLDEST.1,
        refused.join("\n  ")
    );
}

fn named() -> Option<(&'static str, OsString)> {
    let set = |name| Some((name, env::var_os(name).filter(|value| !value.is_empty())?));
    VARIABLES.into_iter().find_map(set)
}

impl Interpreter {
    /// Starts `program` and reads its properties.
    pub fn ask(program: &OsString) -> Result<Interpreter> {
        let output = Command::new(program).args(["-I", "-c", PROBE]).output().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => anyhow::anyhow!("not found"),
            _ => error.into(),
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("it does not run: {}", said.lines().next_back().unwrap_or("no message"));
        }
        Interpreter::parse(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("{program:?} is not a Python interpreter"))
    }

    fn parse(answer: &str) -> Option<Interpreter> {
        let (numbers, path) = answer.trim_end().split_once('\n')?;
        let numbers: Vec<u32> = numbers.split(' ').map_while(|n| n.parse().ok()).collect();
        let &[major, minor, is_64_bit, has_ensurepip] = numbers.as_slice() else {
            return None;
        };
        let path = PathBuf::from(path.trim());
        Some(Interpreter {
            path: path.canonicalize().unwrap_or(path),
            version: (major, minor),
            is_64_bit: is_64_bit == 1,
            has_ensurepip: has_ensurepip == 1,
        })
    }

    /// Checks whether it is good enough for the project.
    pub fn check(&self) -> Result<()> {
        let (major, minor) = self.version;
        if self.version < OLDEST {
            bail!("it is Python {major}.{minor}, and {}.{} is the oldest", OLDEST.0, OLDEST.1);
        }
        if !self.is_64_bit {
            bail!("it is a 32-bit Python, and the observers need a 64-bit one");
        }
        if !self.has_ensurepip {
            bail!(
                "it lacks the module ensurepip, so it cannot make virtual environments \
                 (on Debian and Ubuntu: apt-get install python{major}.{minor}-venv)"
            );
        }
        Ok(())
    }
}

impl std::fmt::Display for Interpreter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (Python {}.{})", self.path.display(), self.version.0, self.version.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(answer: &str) -> Interpreter {
        Interpreter::parse(answer).unwrap()
    }

    #[test]
    fn a_good_answer_is_understood_and_accepted() {
        let found = parse("3 11 1 1\n/nowhere/python3\n");
        assert_eq!(found.to_string(), "/nowhere/python3 (Python 3.11)");
        found.check().unwrap();
        parse("3 14 1 1\n/nowhere/python3\n").check().unwrap();
    }

    #[test]
    fn what_is_wrong_is_said() {
        let why = |answer| parse(answer).check().unwrap_err().to_string();
        assert_eq!(why("3 9 1 1\n/p"), "it is Python 3.9, and 3.11 is the oldest");
        assert!(why("2 7 1 1\n/p").contains("Python 2.7"));
        assert!(why("3 12 0 1\n/p").contains("32-bit"));
        assert!(why("3 12 1 0\n/p").contains("apt-get install python3.12-venv"));
    }

    #[test]
    fn another_program_is_not_taken_for_python() {
        assert_eq!(Interpreter::parse("hello\nworld"), None);
        assert_eq!(Interpreter::parse(""), None);
        let error = Interpreter::ask(&"true".into()).unwrap_err();
        assert_eq!(error.to_string(), "\"true\" is not a Python interpreter");
        let error = Interpreter::ask(&"no-such-python".into()).unwrap_err();
        assert_eq!(error.to_string(), "not found");
    }
}
