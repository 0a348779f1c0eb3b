//! A tool at work: started, waited for until it is armed, followed, ended, and what it said read. The one way to run a
//! tool, whatever it is asked to see.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::leftovers;
use super::losses;
use super::tool::{Description, describe};
use crate::machine::command::ourselves_as_root;
use crate::machine::pipe;
use crate::machine::platform;
use crate::model::error::Error;
use crate::model::tool::Tool;

/// How often a tool is looked after.
const STEP: Duration = Duration::from_millis(20);

/// A tool that runs. It is ended where it is dropped, politely first: a killed DTrace leaves its probes in the kernel.
#[must_use]
pub struct Session {
    tool: Tool,
    child: Child,
    output: Option<JoinHandle<String>>,
    said: Option<JoinHandle<String>>,
    /// Functions it watches, for each of which it may take longer to end.
    pub functions: usize,
}

/// What a tool left that has ended.
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, where that was a pipe.
    pub output: String,
    /// Its standard error, where that was a pipe.
    pub said: String,
}

impl Ended {
    /// What the tool says that it lost, one sentence for each kind.
    pub fn losses(&self, tool: Tool) -> Vec<String> {
        losses::told(tool, &self.output, &self.said)
    }
}

impl Session {
    /// Starts a tool. What `command` has as pipes is read aside.
    ///
    /// # Errors
    /// When its program cannot be started.
    pub fn start(tool: Tool, command: &mut Command) -> Result<Self, Error> {
        platform::mind_interrupts(command);
        let mut child =
            command.spawn().map_err(|error| Error::new(format!("{tool} could not be started")).caused_by(error))?;
        let output = child.stdout.take().map(|pipe| pipe::read_aside(Some(pipe)));
        let said = child.stderr.take().map(|pipe| pipe::read_aside(Some(pipe)));
        Ok(Self { tool, child, output, said, functions: 0 })
    }

    /// Waits until the tool sees what it is to see; `armed` says how far it is where it does not yet.
    ///
    /// # Errors
    /// It ended, its patience is over, or `interrupted` says so: with the tool's own words. The tool is ended.
    pub fn wait_until_armed(
        &mut self,
        interrupted: &dyn Fn() -> bool,
        armed: &mut dyn FnMut() -> Result<(), String>,
    ) -> Result<(), Error> {
        let patience = self.describe().arm_patience;
        let deadline = Instant::now() + patience;
        while let Err(far) = armed() {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.clean();
                return Err(self.failure(&format!("ended before it was armed ({status})")));
            }
            if interrupted() {
                return Err(self.failure("was interrupted before it was armed"));
            }
            if Instant::now() > deadline {
                return Err(self.failure(&format!("was not armed after {} s: {far}", patience.as_secs())));
            }
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// Lets the tool watch process `pid` until the time is over, `interrupted` or the process has ended, and looks
    /// after them by `look`, which is given the time so far and tells whether there is nothing more to see. Whether
    /// that, or the process's end, was why.
    pub fn watch(
        &mut self,
        pid: u32,
        time: Duration,
        interrupted: &dyn Fn() -> bool,
        look: &mut dyn FnMut(Duration) -> bool,
    ) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < time && !interrupted() {
            // bpftrace and DTrace end with their process.
            if look(begun.elapsed()) || platform::reach(pid) == platform::Reach::Gone || self.has_ended() {
                return true;
            }
            thread::sleep(STEP);
        }
        false
    }

    /// Follows a tool that ends by itself, looking after things by `look`. Where `interrupted` says so, it is told once
    /// to end early, as some take a second time for a wish to lose everything; `apart`: it does not hear of Ctrl-C
    /// itself.
    ///
    /// # Errors
    /// When its end cannot be seen.
    pub fn follow(
        mut self,
        apart: bool,
        interrupted: &dyn Fn() -> bool,
        look: &mut dyn FnMut(),
    ) -> Result<Ended, Error> {
        let mut told = !apart;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|error| self.unseen(error))? {
                return Ok(self.left(status));
            }
            if interrupted() && !told {
                platform::interrupt(&self.child);
                told = true;
            }
            look();
            thread::sleep(STEP);
        }
    }

    /// Ends the tool, and gives what it left.
    ///
    /// # Errors
    /// When it did not end, or not well where it has to: with its own words.
    pub fn end(mut self) -> Result<Ended, Error> {
        let Some(status) = self.ended() else {
            self.kill();
            return Err(self.failure("did not end when it was told to"));
        };
        if self.describe().ends_well && !status.success() {
            self.clean();
            return Err(self.failure(&format!("failed ({status})")));
        }
        Ok(self.left(status))
    }

    /// An error with what the tool itself said. The tool is ended.
    pub fn failure(&mut self, what: &str) -> Error {
        self.end_anyhow();
        failure(self.tool, what, &text(self.said.take()))
    }

    /// Whether the tool runs no more.
    fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_some())
    }

    fn describe(&self) -> &'static Description {
        describe(self.tool)
    }

    fn left(&mut self, status: ExitStatus) -> Ended {
        Ended { status, output: text(self.output.take()), said: text(self.said.take()) }
    }

    fn unseen(&self, error: io::Error) -> Error {
        Error::new(format!("{} cannot be waited for", self.tool)).caused_by(error)
    }

    fn end_anyhow(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }

    /// Tells the tool to end, and waits for it; `None` where it does not.
    fn ended(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        let about = self.describe();
        let functions = u32::try_from(self.functions).unwrap_or(u32::MAX);
        let patience = about.end_patience + about.end_patience_each.saturating_mul(functions);
        if about.interrupted_again {
            return platform::interrupt_until_it_ends(&mut self.child, patience);
        }
        platform::interrupt(&self.child);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(STEP);
        }
        None
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.clean();
    }

    /// Removes what a tool that did not end well left in the kernel, whoever killed it.
    fn clean(&self) {
        if self.describe().leaves_probes {
            // What cannot be removed is for `doctor --clean`; there is nothing to be done about it here.
            let _ = leftovers::clean(Some(self.child.id()));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_anyhow();
    }
}

