//! Flamegraphs of what nobody prepared: a process that runs, one or two commands, or stacks that another tool wrote.
//! There are no rounds here and no operations: what is drawn is all that was sampled.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use raptors_flamegraphs::names::Names;
use raptors_flamegraphs::{
    Facts, Format, Frame, Kind, Page, PerfScript, Phase, Picture, Profile, Roles, Scale, Side, Tag, Tree, View,
    draw_tree, export,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::flamegraph::{ENOUGH, Role};
use crate::machine::files;
use crate::machine::interrupt::{Interrupt, too_early};
use crate::machine::platform::{self, Mapping};
use crate::model::error::{Error, Exit};
use crate::model::progress::Progress;
use crate::tracers::attach;
use crate::tracers::sampling::{self, Session};

mod command;
mod dtrace;
mod sample;
mod stacks;
mod text;

pub use stacks::is_text;
pub use text::text;

/// The value of [`Drawn::schema`].
pub const SCHEMA: &str = "raptors-trace/flamegraph-outside/1";
/// How often a process is looked after.
const STEP: Duration = Duration::from_millis(20);
/// How often its map is read; what it loads after the last time keeps the names that perf gives.
const MAP_STEP: Duration = Duration::from_millis(200);

/// What is sampled or read.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A process that runs, for so long at most.
    Process(u32, Duration),
    /// Commands, one or two, each to its end.
    Commands(Vec<Vec<OsString>>),
    /// A file of stacks: folded text, or what `perf script`, DTrace or macOS's `sample` printed.
    File(PathBuf),
}

/// Who samples from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// perf (Linux).
    #[default]
    Perf,
    /// DTrace, on processes that run.
    Dtrace,
    /// `sample` (macOS), on processes that run.
    Sample,
}

impl Engine {
    /// Its name, as in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Dtrace => "dtrace",
            Self::Sample => "sample",
        }
    }
}

/// What is to be drawn, and where to.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Of what.
    pub subject: Subject,
    /// Who samples it.
    pub engine: Engine,
    /// Samples for each second of CPU time that are asked for.
    pub frequency: u32,
    /// Where the files go.
    pub directory: PathBuf,
    /// Files for other tools.
    pub formats: Vec<Format>,
    /// The command line, for the page.
    pub command: Vec<String>,
    /// What commands print goes to standard error, as standard output is for JSON.
    pub aside: bool,
}

/// What was drawn; `--json` prints it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Drawn {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// Where the files are.
    pub directory: PathBuf,
    /// `perf`, `dtrace` or `sample`, or `file` where they were read.
    pub engine: &'static str,
    /// One, or side A and side B.
    pub sides: Vec<DrawnSide>,
    /// What the time was spent for; empty where samples stand for no known time.
    pub roles: Vec<Role>,
    /// The files.
    pub files: Vec<PathBuf>,
    /// What limits the trust in it.
    pub warnings: Vec<String>,
}

/// What was sampled.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DrawnSide {
    /// The process, the command or the file.
    pub name: String,
    /// Samples that are drawn.
    pub samples: u64,
    /// Samples of OpenBLAS's threads that waited for work by spinning; these are not drawn.
    pub idle_samples: u64,
    /// CPU time that the drawn samples stand for, nanoseconds; none where that is not known.
    pub cpu_ns: Option<u64>,
    /// Wall time that it was watched, seconds; none of a file.
    pub seconds: Option<f64>,
    /// How the command ended, as the system says it; none of a process and a file.
    pub status: Option<String>,
}

/// One subject's samples.
struct Taken {
    side: DrawnSide,
    profile: Profile,
    warnings: Vec<String>,
}

