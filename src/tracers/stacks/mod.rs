//! Stacks without preparation: a running process or a command, sampled by a tool from outside, or the text that a tool
//! wrote as text. And perf in the rounds of a run.

use std::time::{Duration, Instant};

use raptors_flamegraphs::names::Names;
use raptors_flamegraphs::{Frame, Kind, Profile, Tag};
use schemars::JsonSchema;
use serde::Serialize;

use super::session::Session;
use super::tool::check_process;
use crate::machine::interrupt::{Interrupt, too_early};
use crate::machine::platform::{self, Mapping};
use crate::model::error::{Error, Exit};
use crate::model::progress::Progress;
use crate::model::tool::Tool;

mod command;
mod dtrace;
pub mod perf;
pub mod rounds;
mod sample;
pub mod text;

pub use command::run as command;

/// How often a process's map is read; what it loads after the last time keeps the names that the tool gives.
const MAP_STEP: Duration = Duration::from_millis(200);

/// What was sampled.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DrawnSide {
    /// The process, the command or the file.
    pub name: String,
    /// Samples that are drawn.
    pub samples: u64,
    /// Samples of OpenBLAS's threads that spun while they waited for work; these are left out.
    pub idle_samples: u64,
    /// The CPU time of the drawn samples, nanoseconds; none if unknown.
    pub cpu_ns: Option<u64>,
    /// The wall time of sampling, seconds; none for a file.
    pub seconds: Option<f64>,
    /// The exit status of the command; none for a process and a file.
    pub status: Option<String>,
}

/// One subject's samples.
pub struct Taken {
    /// What was sampled.
    pub side: DrawnSide,
    /// Its samples.
    pub profile: Profile,
    /// Warnings that limit the trust in them.
    pub warnings: Vec<String>,
}

impl Taken {
    /// All samples of `tag`, with idle ones not yet removed.
    fn new(name: String, profile: Profile, tag: Tag) -> Self {
        let samples = profile.tags().get(&tag).map_or(0, |(count, _)| *count);
        Self {
            side: DrawnSide { name, samples, idle_samples: 0, cpu_ns: None, seconds: None, status: None },
            profile,
            warnings: Vec::new(),
        }
    }
}

/// Samples a process that runs by `tool`: perf, DTrace or `sample`.
///
/// # Errors
/// A process that cannot be sampled, a tool that is not there or may not, and no samples.
pub fn process(
    tool: Tool,
    pid: u32,
    time: Duration,
    frequency: u32,
    progress: &mut dyn Progress,
) -> Result<Taken, Error> {
    let interrupt = Interrupt::watch();
    check_process(pid)?;
    let line = platform::command_line(pid).filter(|line| !line.trim().is_empty());
    let mut job = Job {
        pid,
        time,
        frequency,
        name: line.unwrap_or_else(|| format!("process {pid}")),
        interrupt: &interrupt,
        progress,
        map: Map::new(pid),
        begun: Instant::now(),
        warnings: Vec::new(),
    };
    match tool {
        Tool::Dtrace => dtrace::process(&mut job),
        Tool::Sample => sample::process(&mut job),
        _ => perf_process(&mut job),
    }
}

/// A process that is being sampled.
struct Job<'a> {
    pid: u32,
    time: Duration,
    frequency: u32,
    name: String,
    interrupt: &'a Interrupt,
    progress: &'a mut dyn Progress,
    map: Map,
    begun: Instant,
    warnings: Vec<String>,
}

impl Job<'_> {
    fn starting(&mut self, tool: Tool) {
        self.progress.update(0.0, &format!("starting {}", tool.name()));
    }

    /// The reason that a sampler does not run: the user interrupted, or it failed.
    fn not_started(&self, error: Error) -> Error {
        if self.interrupt.asked() { too_early() } else { error.exit(Exit::NothingObserved) }
    }

    fn show(&mut self, elapsed: Duration) {
        let share = elapsed.as_secs_f64() / self.time.as_secs_f64();
        self.progress.update(share.min(1.0), &format!("sampling process {}; Ctrl-C ends it early", self.pid));
    }

    /// Has `session` sample until the time is over, the user ends it, or the process has ended; looks after the
    /// process's map, and after more by `look`.
    fn watch(&mut self, session: &mut Session, look: &mut dyn FnMut()) {
        let (pid, time, interrupt) = (self.pid, self.time, self.interrupt);
        self.begun = Instant::now();
        let ended = session.watch(pid, time, &|| interrupt.asked(), &mut |elapsed| {
            self.show(elapsed);
            look();
            self.map.look();
            self.map.is_empty_now()
        });
        if ended {
            self.warnings.push(format!("process {pid} ended after {:.1} s", self.begun.elapsed().as_secs_f64()));
        }
        look();
        self.map.look();
    }

    /// What was sampled, its functions named.
    fn taken(&mut self, profile: &Profile, seconds: f64, cpu_ns: Option<u64>, warnings: Vec<String>) -> Taken {
        let mut taken = Taken::new(self.name.clone(), Names::default().name(profile), Tag::A);
        taken.side.cpu_ns = cpu_ns;
        taken.side.seconds = Some(seconds);
        taken.warnings = std::mem::take(&mut self.warnings);
        taken.warnings.extend(warnings);
        taken
    }

    fn idle(&self, seconds: f64) -> Error {
        idle(&format!("process {}", self.pid), seconds)
    }
}

