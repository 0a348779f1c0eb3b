//! The driver's process: started with the spec on its standard input, followed line by line, seen to its end.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::ending::{Death, Ending, judge};
use super::tracing::Tracing;
use super::{Progress, environment};
use crate::machine::interpreter::Interpreter;
use crate::machine::interrupt::Interrupt;
use crate::machine::invoker::run_as_invoker;
use crate::machine::platform;
use crate::model::error::Error;
use crate::model::protocol::{CaseSpec, Event, Go, Spec};
use crate::run::options::CompareOptions;
use crate::tracers::stacks::rounds::Sampling;

/// The interval at which the process and an interrupt are checked, in addition to the driver's lines.
const STEP: Duration = Duration::from_millis(50);
/// The time that the driver gets to end, after its last message or after the user's interrupt. A statement may be
/// inside a C function at that moment, or hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the driver to its end.
///
/// # Errors
/// When it cannot be started at all.
pub fn run(
    interpreter: &Interpreter,
    options: &CompareOptions,
    spec: &Spec,
    interrupt: &Interrupt,
    progress: &mut dyn Progress,
) -> Result<Ending, Error> {
    let mut child = start(interpreter, options)?;
    let answers = send(child.stdin.take().expect("asked for above"), line(spec));
    let stdout = child.stdout.take().expect("asked for above");
    let mut driver = Driver {
        child,
        events: listen(stdout),
        spec,
        place: None,
        answers,
        tracing: Tracing::new(spec),
        sampling: Sampling::new(spec.sampling.map_or(1, |sampling| sampling.frequency)),
    };
    let last = driver.follow(interrupt, progress);
    // A driver that was asked to end and did not, or that has closed its output silently, has had its time.
    let patience = if last.is_some() || !interrupt.asked() { PATIENCE } else { Duration::ZERO };
    let (status, by_us) = end(&mut driver.child, patience).map_err(internal)?;
    let death = Death { status, by_us, place: driver.place };
    Ok(judge(last, &death, interrupt.asked()))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new("the driver could not be followed").caused_by(error)
}

fn start(interpreter: &Interpreter, options: &CompareOptions) -> Result<Child, Error> {
    let mut command = command(interpreter, options, "raptors_trace._driver");
    platform::hold_interrupts(&mut command);
    spawn(&mut command, interpreter)
}

/// A command that runs one of this package's modules, communicates by standard input and output, and ends with this
/// process. Statements are their author's: under sudo it runs as the user who invoked sudo, not as root.
pub fn command(interpreter: &Interpreter, options: &CompareOptions, module: &str) -> Command {
    let mut command = Command::new(&interpreter.path);
    // -P: a `random.py` in the current directory is not the standard library's.
    command.args(["-P", "-m", module]).stdin(Stdio::piped()).stdout(Stdio::piped());
    run_as_invoker(&mut command);
    for variable in environment::withheld() {
        command.env_remove(variable);
    }
    if let Some(threads) = options.threads {
        command.env("RAPTORS_THREADS", threads.to_string());
    }
    platform::end_with_us(&mut command);
    command
}

/// Starts it.
///
/// # Errors
/// When the interpreter cannot be started.
pub fn spawn(command: &mut Command, interpreter: &Interpreter) -> Result<Child, Error> {
    command
        .spawn()
        .map_err(|error| Error::new(format!("`{}` could not be started", interpreter.path.display())).caused_by(error))
}

/// A message as one line: JSON escapes line ends inside of it.
pub fn line(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("texts and numbers are JSON") + "\n"
}

/// Writes the spec, and later answers, from a separate thread: a driver that dies early must not block or kill this
/// process. The driver's input is closed once no more answers can come.
fn send(mut stdin: ChildStdin, spec: String) -> Sender<String> {
    let (answers, lines) = mpsc::channel();
    let _ = answers.send(spec);
    thread::spawn(move || {
        for line in lines {
            let written = stdin.write_all(line.as_bytes());
            if written.and_then(|()| stdin.flush()).is_err() {
                return;
            }
        }
    });
    answers
}

fn barrier_text(pid: u32, seconds: Option<f64>) -> String {
    let timer = seconds.map_or(String::new(), |seconds| format!(", or in {seconds} s by itself"));
    format!(
        "the driver is process {pid}; it waits at its start, imported and warm. Attach now (raptors-trace attach {pid} \
         tells how), then press Enter, or: kill -USR1 {pid}{timer}"
    )
}

