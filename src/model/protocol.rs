//! The messages between the command and its processes, one JSON object a line, and the driver's documents in the run
//! file. `python/raptors_trace/_protocol.py` has the same types under the same names.
//!
//! Nothing is skipped: an unknown name or a missing field is an error on both sides. `tests/protocol.json` has an
//! example of every message; both sides are tested on it.

use std::collections::{BTreeMap, BTreeSet};

use raptors_flamegraphs::Record;
use serde::{Deserialize, Serialize};

use super::comparison::{self, CaseName, Counters as PerOperation, Machine, Results};
use super::switches::Switch;
use super::tool::{Engine, Tool};

/// One side of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideSpec {
    /// What tables call it.
    pub name: String,
    /// Run once in the side's namespace.
    pub setup: String,
    /// Run in rounds.
    pub statement: String,
}

/// One comparison of two statements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseSpec {
    /// Which pair of statements.
    pub name: CaseName,
    /// Dropped or kept.
    pub results: Results,
    /// Element type, `dtype` in the setup.
    pub dtype: String,
    /// Lengths, `shape` and `size` in the setup; empty where the setup makes its own.
    pub shape: Vec<u64>,
    /// Whether the statements write into their operand.
    pub in_place: bool,
    /// Unobserved seconds, both sides together.
    pub seconds: f64,
    /// Go on where values differ.
    pub allow_different: bool,
    /// Leave the case out where its page faults are those of the case before.
    pub only_if_different: bool,
    /// Whether stacks of this case are sampled, in a run that samples.
    pub sampled: bool,
    /// Side A.
    pub a: SideSpec,
    /// Side B.
    pub b: SideSpec,
}

impl CaseSpec {
    /// The name of the case in one line.
    pub fn label(&self) -> String {
        comparison::label(self.name, Some(&self.dtype), &self.shape, self.results)
    }
}

/// The version of these messages, in the spec of a run file: one more whenever one of them changes. Version 1 has no
/// number in its files.
pub const VERSION: u32 = 2;

/// Everything that the driver does; also the document `spec` of its run file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Always [`VERSION`].
    pub protocol: u32,
    /// Where to record.
    pub recording: String,
    /// Largest size of the recording.
    pub limit_bytes: u64,
    /// How much of it is made ready ahead of use.
    pub ahead_bytes: u64,
    /// The cases, in order.
    pub cases: Vec<CaseSpec>,
    /// How calls are seen.
    pub engines: Vec<String>,
    /// Whether it stops before the first round, for a tool to be attached.
    pub wait: Option<Wait>,
    /// Tracers that get rounds of their own at the end.
    pub tracers: Vec<Tool>,
    /// Stacks are sampled, in rounds of their own.
    pub sampling: Option<SamplingSpec>,
    /// The command line.
    pub command: Vec<String>,
    /// The machine, so that a run file can be shown elsewhere.
    pub machine: Machine,
    /// What limits the trust in the figures and is known before the run.
    pub warnings: Vec<String>,
}

/// A stop at the start barrier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// The longest wait, seconds; none: no limit.
    pub seconds: Option<f64>,
}

/// Rounds in which stacks are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingSpec {
    /// By whom.
    pub engine: Engine,
    /// The requested samples for each second of CPU time.
    pub frequency: u32,
    /// The sampling time for each case, both sides together.
    pub seconds: f64,
}

/// Whether the driver is to go on: at its barrier, or once a tracer was to be started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Go {
    /// Whether there is anything to go on for.
    pub go: bool,
}

/// perf is at work, or there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerfStarted {
    /// How it is switched.
    pub pipes: Option<Pipes>,
}

/// The named pipes by which perf is switched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipes {
    /// Where it is told to.
    pub control: String,
    /// Where it says that it has.
    pub acknowledged: String,
}

/// What perf saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerfEnded {
    /// The stacks, or why there are none.
    pub sampler: Sampler,
}

/// What the driver says on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub enum Event {
    /// It runs, and arms its observers.
    Started {},
    /// Where it is.
    Case {
        /// Index of the case.
        case: usize,
        /// What is done of it.
        stage: String,
        /// Completed blocks of timed rounds.
        block: f64,
        /// The planned number of blocks.
        blocks: f64,
    },
    /// It cannot go on.
    Error {
        /// A stable word.
        kind: String,
        /// The sentence.
        text: String,
        /// A traceback, or nothing.
        detail: String,
        /// What to do about it, where the driver knows; or nothing.
        fix: String,
    },
    /// It waits at its start barrier, because the user wants to attach a tool.
    Waiting {
        /// The driver's process.
        pid: u32,
        /// How long it waits at most.
        seconds: Option<f64>,
    },
    /// It waits for a tracer to be started.
    Ready {
        /// Which of the run's.
        tracer: usize,
        /// The driver's process.
        pid: u32,
    },
    /// It has run the rounds for that tracer.
    Traced {
        /// Which of the run's.
        tracer: usize,
    },
    /// It waits for perf to be started.
    Sampling {
        /// The driver's process.
        pid: u32,
    },
    /// It has run the rounds for perf.
    Sampled {
        /// The time and the side of each.
        blocks: Vec<Block>,
    },
    /// It was interrupted and has ended its recording.
    Interrupted {},
    /// It has ended its recording, which is complete.
    Finished {},
}

/// A round as the driver saw it: when it began and ended in nanoseconds of the monotonic clock, and its side.
pub type Block = (u64, u64, u8);

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The reference.
    A,
    /// What is compared with it.
    B,
}

impl Side {
    /// Both, A first.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];
}

/// What a laboratory is started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabSpec {
    /// Switches of its process.
    pub process: BTreeSet<Switch>,
    /// What both sides run.
    pub case: CaseSpec,
}