/// Samples or reads, and draws.
///
/// # Errors
/// A process or command that cannot be sampled, no samples, files that cannot be written.
pub fn draw(options: &Options, progress: &mut dyn Progress) -> Result<Drawn, Error> {
    crate::analysis::flamegraph::check(&options.directory)?;
    let frequency = options.frequency;
    let (engine, mut taken) = match &options.subject {
        Subject::Process(pid, time) => {
            let sample = match options.engine {
                Engine::Perf => process,
                Engine::Dtrace => dtrace::process,
                Engine::Sample => sample::process,
            };
            let taken = sample(*pid, *time, frequency, progress)?;
            (options.engine.as_str(), vec![taken])
        }
        Subject::Commands(commands) => {
            sampling::check()?;
            let tags = [Tag::A, Tag::B];
            let all = commands.iter().zip(tags);
            let run = |(words, tag): (&Vec<OsString>, _)| command::run(words, tag, frequency, options.aside);
            ("perf", all.map(run).collect::<Result<_, _>>()?)
        }
        Subject::File(path) => ("file", vec![stacks::read(path)?]),
    };
    let mut warnings = Vec::new();
    for one in &mut taken {
        let (drawn, idle) = without_idle(&one.profile);
        (one.profile, one.side.idle_samples) = (drawn, idle);
        one.weigh()?;
        warnings.append(&mut one.warnings);
        warnings.extend(one.too_few());
    }
    let mut drawn = Drawn {
        schema: SCHEMA,
        directory: options.directory.clone(),
        engine,
        sides: Vec::new(),
        roles: Vec::new(),
        files: Vec::new(),
        warnings,
    };
    write(options, &taken, &mut drawn)?;
    drawn.sides = taken.into_iter().map(|one| one.side).collect();
    Ok(drawn)
}

impl Taken {
    /// All samples of `tag`, none of them known to be idle yet.
    fn new(name: String, profile: Profile, tag: Tag) -> Self {
        let samples = profile.tags().get(&tag).map_or(0, |(count, _)| *count);
        Self {
            side: DrawnSide { name, samples, idle_samples: 0, cpu_ns: None, seconds: None, status: None },
            profile,
            warnings: Vec::new(),
        }
    }

    fn tag(&self) -> Tag {
        self.profile.tags().keys().next().copied().unwrap_or(Tag::A)
    }

    fn stacks(&self) -> Side<'_> {
        Side::new(&self.profile, self.tag())
    }

    /// Counts what is left to draw, and what CPU time it stands for.
    fn weigh(&mut self) -> Result<(), Error> {
        let all = self.side.samples;
        let drawn = all.saturating_sub(self.side.idle_samples);
        if drawn == 0 {
            return Err(Error::new(format!(
                "all {all} samples of {} are of OpenBLAS's threads waiting for work",
                self.side.name
            ))
            .help("sample it while it works")
            .exit(Exit::NothingObserved));
        }
        self.side.samples = drawn;
        let share = |ns: u64| (ns as f64 * drawn as f64 / all as f64) as u64;
        self.side.cpu_ns = self.side.cpu_ns.filter(|&ns| ns > 0).map(share);
        Ok(())
    }

    fn too_few(&self) -> Option<String> {
        let samples = self.side.samples;
        if samples >= ENOUGH {
            return None;
        }
        let name = &self.side.name;
        let few = format!("{name}: {samples} samples are few: frames of a hundredth of the time are left to chance");
        Some(match (self.side.seconds, &self.side.status) {
            (Some(seconds), None) => {
                let enough = (1.1 * seconds * ENOUGH as f64 / samples as f64).ceil();
                format!("{few}. --sample-time {enough:.0} gives {ENOUGH}")
            }
            (Some(seconds), Some(_)) => {
                let enough = (1.1 * seconds * ENOUGH as f64 / samples as f64).ceil();
                format!("{few}. A command that works for {enough:.0} s gives {ENOUGH}")
            }
            (None, _) => few,
        })
    }

    fn facts(&self) -> String {
        let rate = self.side.cpu_ns.map(|ns| self.side.samples as f64 / (ns as f64 / 1e9));
        let facts = Facts { samples: self.side.samples, rate, ..Facts::default() };
        match self.side.cpu_ns {
            Some(ns) => format!("{facts} · {:.2} s of CPU time", ns as f64 / 1e9),
            None => facts.to_string(),
        }
    }
}