/// An error of a tool, with the last of its own words as the cause.
pub fn failure(tool: Tool, what: &str, said: &str) -> Error {
    let error = Error::new(format!("{tool} {what}"));
    let error = match describe(tool).needs_root {
        true if platform::is_root() => error,
        true => error.help(format!("run it as root: {}", ourselves_as_root("…"))),
        false => error.help("raptors-trace doctor tells what is missing here"),
    };
    match said.trim() {
        "" => error,
        said => error.caused_by(io::Error::other(last_lines(said))),
    }
}

/// A private directory for what a tool reads and writes, gone when dropped.
///
/// # Errors
/// Where there is no place for it.
pub fn directory(tool: Tool) -> Result<TempDir, Error> {
    platform::private_directory(&format!("raptors-trace-{tool}-")).map_err(|error| no_place(tool, error))
}

/// What is said where a tool's files cannot be written.
pub fn no_place(tool: Tool, error: io::Error) -> Error {
    Error::new(format!("there is no place for the files of {tool}"))
        .caused_by(error)
        .help("free disk space, or set TMPDIR to a writable directory")
}

fn text(reading: Option<JoinHandle<String>>) -> String {
    reading.and_then(|reading| reading.join().ok()).unwrap_or_default()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines[lines.len().saturating_sub(4)..].join("; ")
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn stand_in(tool: Tool, script: &str) -> Session {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Session::start(tool, platform::in_own_group(&mut command)).unwrap()
    }

    /// A stand-in that minds SIGINT, and the file it makes once it does: a signal before that ends the shell.
    fn minding(tool: Tool, on_interrupt: &str, then: &str) -> (Session, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let ready = directory.path().join("ready");
        let session = stand_in(tool, &format!("trap '{on_interrupt}' INT; : > '{}'; {then}", ready.display()));
        (session, directory)
    }

    #[test]
    fn a_tool_that_ends_well_has_its_losses_told() {
        let looped = "while :; do sleep 0.01; done";
        let (session, directory) = minding(Tool::Bpftrace, "echo \"Lost 3 events\"; exit 0", looped);
        while !directory.path().join("ready").exists() {
            thread::sleep(STEP);
        }
        let ended = session.end().unwrap();
        assert!(ended.status.success());
        assert_eq!(ended.losses(Tool::Bpftrace).len(), 1, "{}", ended.output);
    }

    #[test]
    fn a_tool_that_ends_before_it_is_armed_is_told_in_its_words() {
        let mut session = stand_in(Tool::Bpftrace, "echo no BTF >&2; exit 3");
        let error = session.wait_until_armed(&|| false, &mut || Err("never".to_owned())).unwrap_err();
        assert!(
            error.in_a_line().contains("bpftrace ended before it was armed (exit status: 3): no BTF"),
            "{}",
            error.in_a_line()
        );
    }

    #[test]
    fn perf_ends_by_the_signal_it_is_sent_and_bpftrace_fails_then() {
        assert!(stand_in(Tool::Perf, "exec sleep 60").end().is_ok());
        let error = stand_in(Tool::Bpftrace, "exec sleep 60").end().err().unwrap();
        assert!(error.to_string().starts_with("bpftrace failed (signal: 2"), "{error}");
    }

    #[test]
    fn a_tool_that_ends_by_itself_is_interrupted_once() {
        let looped = "for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done; exit 4";
        let (session, directory) = minding(Tool::Sample, "echo told", looped);
        let ready = directory.path().join("ready");
        let ended = session.follow(true, &|| ready.exists(), &mut || ()).unwrap();
        assert_eq!(ended.status.code(), Some(4));
        assert!(ended.output.matches("told").count() <= 1);
    }
}