/// What a laboratory is asked; each question has an answer of its own, or [`Refused`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// Set arms up: [`AllArmed`].
    SetUp {
        /// Which; the order in which they are set up changes with the placement.
        arms: Vec<ArmSpec>,
        /// How their arrays are placed.
        placement: usize,
        /// How long a round is meant to last; 0 where none will be run.
        round_ns: u64,
    },
    /// One round of each of these arms, in this order: [`RoundCosts`].
    Rounds {
        /// The arms.
        arms: Vec<usize>,
    },
    /// What can be seen of an arm's side: [`Seen`].
    Survey {
        /// The arm.
        arm: usize,
    },
    /// How the values of two arms differ: [`Difference`].
    Same {
        /// One.
        arm: usize,
        /// The other.
        other: usize,
    },
    /// Give up arms: [`Done`].
    Drop {
        /// The arms.
        arms: Vec<usize>,
    },
}

/// One side with some switches thrown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmSpec {
    /// The number it gets.
    pub arm: usize,
    /// Which side.
    pub side: Side,
    /// Its switches.
    pub switches: Vec<Switch>,
    /// What [`Switch::MorePasses`] adds.
    pub passes: Option<Passes>,
    /// The arrays' shape.
    pub shape: Vec<u64>,
}

/// Passes over its result that a side makes in addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passes {
    /// Which side.
    pub side: Side,
    /// How many.
    pub count: u32,
    /// Into the result itself instead of new memory.
    pub in_place: bool,
}

/// The laboratory has done what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {}

/// The arms that were set up, in the order of the question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllArmed {
    /// One for each.
    pub arms: Vec<Armed>,
    /// The bytes of what switches have replaced in this process so far, which stays alive.
    pub kept_bytes: u64,
}

/// An arm that has been set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Armed {
    /// The changes of each of its code and data switches, in words.
    pub changed: BTreeMap<Switch, Vec<String>>,
    /// Whether the setup makes its arrays from `shape` or `size`.
    pub sized: bool,
}

impl Armed {
    /// Whether any of its switches changed anything.
    pub fn changed_anything(&self) -> bool {
        self.changed.values().any(|changed| !changed.is_empty())
    }
}

/// The rounds, in the order of the question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundCosts {
    /// One for each.
    pub rounds: Vec<RoundCost>,
}

/// One round, per operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundCost {
    /// Wall time; minus the time that other programs had the processor, if the thread never waited.
    pub ns: f64,
    /// CPU time of all threads.
    pub cpu_ns: f64,
    /// Page faults.
    pub faults: f64,
}

/// Facts about a side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// The difference between the values of two arms; nothing if they are equal except for rounding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// A sentence.
    pub difference: Option<String>,
}

/// The laboratory could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// A sentence.
    pub error: String,
    /// A traceback, or nothing.
    pub detail: String,
}

/// The document `clock`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Nanoseconds between two readings of the observers' clock with nothing between them.
    pub read_ns: f64,
}

/// The document `hooks`: how arming the observers went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// What they could not be armed for.
    pub not_armed: Vec<NotArmed>,
}

/// A part that an observer could not arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotArmed {
    /// A ufunc, a loop, a symbol or an object.
    pub what: String,
    /// A sentence.
    pub why: String,
}

/// The document `facts`: the software as the driver found it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Version of Python.
    pub python: String,
    /// Path of the interpreter.
    pub python_path: Option<String>,
    /// Version of NumPy.
    pub numpy: String,
    /// CPU targets of NumPy's dispatcher.
    pub numpy_cpu_targets: Vec<String>,
    /// Version of Raptors.
    pub raptors: Option<String>,
    /// The file of the extension that holds the probes.
    pub extension: Option<String>,
    /// BLAS libraries.
    pub blas: Vec<Blas>,
    /// The allocator.
    pub allocator: Option<String>,
    /// The reason that there are no hardware counters, if there are none.
    pub counters_why_not: Option<String>,
}

/// A BLAS library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blas {
    /// What it calls itself.
    pub library: String,
    /// Its file.
    pub file: String,
    /// File names of the extensions that import from it.
    pub linked_by: Vec<String>,
    /// Threads it would use.
    pub threads: Option<u32>,
}

/// The document `warmup`: how a case's warm-up went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warmup {
    /// The case.
    pub case: u64,
    /// Rounds of it.
    pub rounds: u64,
    /// Whether times and page faults settled.
    pub settled: bool,
    /// Times that the sides will be set up.
    pub placements: u64,
}

/// The document `case`: it was run to its end, or left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseEnd {
    /// The case.
    pub index: u64,
    /// Why it was left out.
    pub skipped: Option<String>,
    /// The reason that dispatch could not be measured.
    pub no_unit: Option<String>,
}

/// The document `counters`: hardware counts of a case's side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// The case.
    pub case: u64,
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// Counts per operation.
    pub per_op: PerOperation,
}

/// The document `samples`: the stacks of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// The case.
    pub case: u64,
    /// What its sampler saw.
    pub sampler: Sampler,
}

/// What a sampler saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampler {
    /// Who sampled.
    pub engine: Engine,
    /// Samples between the rounds, which belong to no side.
    pub outside: u64,
    /// Warnings that limit the trust in them.
    pub troubles: Vec<String>,
    /// The sides.
    pub sides: Vec<SampledSide>,
    /// The stacks.
    pub record: Option<Record>,
    /// Why there are none.
    pub why_not: Option<String>,
    /// The reason that the stacks have no Python functions.
    pub why_no_python: Option<String>,
}

/// How one side was sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampledSide {
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// Samples.
    pub samples: u64,
    /// Samples that were given up.
    pub dropped: u64,
    /// CPU time of all threads while it was sampled.
    pub cpu_ns: u64,
}

/// The document `warning`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// A sentence.
    pub text: String,
}
