//! Samples of the running process, by `pprof`'s signal timer.
//!
//! The timer counts CPU time of all threads. A sleeping thread is therefore not in the samples; a thread that waits in
//! a loop is, under its own name. Code of the operating system's kernel appears as the instruction that called it: the
//! page fault of a first touch looks like the loop that touched the page.
//!
//! pprof counts stacks of equal functions. The position of a sample in its function, and with it the line and the
//! inlined functions, is that of the first of them.

mod builds;
mod module;
mod owner;
pub mod python;
mod signal;
mod spent;

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pprof::{ProfilerGuard, ProfilerGuardBuilder, UnresolvedReport};

use crate::Error;
use crate::profile::{Frame, FrameId, Profile, Scale, Tag};
pub use module::locate;
use owner::{Found, Own};
use spent::{Block, Border, Spent};

/// The outermost frame of a stack that was too deep for pprof.
const CUT_OFF: &str = "[cut off: more than 128 frames]";
/// The outermost Python frame of a chain that was too long.
const PYTHON_CUT_OFF: &str = "[cut off: more than 64 Python frames]";
/// Replaces Python frames for which there was no room.
const MORE_PYTHON: &str = "[more Python stacks]";

/// Whether there is a [`Sampler`].
static RUNNING: AtomicBool = AtomicBool::new(false);

/// A running sampler of this process, all threads, in CPU time. Dropping it stops it without a result.
#[must_use = "a sampler that is dropped at once has sampled nothing"]
pub struct Sampler {
    guard: Option<ProfilerGuard<'static>>,
    before: signal::Action,
    own: Own,
    frequency: u32,
    process: u32,
    spent: BTreeMap<Tag, Spent>,
    current: Option<Block>,
    /// Whether the signal or the timer was another program's at the border of a block.
    was_taken: bool,
    python: Python,
}

/// The Python functions seen so far, with their names.
#[derive(Default)]
struct Python {
    evaluator: Option<usize>,
    /// The number of chains whose calls all have names.
    chains: usize,
    names: HashMap<(usize, usize), Frame>,
}

/// The samples of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Samples in the profile.
    pub samples: u64,
    /// Samples that were given up because another thread was being sampled at that moment.
    pub dropped: u64,
    /// Samples that did not come because the program set its own handler or timer of the signal: an estimate by the
    /// rate of the samples before, and 0 where it did not.
    pub missed: u64,
    /// The wall time for which the side was sampled.
    pub wall: Duration,
    /// The CPU time of all threads in it.
    pub cpu: Duration,
}

impl Sampled {
    /// The samples for each second of CPU time that the kernel's timer really gave.
    pub fn rate(&self) -> f64 {
        self.samples as f64 / self.cpu.as_secs_f64()
    }

    /// The weight of its samples if `operations` ran while they were taken.
    pub fn scale(&self, operations: f64) -> Scale {
        Scale { seconds_per_sample: self.cpu.as_secs_f64() / self.samples as f64, operations }
    }
}

/// The result of a [`Sampler`].
#[derive(Clone, Debug)]
pub struct Capture {
    /// The samples, frames not named yet: see [`crate::names`].
    pub profile: Profile,
    /// The results of each sampled side.
    pub sampled: BTreeMap<Tag, Sampled>,
}

impl Sampler {
    /// Prepares to sample `frequency` times a second of CPU time. The kernel's timer (`CONFIG_HZ`) may limit the rate;
    /// [`Sampled::rate`] gives the real one. Nothing is kept until [`Sampler::switch`] sets a tag. Only one sampler can
    /// run in a process. If the program sets its own handler of SIGPROF or its own timer meanwhile, it keeps them.
    ///
    /// # Errors
    /// [`Error::Busy`] if this process is already being sampled, by this or by other code that uses SIGPROF;
    /// [`Error::Capture`] if the timer cannot be set; [`Error::Signal`].
    pub fn start(frequency: u32) -> Result<Sampler, Error> {
        let before = signal::Action::current().map_err(Error::Signal)?;
        // Our handler without a sampler: another profiler that ran meanwhile has put it back, and it does nothing.
        let is_left_over = before.is_ours() && !RUNNING.load(Ordering::Relaxed);
        if before.is_handler() && !is_left_over {
            return Err(Error::Busy);
        }
        signal::give_to(None);
        let frequency = frequency.clamp(1, 1_000_000);
        let guard = ProfilerGuardBuilder::default().frequency(frequency as c_int).build()?;
        RUNNING.store(true, Ordering::Relaxed);
        let mut sampler = Sampler {
            guard: Some(guard),
            before,
            own: Own::default(),
            frequency,
            process: std::process::id(),
            spent: BTreeMap::new(),
            current: None,
            was_taken: false,
            python: Python::default(),
        };
        python::watch(None);
        sampler.own = Own::current().map_err(Error::Signal)?;
        signal::interpose().map_err(Error::Signal)?;
        Ok(sampler)
    }

