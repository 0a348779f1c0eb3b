//! Running other programs: their output is kept, shown when they fail, and logged.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use crate::project::Project;

/// One piece of work made of several programs, with notes for the end.
pub struct Session<'a> {
    /// The clone.
    pub project: &'a Project,
    verbose: bool,
    polite: bool,
    variable: Option<(&'static str, &'static str)>,
    log: Option<File>,
    notes: Vec<String>,
}

/// A program that failed, with everything it printed.
#[derive(Debug)]
pub struct Failed {
    line: String,
    status: ExitStatus,
    /// Both of its streams, in the order of their lines.
    pub output: String,
    /// Whether the output was shown as it came.
    shown: bool,
}

impl<'a> Session<'a> {
    /// A session that shows the output of its programs as it comes if `verbose`, else only after a failure.
    pub fn new(project: &'a Project, verbose: bool) -> Session<'a> {
        Session { project, verbose, polite: false, variable: None, log: None, notes: Vec::new() }
    }

    /// Work beside other work: its programs get what the others leave of the processor, and it says nothing until it
    /// is done.
    pub fn beside(project: &'a Project) -> Session<'a> {
        Session { polite: true, ..Session::new(project, false) }
    }

    /// Sets an environment variable for every program.
    pub fn with_variable(self, name: &'static str, value: &'static str) -> Session<'a> {
        Session { variable: Some((name, value)), ..self }
    }

    /// Also writes every command and its output to `path`.
    pub fn log_to(&mut self, path: &Path) -> Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        self.log = Some(File::create(path).with_context(|| format!("cannot write {path:?}"))?);
        Ok(())
    }

    /// One line of progress.
    pub fn say(&self, line: impl fmt::Display) {
        if !self.polite {
            eprintln!("   {line}");
        }
    }

    /// A line to be repeated in the summary at the end.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// The notes of [`Session::note`].
    pub fn into_notes(self) -> Vec<String> {
        self.notes
    }

    /// Runs `command` to its end and returns its output.
    ///
    /// # Errors
    /// [`Failed`] in the chain if it does not end with success.
    pub fn run(&mut self, command: &mut Command) -> Result<String> {
        self.execute(command, self.verbose)
    }

    /// The same, with its output shown as it comes: for test runners.
    pub fn run_live(&mut self, command: &mut Command) -> Result<String> {
        self.execute(command, true)
    }

    fn execute(&mut self, command: &mut Command, live: bool) -> Result<String> {
        // What the command says itself counts.
        if let Some((name, value)) = self.variable
            && command.get_envs().all(|(own, _)| own != name)
        {
            command.env(name, value);
        }
        let mut polite;
        let command = if self.polite {
            polite = nice(command);
            &mut polite
        } else {
            command
        };
        let line = command_line(command);
        self.record(format_args!("$ {line}\n"));
        let name = command.get_program().to_owned();
        let (reader, writer) = io::pipe()?;
        command.stdin(std::process::Stdio::null()).stderr(writer.try_clone()?).stdout(writer);
        let mut child = command.spawn().with_context(|| format!("cannot start {name:?}"))?;
        // The parent's ends of the pipe have to be closed, or the reading below never ends.
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let output = self.collect(BufReader::new(reader), live)?;
        let status = child.wait()?;
        if status.success() {
            return Ok(output);
        }
        Err(Failed { line, status, output, shown: live }.into())
    }

    fn collect(&mut self, mut reader: impl BufRead, live: bool) -> io::Result<String> {
        let mut output = String::new();
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            if live {
                eprint!("{text}");
            }
            self.record(format_args!("{text}"));
            output.push_str(&text);
            line.clear();
        }
        Ok(output)
    }

    /// A log that cannot be written must not stop the recorded work.
    fn record(&mut self, text: fmt::Arguments<'_>) {
        if let Some(log) = &mut self.log {
            let _ = log.write_fmt(text);
        }
    }
}

/// The same command at the lowest priority.
fn nice(command: &Command) -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", "19"]).arg(command.get_program());
    nice.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => nice.env(name, value),
            None => nice.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        nice.current_dir(directory);
    }
    nice
}

impl Failed {
    /// The exit code; none where a signal ended the program.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed ({})", self.line, self.status)
    }
}

impl std::error::Error for Failed {}

/// The failed program that `error` is about, if there is one.
pub fn failed(error: &anyhow::Error) -> Option<&Failed> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// The output of the program that `error` is about, if there is one and it was not shown yet.
pub fn output_of(error: &anyhow::Error) -> Option<&str> {
    let failed = failed(error).filter(|failed| !failed.shown && !failed.output.is_empty());
    failed.map(|failed| failed.output.as_str())
}

/// `command` as a person would type it.
fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_come_back() {
        let project = Project::find();
        let output = Session::new(&project, false).run(&mut shell("echo out; echo err >&2"));
        assert_eq!(output.unwrap(), "out\nerr\n");
    }

    #[test]
    fn a_failure_carries_the_command_and_its_output() {
        let project = Project::find();
        let error = Session::new(&project, false).run(&mut shell("echo why; exit 3")).unwrap_err();
        assert_eq!(output_of(&error), Some("why\n"));
        assert_eq!(error.to_string(), "`sh -c 'echo why; exit 3'` failed (exit status: 3)");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let project = Project::find();
        let error = Session::new(&project, false).run(&mut Command::new("no-such-program"));
        assert_eq!(error.unwrap_err().to_string(), "cannot start \"no-such-program\"");
    }

    #[test]
    fn work_beside_other_work_is_the_same_at_the_lowest_priority() {
        let project = Project::find();
        let mut command = shell("echo $0 $WHO; pwd; nice");
        command.arg("a b").env("WHO", "me").current_dir("/");
        let output = Session::beside(&project).run(&mut command).unwrap();
        assert_eq!(output, "a b me\n/\n19\n");
    }

    #[test]
    fn every_program_gets_the_variable() {
        let project = Project::find();
        for session in [Session::new(&project, false), Session::beside(&project)] {
            let mut session = session.with_variable("WHO", "me");
            assert_eq!(session.run(&mut shell("echo $WHO")).unwrap(), "me\n");
            assert_eq!(session.run(shell("echo $WHO").env("WHO", "its own")).unwrap(), "its own\n");
        }
    }

    #[test]
    fn output_that_is_not_utf8_is_no_error() {
        let project = Project::find();
        let output = Session::new(&project, false).run(&mut shell(r"printf '\377\n'"));
        assert_eq!(output.unwrap(), "\u{fffd}\n");
    }
}