/// Samples a process that runs.
fn process(pid: u32, time: Duration, frequency: u32, progress: &mut dyn Progress) -> Result<Taken, Error> {
    let interrupt = Interrupt::watch();
    attach::check(pid)?;
    sampling::check()?;
    let name = name_of(pid);
    progress.update(0.0, "starting perf");
    let session =
        Session::start(pid, frequency, &|| interrupt.asked()).map_err(|error| not_started(error, &interrupt))?;
    let mut map = Map::new(pid);
    let (seconds, warnings) = watch(pid, time, &interrupt, progress, &mut || {
        map.look();
        map.is_empty_now()
    });
    progress.update(1.0, "reading what perf saw");
    let read = session.read(&|_| Some(Tag::A), &map.last);
    let (script, words) = read.map_err(|error| match error.exit_code() {
        Exit::NothingObserved => idle(&format!("process {pid}"), seconds).caused_by(error),
        _ => error,
    })?;
    Ok(taken(name, script, &words, Tag::A, seconds, warnings))
}

/// Why a sampler does not run: the user ended it before it did, or it could not.
fn not_started(error: Error, interrupt: &Interrupt) -> Error {
    if interrupt.asked() { too_early() } else { error.exit(Exit::NothingObserved) }
}

/// What is said of a process while it is sampled.
fn doing(pid: u32) -> String {
    format!("sampling process {pid}; Ctrl-C ends it early")
}

fn name_of(pid: u32) -> String {
    let line = platform::command_line(pid).filter(|line| !line.trim().is_empty());
    line.unwrap_or_else(|| format!("process {pid}"))
}

/// Waits while process `pid` is sampled, looking after it by `look`, which tells whether it has ended. The seconds it
/// was sampled, and that it ended early.
fn watch(
    pid: u32,
    time: Duration,
    interrupt: &Interrupt,
    progress: &mut dyn Progress,
    look: &mut dyn FnMut() -> bool,
) -> (f64, Vec<String>) {
    let begun = Instant::now();
    let mut warnings = Vec::new();
    while begun.elapsed() < time && !interrupt.asked() {
        if look() || platform::reach(pid) == platform::Reach::Gone {
            warnings.push(format!("process {pid} ended after {:.1} s", begun.elapsed().as_secs_f64()));
            break;
        }
        let share = begun.elapsed().as_secs_f64() / time.as_secs_f64();
        progress.update(share, &doing(pid));
        std::thread::sleep(STEP);
    }
    look();
    (begun.elapsed().as_secs_f64(), warnings)
}

fn idle(who: &str, seconds: f64) -> Error {
    Error::new(format!("{who} took no CPU time in {seconds:.1} s that could be sampled"))
        .help(
            "sample it while it works, or for longer with --sample-time; a server's workers have numbers of their own",
        )
        .exit(Exit::NothingObserved)
}

fn taken(name: String, script: PerfScript, words: &str, tag: Tag, seconds: f64, mut warnings: Vec<String>) -> Taken {
    warnings.extend(sampling::troubles(&script, words));
    let mut taken = Taken::new(name, Names::default().name(&script.profile), tag);
    taken.side.cpu_ns = script.periods.get(&tag).copied();
    taken.side.seconds = Some(seconds);
    taken.warnings = warnings;
    taken
}

/// What a process has mapped, as it was while it lived.
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

    /// A process that has ended and is not waited for yet has a number but no memory.
    fn is_empty_now(&self) -> bool {
        self.empty && !self.last.is_empty()
    }
}

