//! Starts other programs: without a shell, without input, with a time limit; their output is treated as hostile.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The time limit for printing a version; a cold start on a busy machine takes seconds.
pub const SHORT: Duration = Duration::from_secs(10);
/// The time that an interrupted program gets to clean up.
const GRACE: Duration = Duration::from_secs(3);
/// The time for its last output after it has ended; a grandchild may keep the pipe open forever.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The largest output that is read.
const MOST: u64 = 1 << 20;

/// A program's answer.
#[derive(Debug)]
pub struct Answer {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

/// The reason that a program gave no answer.
#[derive(Debug)]
pub enum Silence {
    /// It cannot be started.
    NotStarted(std::io::Error),
    /// It was stopped at the time limit; its process had this number.
    Hung(u32, Duration),
}

impl Silence {
    /// The sentence about it, after the program's name.
    pub fn sentence(&self) -> String {
        match self {
            Self::NotStarted(error) => format!("cannot be started: {error}"),
            Self::Hung(_, patience) => format!("did not answer within {} s", patience.as_secs()),
        }
    }
}

impl Answer {
    /// The most informative line of a failure: the last one of standard error, else of standard output. Escaped and
    /// shortened.
    pub fn said(&self) -> String {
        let last = |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
        let line = last(&self.errors).or_else(|| last(&self.output));
        line.map_or_else(|| format!("it printed nothing and ended with {}", self.status), |line| quote(&line))
    }
}

/// A foreign program's text in a form that is safe to show.
pub fn quote(words: &str) -> String {
    const MOST_SHOWN: usize = 160;
    let words = words.trim();
    let cut: String = words.chars().take(MOST_SHOWN).collect();
    let sign = if cut.len() < words.len() { "..." } else { "" };
    format!("{}{sign}", crate::model::text::escape(&cut))
}

/// Whether there is an executable file.
pub fn can_run(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Starts a program and waits for its end. After the time limit it is interrupted, so that it can clean up (a killed
/// DTrace leaves its probes in the kernel), then killed with all its children.
///
/// # Errors
/// It cannot be started or does not end.
pub fn ask(program: &Path, args: &[impl AsRef<OsStr>], patience: Duration) -> Result<Answer, Silence> {
    let mut child = Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(Silence::NotStarted)?;
    let output = drain(child.stdout.take());
    let errors = drain(child.stderr.take());
    let Some(status) = wait(&mut child, patience) else {
        let number = child.id();
        stop(&mut child);
        return Err(Silence::Hung(number, patience));
    };
    Ok(Answer {
        status,
        output: output.recv_timeout(LAST_WORDS).unwrap_or_default(),
        errors: errors.recv_timeout(LAST_WORDS).unwrap_or_default(),
    })
}

/// Reads a pipe to its end on a thread, so that a full pipe never stops the program.
fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // A broken pipe leaves what was read, and that is judged by what it says.
            let _ = pipe.take(MOST).read_to_end(&mut bytes);
        }
        // If the program hung, nothing waits for it any more.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// The program's exit status, or `None` if it does not end.
fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if started.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn stop(child: &mut Child) {
    signal_group(child, libc::SIGINT);
    if wait(child, GRACE).is_none() {
        signal_group(child, libc::SIGKILL);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn signal_group(child: &Child, signal: libc::c_int) {
    let Ok(group) = libc::pid_t::try_from(child.id()) else {
        return;
    };
    // SAFETY: kill touches no memory. The group is the child's own, made at its start, and the child has not been
    // waited for yet, so its number cannot belong to anybody else.
    unsafe { libc::kill(-group, signal) };
}

/// The first number with at least one point in a text: `0.17.0` in `bpftrace v0.17.0-dirty`.
pub fn version_in(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    text.split(|c| !is_part(c)).map(|run| run.trim_matches('.')).find(|run| run.contains('.')).map(str::to_owned)
}

/// The first two numbers of a version, for comparisons.
pub fn major_minor(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<Answer, Silence> {
        ask(Path::new("/bin/sh"), &["-c", script], patience)
    }

    #[test]
    fn output_errors_and_status_come_back() {
        let answer = shell("echo out; echo 'a\nlast \x1b[2J' >&2; exit 3", SHORT).unwrap();
        assert_eq!((answer.status.code(), answer.output.as_str()), (Some(3), "out\n"));
        assert_eq!(answer.said(), "last \\x1b[2J");
    }

    #[test]
    fn more_output_than_a_pipe_holds_stops_nobody() {
        let answer = shell("head -c 300000 /dev/zero", SHORT).unwrap();
        assert_eq!(answer.output.len(), 300_000);
    }

    #[test]
    fn what_hangs_is_killed_with_all_it_started_even_where_it_ignores_the_interrupt() {
        let hang = "trap '' INT; sleep 1000 & wait; wait";
        let Err(silence) = shell(hang, Duration::from_millis(300)) else {
            panic!("it ended");
        };
        let Silence::Hung(number, _) = silence else {
            panic!("{silence:?}");
        };
        // SAFETY: signal 0 only asks whether anybody of the group is still there.
        let there = || unsafe { libc::kill(-libc::pid_t::try_from(number).unwrap(), 0) } == 0;
        let until = Instant::now() + SHORT;
        while there() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!there(), "its child lives on");
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipe_is_not_waited_for() {
        let answer = shell("sleep 7 & echo done", SHORT).unwrap();
        assert!(answer.status.success());
    }

    #[test]
    fn what_is_not_there_is_said() {
        let silence = ask(Path::new("/nowhere/x"), &["-V"], SHORT).unwrap_err();
        assert!(silence.sentence().starts_with("cannot be started: "), "{silence:?}");
    }

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(version_in("bpftrace v0.17.0-1\n").unwrap(), "0.17.0");
        assert_eq!(version_in("perf version 6.1.187").unwrap(), "6.1.187");
        assert_eq!(version_in("... 7 8. garbage"), None);
        assert!(major_minor("0.9") < (0, 17) && major_minor("0.17.0") == (0, 17));
        assert!(major_minor("1.0") > (0, 17));
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(quote(&"x".repeat(500)).len(), 163);
    }
}
