//! The driver's process: started with the spec on its standard input, followed line by line, seen to its end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use serde::Deserialize;

use super::Progress;
use super::spec::Spec;
use super::tracing::Tracing;
use crate::cli::options::CompareOptions;
use crate::error::{Error, Exit};
use crate::interpreter::Interpreter;

/// How the driver came to its end.
pub enum Ending {
    /// Everything was run.
    Finished,
    /// The user pressed Ctrl-C; what was measured until then is in the run file.
    Interrupted,
    /// It said what was wrong.
    Failed(Error),
    /// It said nothing: killed, or crashed.
    Died(Error),
}

/// One line of the driver.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Started {},
    Case {
        case: usize,
        stage: String,
        #[serde(default)]
        block: f64,
        #[serde(default)]
        blocks: f64,
    },
    Error {
        kind: String,
        text: String,
        #[serde(default)]
        detail: String,
    },
    Ready {
        tracer: usize,
        pid: u32,
    },
    Traced {
        tracer: usize,
    },
    Interrupted {},
    Finished {},
}

/// Runs the driver to its end.
///
/// # Errors
/// When it cannot be started at all.
pub fn run(
    interpreter: &Interpreter,
    options: &CompareOptions,
    spec: &Spec,
    progress: &mut dyn Progress,
) -> Result<Ending, Error> {
    // Ctrl-C reaches the driver as well, which ends its recording; this process waits for that.
    let interrupted = Arc::new(AtomicBool::new(false));
    let registered =
        signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&interrupted))
            .map_err(internal)?;
    let ending = start(interpreter, options).and_then(|mut child| {
        let stdin = child.stdin.take().expect("asked for above");
        let spec_line = serde_json::to_string(spec).map_err(internal)? + "\n";
        let answers = send(stdin, spec_line);
        let outcome = follow(&mut child, spec, &answers, progress);
        let status = child.wait().map_err(internal)?;
        Ok(judge(outcome, status, interrupted.load(Ordering::SeqCst)))
    });
    signal_hook::low_level::unregister(registered);
    ending
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new("the driver could not be followed").caused_by(error)
}

fn start(interpreter: &Interpreter, options: &CompareOptions) -> Result<Child, Error> {
    let mut command = Command::new(&interpreter.path);
    command
        .args(["-m", "raptors_trace._driver"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(threads) = options.threads {
        command.env("RAPTORS_THREADS", threads.to_string());
    }
    command.spawn().map_err(|error| {
        Error::new(format!(
            "`{}` could not be started",
            interpreter.path.display()
        ))
        .caused_by(error)
    })
}

/// Writes the spec, and later answers, from a thread of its own: a driver that dies early must not block or kill this
/// process. The driver's input is closed once nobody can answer any more.
fn send(mut stdin: ChildStdin, spec: String) -> Sender<String> {
    let (answers, lines) = mpsc::channel();
    let _ = answers.send(spec);
    thread::spawn(move || {
        for line in lines {
            if stdin
                .write_all(line.as_bytes())
                .and_then(|()| stdin.flush())
                .is_err()
            {
                return;
            }
        }
    });
    answers
}

/// Reads events until the driver closes its output; the last error or interruption it told of.
fn follow(
    child: &mut Child,
    spec: &Spec,
    answers: &Sender<String>,
    progress: &mut dyn Progress,
) -> Option<Event> {
    let mut last = None;
    let mut tracing = Tracing::new(spec);
    let stdout = child.stdout.take().expect("asked for above");
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Event::Case {
                case,
                stage,
                block,
                blocks,
            }) => tell(spec, case, &stage, block / blocks.max(1.0), progress),
            Ok(Event::Started {}) => {
                progress.update(0.0, "importing NumPy and looking for its loops")
            }
            Ok(Event::Ready { tracer, pid }) => {
                progress.update(1.0, "starting a tracer");
                let _ = answers.send(tracing.ready(tracer, pid));
            }
            Ok(Event::Traced { tracer }) => {
                let _ = answers.send(tracing.traced(tracer));
            }
            Ok(event) => last = Some(event),
            Err(_) => {}
        }
    }
    last
}

fn tell(spec: &Spec, index: usize, stage: &str, part: f64, progress: &mut dyn Progress) {
    let total: f64 = spec.cases.iter().map(|case| case.seconds).sum();
    let Some(case) = spec.cases.get(index) else {
        return;
    };
    let before: f64 = spec.cases[..index].iter().map(|case| case.seconds).sum();
    let shape: Vec<String> = case.shape.iter().map(u64::to_string).collect();
    let kept = match case.results {
        crate::comparison::Results::Kept => ", results kept",
        crate::comparison::Results::Dropped => "",
    };
    let text = format!(
        "{} {}{kept}: {stage}",
        case.name.as_str(),
        shape.join(" × ")
    );
    progress.update((before + case.seconds * part) / total, &text);
}

fn judge(last: Option<Event>, status: ExitStatus, interrupted: bool) -> Ending {
    match last {
        Some(Event::Finished {}) if status.success() => Ending::Finished,
        Some(Event::Error { kind, text, detail }) => Ending::Failed(failure(&kind, text, detail)),
        Some(Event::Interrupted {}) => Ending::Interrupted,
        _ if interrupted => Ending::Interrupted,
        _ => Ending::Died(
            Error::new(format!(
                "the driver ended before its work was done ({status})"
            ))
            .mend("run it again; what it wrote to standard error says more"),
        ),
    }
}

fn failure(kind: &str, text: String, detail: String) -> Error {
    let error = Error::new(text);
    let error = if detail.is_empty() {
        error
    } else {
        error.detail(detail)
    };
    match kind {
        "different" => {
            error.mend("compare statements that compute the same, or give --allow-different")
        }
        "unobservable" => error.exit(Exit::NothingObserved),
        "recording" => error.mend("free space, or give another place with --save FILE or TMPDIR"),
        _ => error,
    }
}
