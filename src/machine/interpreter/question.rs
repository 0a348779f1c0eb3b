//! The one way to ask an interpreter something: in isolated mode, as the user whose environment it has, with a time
//! limit and a limit for what it writes, without a terminal.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::machine::ask::{self, Answer, Silence};
use crate::machine::invoker::run_as_invoker;
use crate::machine::platform;

/// Adds what the environment adds to the module search path, behind the standard library.
const WIDEN: &str = include_str!("widen.py");
/// The variable with the places where Python looks for modules.
const PLACES: &str = "PYTHONPATH";

/// A question to an interpreter.
#[derive(Debug)]
pub struct Question(Command);

impl Question {
    /// To `python`, in this process's environment, for the user who invoked sudo where there is one.
    pub fn of(python: &Path) -> Self {
        let mut command = Command::new(python);
        let given = std::env::var_os(PLACES).unwrap_or_default();
        let places = std::env::split_paths(&given).filter(|place| !place.as_os_str().is_empty());
        // Python takes one that is not absolute as a place below the current directory.
        if let Ok(places) = std::env::join_paths(places.filter_map(|place| std::path::absolute(place).ok())) {
            command.env(PLACES, places);
        }
        run_as_invoker(&mut command);
        Self(command)
    }

    /// By a command that starts an interpreter, in the user and environment that it has. Only absolute places of its
    /// `PYTHONPATH` count; it is started in the root directory.
    pub fn by(mut command: Command) -> Self {
        command.current_dir("/");
        Self(command)
    }

    /// Has `code` run with `arguments`, and reads what it prints. `wanted` is given the time so far and says whether to
    /// go on.
    ///
    /// # Errors
    /// It cannot be started, does not end, writes too much, or is not wanted any more.
    pub fn ask(
        mut self,
        code: &str,
        arguments: &[&str],
        wanted: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<Answer, Silence> {
        self.0.args(["-I", "-c", &format!("{WIDEN}\n{code}")]).args(arguments);
        // Where root has dropped its rights, it could otherwise type into root's terminal.
        platform::without_terminal(&mut self.0);
        platform::end_with_us(&mut self.0);
        ask::answer(&mut self.0, ask::INTERPRETER, wanted)
    }
}

/// The answer's line after `mark`, or what the interpreter said instead.
///
/// # Errors
/// The exit status and the last line that it printed.
pub fn marked<'a>(answer: &'a Answer, mark: &str) -> Result<&'a str, String> {
    let line = answer.output.lines().find_map(|line| line.strip_prefix(mark));
    line.ok_or_else(|| {
        let said = answer.errors.lines().rev().find(|line| !line.trim().is_empty());
        format!("{}; {}", answer.status, said.unwrap_or("it said nothing"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_leads_a_session_of_its_own_and_has_no_terminal() {
        let code = "print(os.getsid(0) == os.getpid(), sys.flags.isolated, os.getcwd())\n\
                    try:\n open('/dev/tty')\nexcept OSError: print('none')";
        let question = Question::by(Command::new("python3"));
        let answer = question.ask(code, &[], &mut |_| true).unwrap();
        assert_eq!(answer.output, "True 1 /\nnone\n", "{}", answer.errors);
    }

    #[test]
    fn what_the_environment_adds_is_searched_behind_the_standard_library() {
        let place = tempfile::tempdir().unwrap();
        for name in ["json", "added_by_the_environment"] {
            std::fs::write(place.path().join(format!("{name}.py")), "WHOSE = 'the environment'").unwrap();
        }
        let mut command = Command::new("python3");
        let places = std::env::join_paths([Path::new("relative"), place.path()]).unwrap();
        command.env("PYTHONPATH", places).env("PYTHONNOUSERSITE", "1");
        let code = "import json, added_by_the_environment as added\n\
                    print(hasattr(json, 'WHOSE'), added.WHOSE, 'relative' in sys.path)";
        let answer = Question::by(command).ask(code, &[], &mut |_| true).unwrap();
        assert_eq!(answer.output, "False the environment False\n", "{}", answer.errors);
    }
}