    /// Adds the frames of this interpreter to the stacks from now on. Call it before the first [`Sampler::switch`].
    /// Code objects are freed, so call [`Sampler::name_python`] after each block.
    pub fn watch_python(&mut self, interpreter: python::Interpreter) {
        self.python.evaluator = python::evaluator();
        python::watch(Some(interpreter));
    }

    /// Calls `name` for the frame of every Python call that is new; with the interpreter's lock held.
    pub fn name_python(&mut self, mut name: impl FnMut(&python::Call) -> Frame) {
        let used = python::used();
        if used == self.python.chains {
            return;
        }
        self.python.chains = used;
        for call in (0..python::CHAINS).flat_map(python::calls) {
            self.python.names.entry((call.code, call.instruction)).or_insert_with(|| name(&call));
        }
    }

    /// Assigns the samples from now on to `tag`, or to none. Costs under a microsecond.
    ///
    /// # Errors
    /// [`Error::Tag`] for a tag above 7; [`Error::Signal`] where the CPU clock cannot be read.
    pub fn switch(&mut self, tag: Option<Tag>) -> Result<(), Error> {
        if let Some(tag) = tag.filter(|tag| usize::from(tag.0) >= signal::TAGS) {
            return Err(Error::Tag(tag));
        }
        signal::give_to(None);
        let cpu = cpu_time().map_err(Error::Signal)?;
        let found = Found::now().map_err(Error::Signal)?;
        let is_ours = found.is_ours(self.own);
        let now = Border { wall: Instant::now(), cpu, signals: 0, is_ours };
        if let Some(block) = self.current.take() {
            self.was_taken |= !(block.begin.is_ours && is_ours);
            self.spent.entry(block.tag).or_default().add(block.begin, block.end(now), signal::last());
        }
        // A forked child has no timer and needs none: it is not the one that is sampled.
        let is_ours = self.process == std::process::id() && found.settle(self.own, tag).map_err(Error::Signal)?;
        self.current = tag.map(|tag| Block { tag, begin: Border { is_ours, ..now } }.begun());
        signal::give_to(tag);
        Ok(())
    }

    /// Ends sampling.
    ///
    /// # Errors
    /// [`Error::NoSamples`] if the process used too little CPU time for one; [`Error::Taken`] if there is none because
    /// the program set its own handler or timer; [`Error::Capture`]; [`Error::Signal`].
    pub fn finish(mut self) -> Result<Capture, Error> {
        self.switch(None)?;
        let guard = self.guard.as_ref().ok_or(Error::NoSamples)?;
        let report = guard.report().build_unresolved()?;
        let mut profile = profile(&report, &self.python);
        builds::note(&mut profile);
        let signals = signal::signals();
        let samples = profile.tags();
        if samples.is_empty() {
            return Err(if self.was_taken { Error::Taken } else { Error::NoSamples });
        }
        let rate = spent::rate(self.spent.values(), self.frequency);
        let sampled = |(&tag, spent): (&Tag, &Spent)| {
            let samples = samples.get(&tag).map_or(0, |(samples, _)| *samples);
            let dropped = signals[usize::from(tag.0)].saturating_sub(samples);
            let &Spent { wall, cpu, .. } = spent;
            (tag, Sampled { samples, dropped, missed: spent.missed(rate), wall, cpu })
        };
        let sampled = self.spent.iter().map(sampled).collect();
        Ok(Capture { profile, sampled })
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        let guard = self.guard.take();
        if self.process != std::process::id() {
            // A forked child has no timer, and a thread of the parent that the child does not have may hold pprof's
            // lock: waiting for it would never end.
            std::mem::forget(guard);
            return;
        }
        signal::give_to(None);
        let found = Found::now();
        // pprof stops the timer and ignores SIGPROF, which cancels a pending signal.
        drop(guard);
        RUNNING.store(false, Ordering::Relaxed);
        python::watch(None);
        // A system that does not tell the action does not set it either.
        let _ = found.and_then(|found| found.give_back(&self.before, self.own));
    }
}

