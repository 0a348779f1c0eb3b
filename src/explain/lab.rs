//! A laboratory: a Python process that runs rounds of both sides with switches on. `python/raptors_trace/_lab.py` is
//! the other end.

use std::error::Error as _;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::switch::Switches;
use crate::machine::interpreter::Interpreter;
use crate::machine::interrupt::{Interrupt, too_early};
use crate::machine::platform;
use crate::model::error::Error;
use crate::model::protocol::{
    AllArmed, ArmSpec, Armed, CaseSpec, Difference, Done, LabSpec, Question, Refused, RoundCost, RoundCosts, Seen, Side,
};
use crate::run::driver;
use crate::run::options::CompareOptions;

/// The interval at which an interrupt is checked while waiting for an answer.
const STEP: Duration = Duration::from_millis(50);
/// The intended duration of a round: long enough for its start not to matter, short enough for some to be undisturbed.
pub const ROUND: Duration = Duration::from_millis(4);
/// The time that a process gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// The settings of every laboratory of one case.
pub struct Setting<'a> {
    /// The Python.
    pub interpreter: &'a Interpreter,
    /// The options.
    pub options: &'a CompareOptions,
    /// The subject of both sides.
    pub case: &'a CaseSpec,
    /// The user's interrupt.
    pub interrupt: &'a Interrupt,
}

/// An arm that is to be set up.
pub struct Arm<'a> {
    /// The number it gets.
    pub number: usize,
    /// Which side.
    pub side: Side,
    /// What is thrown for it.
    pub switches: &'a Switches,
}

/// The end of a laboratory's process in the middle of its work.
#[derive(Debug)]
struct Ended(ExitStatus);

impl std::error::Error for Ended {}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Ended {
    /// What the side did, as a verb.
    fn did(&self) -> &'static str {
        if self.0.signal().is_some() { "crashed" } else { "ended its process" }
    }

    fn of(error: &Error) -> Option<&Self> {
        error.source()?.downcast_ref()
    }
}

/// Why an experiment was not possible, if its error is the end of the side's process; nothing for another error.
pub fn not_possible(error: &Error) -> Option<String> {
    let end = Ended::of(error)?;
    Some(format!("not possible: the side {} with it ({end})", end.did()))
}

/// The same error, but for the end of a process without any switch: a sentence that names the side.
pub fn without_experiment(error: Error, side: &str) -> Error {
    let Some(end) = Ended::of(&error) else { return error };
    Error::new(format!("`{side}` {} without any experiment ({end})", end.did()))
        .help("run its setup and statement alone, many times, in a Python of their own under a debugger")
}

/// The process. Between two requests it is stopped if the system can do that, so that threads that a side or a library
/// has left running do not disturb another process's rounds. Dropping this ends it.
pub struct Lab<'a> {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    setting: &'a Setting<'a>,
    stands_still: bool,
    /// The bytes of what switches have replaced in it.
    kept_bytes: u64,
}

impl<'a> Lab<'a> {
    /// Starts one whose process-wide switches are those of `switches`.
    ///
    /// # Errors
    /// When it cannot be started, a switch cannot be thrown, or the user asked to end.
    pub fn start(setting: &'a Setting<'a>, switches: &Switches) -> Result<Self, Error> {
        let (interpreter, options) = (setting.interpreter, setting.options);
        let mut command = driver::command(interpreter, options, "raptors_trace._lab");
        // A setup that prints would do so dozens of times.
        if !options.verbose {
            command.stderr(Stdio::null());
        }
        for (name, value) in &switches.environment {
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
        let mut lab = Self { child, stdin, lines, setting, stands_still: false, kept_bytes: 0 };
        lab.ask::<Done>(&LabSpec { process: switches.process.clone(), case: setting.case.clone() })?;
        Ok(lab)
    }

    /// Sets arms up, their arrays placed according to `placement`, which also turns the order of setting up. The
    /// answers are in the order of `arms`.
    ///
    /// # Errors
    /// When a side cannot be run so.
    pub fn set_up(&mut self, arms: &[Arm<'_>], placement: usize, round: Duration) -> Result<Vec<Armed>, Error> {
        let shape = &self.setting.case.shape;
        let arms = arms.iter().map(|arm| ArmSpec {
            arm: arm.number,
            side: arm.side,
            switches: arm.switches.arm.clone(),
            passes: arm.switches.passes,
            shape: arm.switches.shape.as_ref().unwrap_or(shape).clone(),
        });
        let arms: Vec<ArmSpec> = arms.collect();
        let number = arms.len();
        let question = Question::SetUp { arms, placement, round_ns: round.as_nanos() as u64 };
        let AllArmed { arms: armed, kept_bytes } = self.ask(&question)?;
        self.kept_bytes = kept_bytes;
        if armed.len() == number { Ok(armed) } else { Err(Error::new("the laboratory has set up other arms")) }
    }

    /// The bytes of what switches have replaced in this process: that stays alive, as somebody may know its address.
    pub fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// One round of each of these arms, in this order.
    ///
    /// # Errors
    /// A statement raises an exception, or the process ends.
    pub fn rounds(&mut self, arms: &[usize]) -> Result<Vec<RoundCost>, Error> {
        Ok(self.ask::<RoundCosts>(&Question::Rounds { arms: arms.to_vec() })?.rounds)
    }

    /// Examines an arm's side.
    ///
    /// # Errors
    /// As for [`Lab::rounds`].
    pub fn survey(&mut self, arm: usize) -> Result<Seen, Error> {
        self.ask(&Question::Survey { arm })
    }

    /// The difference between the values of two arms; nothing if they are equal except for rounding.
    ///
    /// # Errors
    /// As for [`Lab::rounds`].
    pub fn difference(&mut self, arm: usize, other: usize) -> Result<Option<String>, Error> {
        Ok(self.ask::<Difference>(&Question::Same { arm, other })?.difference)
    }

    /// Drops arms.
    ///
    /// # Errors
    /// As for [`Lab::rounds`].
    pub fn drop_arms(&mut self, arms: &[usize]) -> Result<(), Error> {
        self.ask::<Done>(&Question::Drop { arms: arms.to_vec() }).map(drop)
    }

    /// Whether the process still runs, and the user has not interrupted.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) && !self.setting.interrupt.asked()
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &impl Serialize) -> Result<T, Error> {
        self.go_on();
        let text = driver::line(question);
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
        if answer.get("error").is_some() {
            let refused: Refused = serde_json::from_value(answer).map_err(internal)?;
            return Err(Error::new(refused.error));
        }
        serde_json::from_value(answer).map_err(internal)
    }

    fn go_on(&mut self) {
        if std::mem::take(&mut self.stands_still) {
            platform::go_on(&self.child);
        }
    }

    fn died(&mut self) -> Error {
        let Some(status) = self.end() else {
            return Error::new("the laboratory process cannot be waited for");
        };
        // The command ends it, too, if the user interrupts.
        let error = Error::new("the laboratory process ended early");
        if self.setting.interrupt.asked() { error } else { error.caused_by(Ended(status)) }
    }

    /// Closes its input, waits for it, and kills it if that takes too long.
    fn end(&mut self) -> Option<ExitStatus> {
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
