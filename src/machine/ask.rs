//! Asks other programs: the one way to start a program for its answer. No shell, no input, no terminal, a time limit
//! and a limit for what it writes; its output is treated as hostile.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::machine::platform;

/// The time limit for printing a version; a cold start on a busy machine takes seconds.
pub const SHORT: Duration = Duration::from_secs(10);
/// The time limit of an interpreter: a cold start from a network drive takes seconds.
pub const INTERPRETER: Duration = Duration::from_secs(60);
/// The time that an interrupted program gets to clean up.
const GRACE: Duration = Duration::from_secs(3);
/// The time for its last output after it has ended; a grandchild may keep the pipe open forever.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often a program is looked after.
const STEP: Duration = Duration::from_millis(5);
/// The most that a program may write to one of its pipes, bytes: NumPy's loops are 0.4 MB.
const MOST: usize = 16 << 20;

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
    /// It was stopped because it wrote too much.
    Endless,
    /// It was stopped because whoever waited wanted no answer any more.
    Unwanted,
}

impl Silence {
    /// The sentence about it, after the program's name.
    pub fn sentence(&self) -> String {
        match self {
            Self::NotStarted(error) => format!("cannot be started: {error}"),
            Self::Hung(_, patience) => format!("did not answer within {} s", patience.as_secs()),
            Self::Endless => format!("wrote more than {} MiB, which is no answer", MOST >> 20),
            Self::Unwanted => "was interrupted".to_owned(),
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

/// Starts a program that speaks English and waits for its end, as [`answer`] does.
///
/// # Errors
/// It cannot be started, does not end or writes too much.
pub fn ask(program: &Path, args: &[impl AsRef<OsStr>], patience: Duration) -> Result<Answer, Silence> {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C");
    answer(platform::in_own_group(&mut command), patience, &mut |_| true)
}

/// Starts a command, which leads a process group of its own, and waits for its end. After the time limit, too much
/// output, or once `wanted` (given the time so far) says no, it is interrupted, so that it can clean up (a killed
/// DTrace leaves its probes in the kernel), then killed with all its children. It has no input.
///
/// # Errors
/// It cannot be started, does not end, writes too much, or is not wanted any more.
pub fn answer(
    command: &mut Command,
    patience: Duration,
    wanted: &mut dyn FnMut(Duration) -> bool,
) -> Result<Answer, Silence> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Silence::NotStarted)?;
    let (output, errors) = (Reading::of(child.stdout.take()), Reading::of(child.stderr.take()));
    let started = Instant::now();
    let status = loop {
        let ended = child.try_wait().ok().flatten();
        let waited = started.elapsed();
        let silence = if output.is_over() || errors.is_over() {
            Silence::Endless
        // Looked at after the program, which a signal to everybody ends as well.
        } else if !wanted(waited) {
            Silence::Unwanted
        } else if let Some(status) = ended {
            break status;
        } else if waited >= patience {
            Silence::Hung(child.id(), patience)
        } else {
            std::thread::sleep(STEP);
            continue;
        };
        stop(&mut child);
        return Err(silence);
    };
    let (output, errors) = (output.finish(), errors.finish());
    match (output, errors) {
        (Some(output), Some(errors)) => Ok(Answer { status, output, errors }),
        _ => Err(Silence::Endless),
    }
}

/// What was read of a pipe, on a thread of its own, so that a full pipe never stops the program.
#[derive(Clone, Default)]
struct Reading(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    ended: bool,
    over: bool,
}

impl Reading {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let reading = Self::default();
        let Some(mut pipe) = pipe else { return reading };
        let aside = reading.clone();
        // It outlives the program where a grandchild keeps the pipe; what it reads then is nobody's any more.
        std::thread::spawn(move || {
            let mut chunk = vec![0; 1 << 16];
            // A broken pipe leaves what was read, and that is judged by what it says.
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                let over = aside.look(|read| {
                    read.over = read.bytes.len() + length > MOST;
                    if !read.over {
                        read.bytes.extend_from_slice(&chunk[..length]);
                    }
                    read.over
                });
                if over {
                    return;
                }
            }
            aside.look(|read| read.ended = true);
        });
        reading
    }

    fn look<T>(&self, at: impl FnOnce(&mut Heard) -> T) -> T {
        at(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_over(&self) -> bool {
        self.look(|read| read.over)
    }

    /// What was read until the end of the pipe, or until its last words have had their time; nothing of too much.
    fn finish(&self) -> Option<String> {
        let until = Instant::now() + LAST_WORDS;
        while !self.look(|read| read.ended || read.over) && Instant::now() < until {
            std::thread::sleep(STEP);
        }
        self.look(|read| (!read.over).then(|| String::from_utf8_lossy(&std::mem::take(&mut read.bytes)).into_owned()))
    }
}

/// Whether a stopped program ends within the time it gets to clean up.
fn ends(child: &mut Child) -> bool {
    let started = Instant::now();
    while started.elapsed() < GRACE {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return true;
        }
        std::thread::sleep(STEP);
    }
    false
}

fn stop(child: &mut Child) {
    signal_group(child, libc::SIGINT);
    if !ends(child) {
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
    fn what_writes_forever_is_stopped_whichever_pipe_it_writes_to() {
        for script in
            ["exec cat /dev/zero", "exec cat /dev/zero >&2", "trap '' PIPE INT; cat /dev/zero; exec sleep 600"]
        {
            let silence = shell(script, Duration::from_secs(60)).unwrap_err();
            assert!(matches!(silence, Silence::Endless), "{script}: {silence:?}");
        }
        assert!(Silence::Endless.sentence().contains("more than 16 MiB"));
    }

    #[test]
    fn what_is_not_wanted_any_more_is_ended() {
        let mut command = Command::new("sh");
        platform::without_terminal(command.args(["-c", "exec sleep 600"]));
        let silence = answer(&mut command, SHORT, &mut |_| false).unwrap_err();
        assert!(matches!(silence, Silence::Unwanted), "{silence:?}");
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