/// The CPU time of all threads of this process so far.
fn cpu_time() -> std::io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to `time` only.
    match unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) } {
        0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// The stacks that pprof has counted, each frame by its position.
fn profile(report: &UnresolvedReport, python: &Python) -> Profile {
    let mut profile = Profile::default();
    let mut frames = HashMap::new();
    let mut threads = Threads::default();
    for (stack, count) in &report.data {
        let addresses: Vec<(usize, usize)> =
            stack.frames.iter().map(|frame| (frame.ip() as usize, frame.symbol_address() as usize)).collect();
        let Some(interrupted) = signal::interrupted(&addresses) else {
            continue;
        };
        let name = String::from_utf8_lossy(&stack.thread_name[..stack.thread_name_length]);
        let thread = profile.thread_id(&threads.name(&name, stack.thread_id));
        let is_cut_off = addresses.len() >= pprof::MAX_DEPTH;
        let native: Vec<(usize, usize)> = calls(interrupted.frames).collect();
        let mut ids: Vec<FrameId> = Vec::new();
        for part in python.parts(&native, interrupted.chain, is_cut_off) {
            ids.push(match part {
                Part::Python(frame) => profile.intern(frame),
                Part::Native(depth) => {
                    let address = native[depth].0;
                    *frames.entry(address).or_insert_with(|| profile.intern(module::frame(address)))
                }
            });
        }
        if is_cut_off {
            ids.push(profile.intern(Frame::native(CUT_OFF)));
        }
        ids.reverse();
        let count = u64::try_from(*count).unwrap_or(0);
        profile.add(ids, thread, interrupted.tag, count);
    }
    profile
}

/// A frame of the shown stack: the native one at an index, or a Python function.
enum Part {
    Native(usize),
    Python(Frame),
}

impl Python {
    /// Merges both stacks into one, innermost first.
    fn parts(&self, native: &[(usize, usize)], chain: usize, is_cut_off: bool) -> Vec<Part> {
        let calls = python::calls(chain);
        let is_chain_cut_off = calls.len() >= python::DEPTH;
        let is_evaluator: Vec<bool> = native.iter().map(|&(_, start)| Some(start) == self.evaluator).collect();
        let is_entry: Vec<bool> = calls.iter().map(|call| call.is_entry).collect();
        let merged = python::merge(&is_evaluator, &is_entry, is_cut_off || is_chain_cut_off);
        let mut parts = Vec::new();
        for part in merged {
            parts.push(match part {
                python::Part::Native(index) => Part::Native(index),
                python::Part::Python(index) => Part::Python(self.frame(&calls[index])),
            });
            if is_chain_cut_off && matches!(part, python::Part::Python(index) if index + 1 == calls.len()) {
                parts.push(Part::Python(Frame::python(PYTHON_CUT_OFF, "", 0)));
            }
        }
        if python::is_more(chain) {
            parts.push(Part::Python(Frame::python(MORE_PYTHON, "", 0)));
        }
        parts
    }

    fn frame(&self, call: &python::Call) -> Frame {
        let known = self.names.get(&(call.code, call.instruction));
        known.cloned().unwrap_or_else(|| Frame::python(MORE_PYTHON, "", 0))
    }
}

/// The addresses of a stack's instructions, each with its function's, innermost first: the interrupted instruction and
/// the calls that led to it.
fn calls(frames: &[(usize, usize)]) -> impl Iterator<Item = (usize, usize)> + '_ {
    frames
        .iter()
        .enumerate()
        // A caller's address is the return address: the call is before it.
        .map(|(depth, &(address, start))| (address.saturating_sub(usize::from(depth > 0)), start))
        // The outermost frame has no return address; unwinders write 0 or 1.
        .filter(|(address, _)| *address != 0)
}

/// Names that distinguish threads of the same name.
#[derive(Default)]
struct Threads(HashMap<String, Vec<u64>>);

impl Threads {
    fn name(&mut self, name: &str, id: u64) -> String {
        let known = self.0.entry(name.to_owned()).or_default();
        let index = known.iter().position(|known| *known == id).unwrap_or_else(|| {
            known.push(id);
            known.len() - 1
        });
        match index {
            0 => name.to_owned(),
            _ => format!("{name} {}", index + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_frame_is_nowhere_and_left_out() {
        for end in [0, 1] {
            let frames = [(0x100, 0), (0x201, 0), (end, 0)];
            assert_eq!(calls(&frames).collect::<Vec<_>>(), [(0x100, 0), (0x200, 0)]);
        }
    }
}