fn perf_process(job: &mut Job) -> Result<Taken, Error> {
    perf::check()?;
    job.starting(Tool::Perf);
    let interrupt = job.interrupt;
    let mut recording = perf::Recording::start(job.pid, job.frequency, &|| interrupt.asked())
        .map_err(|error| job.not_started(error))?;
    job.watch(recording.session(), &mut || ());
    let seconds = job.begun.elapsed().as_secs_f64();
    job.progress.update(1.0, "reading what perf saw");
    let perf::Seen { script, warnings } =
        recording.read(&|_| Some(Tag::A), &job.map.last).map_err(|error| match error.exit_code() {
            Exit::NothingObserved => job.idle(seconds).caused_by(error),
            _ => error,
        })?;
    Ok(job.taken(&script.profile, seconds, script.periods.get(&Tag::A).copied(), warnings))
}

fn idle(who: &str, seconds: f64) -> Error {
    Error::new(format!("{who} used no CPU time in {seconds:.1} s, so there are no samples"))
        .help("sample it while it works, or for longer with --sample-time; a server's workers have their own PIDs")
        .exit(Exit::NothingObserved)
}

/// The mappings of a process during its life.
struct Map {
    pid: u32,
    last: Vec<Mapping>,
    looked: Option<Instant>,
    empty: bool,
}

impl Map {
    fn new(pid: u32) -> Self {
        Self { pid, last: Vec::new(), looked: None, empty: false }
    }

    fn look(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < MAP_STEP) {
            return;
        }
        self.looked = Some(Instant::now());
        let now = platform::mappings(self.pid).unwrap_or_default();
        self.empty = now.is_empty();
        if !self.empty {
            self.last = now;
        }
    }

    /// A process that has ended but was not waited for has a number but no memory.
    fn is_empty_now(&self) -> bool {
        self.empty && !self.last.is_empty()
    }
}

/// The samples without those of OpenBLAS's spinning threads, and the number of these.
pub fn without_idle(profile: &Profile) -> (Profile, u64) {
    let mut rest = Profile::default();
    let mut idle = 0;
    for sample in profile.samples() {
        let frames = || profile.frames_of(sample.stack).map(|id| profile.frame(id));
        if is_idle(frames()) {
            idle += sample.count;
            continue;
        }
        let thread = rest.thread_id(profile.thread(sample.thread));
        let mut stack: Vec<_> = frames().map(|frame| rest.intern(frame.clone())).collect();
        stack.reverse();
        rest.add(stack, thread, sample.tag, sample.count);
    }
    (rest, idle)
}

/// Whether a stack, innermost frame first, is OpenBLAS's loop that waits for work: nothing inside it but yielding the
/// processor. A working thread has the routine's code inside.
fn is_idle<'a>(frames: impl Iterator<Item = &'a Frame>) -> bool {
    for frame in frames {
        if frame.name.starts_with("blas_thread_server") {
            return true;
        }
        if frame.kind != Kind::Kernel && !frame.name.contains("sched_yield") {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use raptors_flamegraphs::Folded;

    use super::*;

    #[test]
    fn threads_that_wait_for_work_are_left_out_and_those_that_work_are_not() {
        let text = "clone;blas_thread_server 3\nclone;blas_thread_server;__sched_yield;do_syscall_64_[k] 4\n\
                    clone;blas_thread_server;sgemm_kernel 5\nmain;sched_yield 2\n";
        let profile = Profile::from(&Folded::parse(text).unwrap());
        let (rest, idle) = without_idle(&profile);
        assert_eq!(idle, 7);
        let kept = rest.folded(Tag::A).unwrap().to_string();
        assert_eq!(kept, "clone;blas_thread_server;sgemm_kernel 5\nmain;sched_yield 2\n");
    }
}