/// The samples without those of OpenBLAS's threads that spin until there is work, and how many these were.
fn without_idle(profile: &Profile) -> (Profile, u64) {
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

/// Whether a stack, innermost frame first, is OpenBLAS's loop that waits for work: nothing inside of it but giving up
/// the processor. A thread that works has the routine's code inside.
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

fn not_drawn(error: raptors_flamegraphs::Error) -> Error {
    Error::new("the flamegraph cannot be made").caused_by(error)
}

/// Draws, and writes the files; the page last, as whoever finds it finds the rest.
fn write(options: &Options, taken: &[Taken], drawn: &mut Drawn) -> Result<(), Error> {
    let roles = Roles::default();
    let mut made = Vec::new();
    let mut pictures = [String::new(), String::new(), String::new()];
    let mut weighed = Vec::new();
    for (index, (one, letter)) in taken.iter().zip(["a", "b"]).enumerate() {
        let tree = Tree::new(one.stacks(), View::Stacks, &roles).map_err(not_drawn)?;
        pictures[index] = picture(&tree, &one.side.name, &one.facts())?;
        let folded = one.profile.folded(one.tag()).map_err(not_drawn)?;
        made.push((format!("{letter}.folded"), folded.to_string().into_bytes()));
        made.push((format!("{letter}.svg"), pictures[index].clone().into_bytes()));
        for format in &options.formats {
            let name = format!("{letter}.{}", format.extension());
            // Folded text has been written above.
            if made.iter().all(|(other, _)| *other != name) {
                let bytes = export(&one.profile, *format, &one.side.name).map_err(not_drawn)?;
                made.push((name, bytes));
            }
        }
        let mut profile = one.profile.clone();
        if let Some(ns) = one.side.cpu_ns {
            // The operation is the whole run.
            let scale = Scale { seconds_per_sample: ns as f64 / 1e9 / one.side.samples as f64, operations: 1.0 };
            profile.weigh(one.tag(), &scale).map_err(not_drawn)?;
            weighed.push(profile);
        }
    }
    let names: Vec<&str> = taken.iter().map(|one| one.side.name.as_str()).collect();
    if let [a, b] = &weighed[..] {
        let (a, b) = (Side::new(a, Tag::A), Side::new(b, Tag::B));
        let both = Tree::compare(a, b, View::Roles, &roles).map_err(not_drawn)?;
        let facts = format!("A: {}; B: {}", taken[0].facts(), taken[1].facts());
        let title = format!("{} against {}: CPU time of the run by role", names[0], names[1]);
        pictures[2] = picture(&both, &title, &facts)?;
        made.push(("diff.svg".to_owned(), pictures[2].clone().into_bytes()));
    }
    let sides: Vec<Side<'_>> =
        weighed.iter().zip([Tag::A, Tag::B]).map(|(profile, tag)| Side::new(profile, tag)).collect();
    let phases = match sides[..] {
        [a] => Phase::of_roles(a, Side::new(&weighed[0], Tag::B), &roles),
        [a, b] => Phase::of_roles(a, b, &roles),
        _ => Vec::new(),
    };
    let page = Page {
        title: &names.join(" and "),
        notes: &notes(options, taken, drawn),
        sides: [names[0], names.get(1).copied().unwrap_or_default()],
        pictures: [&pictures[0], &pictures[1], &pictures[2]],
        phases: &phases,
    };
    let page = page.html().map_err(not_drawn)?;
    made.push(("index.html".to_owned(), page.into_bytes()));
    for (name, bytes) in made {
        let path = options.directory.join(name);
        files::write_whole(&path, &bytes)?;
        drawn.files.push(path);
    }
    drawn.roles = phases.into_iter().map(role).collect();
    Ok(())
}

fn role(phase: Phase) -> Role {
    Role { name: phase.name, a_ns: phase.a.unwrap_or(0.0), b_ns: phase.b.unwrap_or(0.0) }
}

fn picture(tree: &Tree, title: &str, subtitle: &str) -> Result<String, Error> {
    let picture = Picture { title, subtitle, ..Picture::default() };
    draw_tree(tree, &picture).map_err(not_drawn)
}

/// What stands under the page's title.
fn notes(options: &Options, taken: &[Taken], drawn: &Drawn) -> Vec<String> {
    let mut notes = Vec::new();
    for one in taken {
        let mut note = format!("{}: {}", one.side.name, one.facts());
        if one.side.idle_samples > 0 {
            note.push_str(&format!(
                " · {} more of OpenBLAS's threads waiting for work are left out",
                one.side.idle_samples
            ));
        }
        notes.push(note);
    }
    if taken.len() == 2 {
        notes.push("An operation is one run of the command, its start included.".to_owned());
    }
    notes.push(format!("made by: {}", options.command.join(" ")));
    notes.extend(drawn.warnings.iter().cloned());
    notes
}

/// A path as a name.
fn named(path: &Path) -> String {
    path.display().to_string()
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
