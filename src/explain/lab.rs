//! A laboratory: a Python process that runs rounds of both sides with switches on. `python/raptors_trace/_lab.py` is
//! the other end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::switch::Switch;
use crate::machine::interpreter::Interpreter;
use crate::machine::interrupt::{Interrupt, too_early};
use crate::machine::platform;
use crate::model::error::Error;
use crate::run::options::CompareOptions;
use crate::run::{driver, spec};

/// The interval at which an interrupt is checked while waiting for an answer.
const STEP: Duration = Duration::from_millis(50);
/// The intended duration of a round: long enough for its start not to matter, short enough for some to be undisturbed.
pub const ROUND: Duration = Duration::from_millis(4);
/// The time that a process gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The reference.
    A,
    /// The side that is compared with it.
    B,
}

impl Side {
    /// Both, A first.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// The settings of every laboratory of one case.
pub struct Setting<'a> {
    /// The Python.
    pub interpreter: &'a Interpreter,
    /// The options.
    pub options: &'a CompareOptions,
    /// The subject of both sides.
    pub case: &'a spec::Case,
    /// The user's interrupt.
    pub interrupt: &'a Interrupt,
}

/// An arm that has been set up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Armed {
    /// The changes of each of its code and data switches, in words.
    pub changed: BTreeMap<String, Vec<String>>,
    /// Whether the setup makes its arrays from `shape` or `size`.
    pub sized: bool,
}

impl Armed {
    /// Whether any of its switches changed anything.
    pub fn changed_anything(&self) -> bool {
        self.changed.values().any(|changed| !changed.is_empty())
    }
}

/// One round, per operation.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Round {
    /// Wall time; minus the time that other programs had the processor, if the thread never waited.
    pub ns: f64,
    /// CPU time of all threads.
    pub cpu_ns: f64,
    /// Page faults.
    pub faults: f64,
}

/// Facts about a side.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Seen {
    /// Arrays with denormal numbers, in words.
    pub denormals: Vec<String>,
    /// Threads that Python code started in one operation.
    pub threads_started: u64,
    /// Threads that run Python code beside the computing one.
    pub python_threads: u64,
    /// The processor's frequency right after a round, GHz; none if it cannot be measured.
    pub ghz: Option<f64>,
}

/// The process. Between two requests it is stopped if the system can do that, so that threads that a side or a library
/// has left running do not disturb another process's rounds. Dropping this ends it.
pub struct Lab<'a> {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    setting: &'a Setting<'a>,
    stands_still: bool,
}

impl<'a> Lab<'a> {
    /// Starts a laboratory with the process-wide switches of `switch`.
    ///
    /// # Errors
    /// It cannot be started, a switch cannot be applied, or the user interrupted.
    pub fn start(setting: &'a Setting<'a>, switch: &Switch) -> Result<Self, Error> {
        let (interpreter, options) = (setting.interpreter, setting.options);
        let mut command = driver::command(interpreter, options, "raptors_trace._lab");
        // A setup that prints would do so dozens of times.
        if !options.verbose {
            command.stderr(Stdio::null());
        }
        for (name, value) in &switch.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = driver::spawn(&mut command, interpreter)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("asked for above");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut lab = Self { child, stdin, lines, setting, stands_still: false };
        lab.ask::<Value>(&json!({ "process": switch.process, "case": setting.case }))?;
        Ok(lab)
    }

    /// Sets an arm up, its arrays placed according to `placement`.
    ///
    /// # Errors
    /// The side cannot run this way.
    pub fn set_up(
        &mut self,
        arm: usize,
        side: Side,
        switch: &Switch,
        placement: usize,
        round: Duration,
    ) -> Result<Armed, Error> {
        let shape = switch.shape.as_ref().unwrap_or(&self.setting.case.shape);
        self.ask(&json!({
            "do": "set_up",
            "arm": arm,
            "side": side.name(),
            "switches": switch.arm,
            "placement": placement,
            "shape": shape,
            "round_ns": round.as_nanos() as u64,
        }))
    }

    /// One round of each of these arms, in this order.
    ///
    /// # Errors
    /// A statement raises an exception, or the process ends.
    pub fn rounds(&mut self, arms: &[usize]) -> Result<Vec<Round>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            rounds: Vec<Round>,
        }
        let answer: Answer = self.ask(&json!({ "do": "rounds", "arms": arms }))?;
        Ok(answer.rounds)
    }

    /// Examines an arm's side.
    ///
    /// # Errors
    /// As for [`Lab::rounds`].
    pub fn survey(&mut self, arm: usize) -> Result<Seen, Error> {
        self.ask(&json!({ "do": "survey", "arm": arm }))
    }

    /// The difference between the values of two arms; nothing if they are equal except for rounding.
    ///
    /// # Errors
    /// As for [`Lab::rounds`].
    pub fn difference(&mut self, arm: usize, other: usize) -> Result<Option<String>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            difference: Option<String>,
        }
        let answer: Answer = self.ask(&json!({ "do": "same", "arm": arm, "other": other }))?;
        Ok(answer.difference)
    }

    /// Drops arms.
    ///
    /// # Errors
    /// As for [`Lab::rounds`].
    pub fn drop_arms(&mut self, arms: &[usize]) -> Result<(), Error> {
        self.ask::<Value>(&json!({ "do": "drop", "arms": arms })).map(drop)
    }

    /// Whether the process still runs, and the user has not interrupted.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) && !self.setting.interrupt.asked()
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &Value) -> Result<T, Error> {
        self.go_on();
        let text = format!("{question}\n");
        let written = self.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(text.as_bytes()));
        if written.is_err() {
            return Err(self.died());
        }
        let line = loop {
            match self.lines.recv_timeout(STEP) {
                Ok(line) => break line,
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
                Err(RecvTimeoutError::Timeout) if self.setting.interrupt.asked() => {
                    return Err(too_early());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        self.stands_still = platform::stand_still(&self.child);
        self.setting.interrupt.check()?;
        let internal = |error| Error::new("the laboratory process gave an invalid answer").caused_by(error);
        let answer: Value = serde_json::from_str(&line).map_err(internal)?;
        if let Some(sentence) = answer.get("error").and_then(Value::as_str) {
            return Err(Error::new(sentence));
        }
        serde_json::from_value(answer).map_err(internal)
    }

    fn go_on(&mut self) {
        if std::mem::take(&mut self.stands_still) {
            platform::go_on(&self.child);
        }
    }

    fn died(&mut self) -> Error {
        let how = self.end().map_or_else(String::new, |status| format!(": {status}"));
        Error::new(format!("the laboratory process ended early{how}"))
    }

    /// Closes its input, waits for it, and kills it if that takes too long.
    fn end(&mut self) -> Option<std::process::ExitStatus> {
        self.go_on();
        self.stdin = None;
        let patience = if self.setting.interrupt.asked() { Duration::ZERO } else { PATIENCE };
        driver::end(&mut self.child, patience).ok().map(|(status, _)| status)
    }
}

impl Drop for Lab<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
