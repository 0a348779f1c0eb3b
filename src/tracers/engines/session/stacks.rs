//! DTrace at work with a script that prints stacks at its end.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::{ARM_PATIENCE, Session, check_numbers};
use crate::machine::platform;
use crate::model::error::Error;
use crate::tracers::engines::tools::Tool;

/// What DTrace prints once the script's probes are on, which it does not say by itself. Its output is looked at twenty
/// times a second, so that little is sampled before that is known.
const BEGUN: &str = "begun\n";
const TELLS: &str = "\n#pragma D option switchrate=20hz\ndtrace:::BEGIN { printf(\"begun\\n\"); }\n";

impl Session {
    /// Starts DTrace on process `pid` with `script`, and waits until that is at work.
    ///
    /// # Errors
    /// Too few rights, or a script that does not begin: with DTrace's own words.
    pub fn stacks(tool: &Tool, pid: u32, script: &str, interrupted: &dyn Fn() -> bool) -> Result<Self, Error> {
        check_numbers(tool.tracer, pid)?;
        let no_place = |error| {
            Error::new("there is no place for DTrace's script and its output")
                .caused_by(error)
                .help("free disk space, or set TMPDIR to a directory that can be written to")
        };
        let directory = platform::private_directory("raptors-trace-dtrace-").map_err(no_place)?;
        let program = directory.path().join("program");
        fs::write(&program, script.to_owned() + TELLS).map_err(no_place)?;
        let printed = directory.path().join("printed");
        let mut session = Self::spawn(tool, pid, &program, Some(&printed), directory)?;
        let deadline = Instant::now() + ARM_PATIENCE;
        while !session.print().starts_with(BEGUN) {
            if session.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(session.failure("ended before it sampled"));
            }
            if interrupted() {
                return Err(session.failure("was interrupted before it sampled"));
            }
            if Instant::now() > deadline {
                let seconds = ARM_PATIENCE.as_secs();
                return Err(session.failure(&format!("did not begin to sample in {seconds} s")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(session)
    }

    /// Ends DTrace, and gives what the script printed and what DTrace said beside it.
    ///
    /// # Errors
    /// When DTrace did not end well.
    pub fn printed(mut self) -> Result<(String, String), Error> {
        let Some(status) = self.ended() else {
            self.kill();
            return Err(self.failure("did not end when it was told to"));
        };
        if !status.success() {
            return Err(self.failure(&format!("failed ({status})")));
        }
        let said = std::mem::replace(&mut self.complaints, thread::spawn(String::new)).join();
        let text = self.print();
        let text = text.strip_prefix(BEGUN).unwrap_or(&text).to_owned();
        Ok((text, said.unwrap_or_default()))
    }

    fn print(&self) -> String {
        let path: PathBuf = self.directory.path().join("printed");
        let bytes = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