/// Passes a line from the user on as the command to start. The end of standard input does not count: there may be no
/// terminal.
fn go_on_at_enter(answers: Sender<String>) {
    thread::spawn(move || {
        let mut entered = String::new();
        if io::stdin().read_line(&mut entered).is_ok_and(|bytes| bytes > 0) {
            let _ = answers.send(line(&Go { go: true }));
        }
    });
}

/// Reads the driver's lines on a separate thread, so that nothing else has to wait for them. The thread outlives the
/// driver if a process that a statement left behind holds the pipe.
fn listen(stdout: ChildStdout) -> Receiver<Event> {
    let (tell, events) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let event = serde_json::from_str(&line).unwrap_or_else(|error| unknown(&line, &error));
            if tell.send(event).is_err() {
                return;
            }
        }
    });
    events
}

/// What the driver says and this command does not understand: they are of different versions.
fn unknown(line: &str, error: &serde_json::Error) -> Event {
    Event::Error {
        kind: "protocol".to_owned(),
        text: format!("the command and the package raptors_trace do not fit each other: {error} in `{line:.200}`"),
        detail: String::new(),
        fix: "install both from the same source: pip install .".to_owned(),
    }
}

struct Driver<'a> {
    child: Child,
    events: Receiver<Event>,
    spec: &'a Spec,
    /// The last known step.
    place: Option<String>,
    /// Lines for its input.
    answers: Sender<String>,
    tracing: Tracing,
    sampling: Sampling,
}

impl Driver<'_> {
    /// Follows the driver to its last message; nothing if it ended without one or, after an interrupt, took too long.
    fn follow(&mut self, interrupt: &Interrupt, progress: &mut dyn Progress) -> Option<Event> {
        let mut ended = false;
        let mut until: Option<Instant> = None;
        loop {
            match self.events.recv_timeout(STEP) {
                Ok(Event::Started {}) => self.see(0.0, "importing NumPy and looking for its loops".into(), progress),
                Ok(Event::Case { case, stage, block, blocks }) => {
                    self.see_case(case, &stage, block / blocks.max(1.0), progress);
                }
                Ok(Event::Waiting { pid, seconds }) => {
                    progress.announce(&barrier_text(pid, seconds));
                    go_on_at_enter(self.answers.clone());
                }
                Ok(Event::Ready { tracer, pid }) => {
                    self.see(1.0, "starting a tracer".into(), progress);
                    let answer = self.tracing.ready(tracer, pid, &|| interrupt.asked());
                    self.answer(&answer);
                }
                Ok(Event::Traced { tracer }) => {
                    let answer = self.tracing.traced(tracer);
                    self.answer(&answer);
                }
                Ok(Event::Sampling { pid }) => {
                    let answer = self.sampling.ready(pid, &|| interrupt.asked());
                    self.answer(&answer);
                }
                Ok(Event::Sampled { blocks }) => {
                    let answer = self.sampling.sampled(&blocks);
                    self.answer(&answer);
                }
                Ok(last) => return Some(last),
                Err(RecvTimeoutError::Disconnected) => return None,
                // If it ended before the wait, all its output has been read since.
                Err(RecvTimeoutError::Timeout) if ended => return None,
                Err(RecvTimeoutError::Timeout) => ended = !self.runs(),
            }
            if !interrupt.asked() {
                continue;
            }
            if until.is_none() && self.runs() {
                platform::interrupt(&self.child);
            }
            if Instant::now() > *until.get_or_insert_with(|| Instant::now() + PATIENCE) {
                return None;
            }
        }
    }

    /// Answers; a driver that is gone needs none.
    fn answer(&self, message: &impl Serialize) {
        let _ = self.answers.send(line(message));
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn see(&mut self, fraction: f64, place: String, progress: &mut dyn Progress) {
        progress.update(fraction, &place);
        self.place = Some(place);
    }

    fn see_case(&mut self, index: usize, stage: &str, part: f64, progress: &mut dyn Progress) {
        let cases = &self.spec.cases;
        let Some(case) = cases.get(index) else {
            return;
        };
        let seconds = |cases: &[CaseSpec]| cases.iter().map(|case| case.seconds).sum::<f64>();
        let fraction = (seconds(&cases[..index]) + case.seconds * part) / seconds(cases);
        self.see(fraction, format!("{}: {stage}", case.label()), progress);
    }
}

/// Waits for the end of the process, and kills it if that takes longer than `patience`; returns whether it was killed.
///
/// # Errors
/// It cannot be waited for, or killed.
pub fn end(child: &mut Child, patience: Duration) -> io::Result<(ExitStatus, bool)> {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, false));
        }
        if Instant::now() >= until {
            child.kill()?;
            return Ok((child.wait()?, true));
        }
        thread::sleep(Duration::from_millis(2));
    }
}
