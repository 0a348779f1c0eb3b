//! What one `compare` found, whole: what `--json` prints, what a run file is boiled down to and what the tables are
//! drawn from.
//!
//! Scripts and dashboards read it, so it is stable: a field is added, never renamed. Times are in nanoseconds, sizes
//! in bytes, `…_per_op` is per operation (one execution of a side's statement). A value that was not measured is
//! `None` (`null`), never 0. The committed schema is `docs/compare.schema.json`.

mod against;
mod environment;
mod explained;
mod methods;

pub use against::*;
pub use environment::*;
pub use explained::{Explained, HypothesisFound, NotTried, SizePoint};
pub(crate) use methods::joined;
pub use methods::label;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of [`Comparison::schema`].
pub const SCHEMA: &str = "raptors-trace/compare/1";

pub use crate::model::units::Ci95;

/// One comparison of side A (the reference) with side B, at every size and in every case that was run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Version of raptors-trace that measured.
    pub tool_version: String,
    /// The command line that was given, program name first.
    pub command: Vec<String>,
    /// When the run began, in seconds since 1970-01-01 UTC.
    pub started_unix_s: Option<f64>,
    /// The machine it ran on.
    pub machine: Machine,
    /// The interpreter and the libraries it ran with.
    pub software: Software,
    /// One entry per case, results mode, dtype and shape, in the order they ran.
    pub cases: Vec<Case>,
    /// The positive controls; a zero count is only worth something beside a control that was seen.
    pub controls: Vec<Control>,
    /// What observing costs, for the engine whose records the cases show.
    pub observer_cost: Option<ObserverCost>,
    /// One entry per engine, where several were asked for.
    pub engines: Vec<Engine>,
    /// Causes with their evidence (`explain`); empty where nobody asked.
    pub findings: Vec<Finding>,
    /// How the gap of each case was taken apart (`explain`); empty where nobody asked.
    #[serde(default)]
    pub explained: Vec<Explained>,
    /// What changed since an earlier run (`--against`); `None` where nobody asked.
    #[serde(default)]
    pub against: Option<Against>,
    /// What `--fail-below` says; `None` where nobody asked.
    #[serde(default)]
    pub gate: Option<Gate>,
    /// Sentences about what limits the trust in these figures.
    pub warnings: Vec<String>,
    /// Records that found no room in the run file and are missing from the counts.
    pub lost_records: u64,
    /// Whether the run was finished; false for what a killed run left behind.
    pub complete: bool,
}

/// One pair of statements at one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// Which pair.
    pub name: CaseName,
    /// What happens to each operation's result.
    pub results: Results,
    /// Element type of the arrays, `None` where the statements choose their own.
    pub dtype: Option<String>,
    /// Shape of the arrays, empty where the statements choose their own.
    pub shape: Vec<u64>,
    /// Whether the statements write into their operand.
    pub in_place: bool,
    /// Side A and side B.
    pub sides: Sides,
    /// A's time ÷ B's: above 1, B is faster.
    pub ratio: Ratio,
    /// The rounds behind the times.
    pub rounds: Rounds,
}

/// Which pair of statements a case compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CaseName {
    /// The operation alone, arrays converted before.
    #[serde(rename = "operation")]
    Operation,
    /// From a NumPy array and back to one.
    #[serde(rename = "round trip")]
    RoundTrip,
    /// The user's own statements.
    #[serde(rename = "custom")]
    Custom,
}

/// What happens to an operation's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Results {
    /// Dropped at once, so that the allocator can hand the same memory out again.
    Dropped,
    /// Kept, so that every result needs memory of its own.
    Kept,
}

/// The two sides of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sides {
    /// The reference.
    pub a: Side,
    /// What is compared with it.
    pub b: Side,
}

/// One side of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// What the side is called in tables.
    pub name: String,
    /// What it runs.
    pub statement: String,
    /// Unobserved wall time of one operation.
    pub wall_ns: Wall,
    /// Where that time goes; the parts sum to `wall_ns.median`, residual included.
    pub phases_ns: Phases,
    /// The intervals of `phases_ns`.
    pub phases_ns_ci95: PhaseIntervals,
    /// Page faults per operation.
    pub faults_per_op: Option<f64>,
    /// Threads that did work for the operation.
    pub threads: Option<u32>,
    /// CPU time of all threads per operation.
    pub cpu_ns_per_op: Option<f64>,
    /// Bytes read plus bytes written per operation, from the calls' arguments.
    pub bytes_per_op: Option<f64>,
    /// `bytes_per_op` ÷ kernel time.
    pub gb_s: Option<f64>,
    /// Where the operands fit, so what `gb_s` is the bandwidth of.
    pub memory_level: Option<MemoryLevel>,
    /// Call patterns, those with most time first.
    pub calls: Vec<Call>,
    /// BLAS, LAPACK and Accelerate calls per operation.
    pub blas_calls_per_op: Option<f64>,
    /// The dispatch branch the Raptors kernel took, and why.
    pub dispatch_reason: Option<String>,
    /// Hardware counters per operation.
    pub counters: Option<Counters>,
    /// Why `counters` is `None`.
    pub counters_why_not: Option<String>,
    /// Wall time of observed rounds ÷ unobserved ones.
    pub wall_ratio_observed_to_unobserved: Option<f64>,
}

/// The wall time of one operation, over unobserved rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Wall {
    /// Median over rounds.
    pub median: f64,
    /// Interval of the median.
    pub ci95: Ci95,
    /// How many rounds it stands on.
    pub samples: u64,
    /// The distribution over rounds.
    pub quantiles: Option<Quantiles>,
}

/// Quantiles of a distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    /// 5 %.
    pub p05: f64,
    /// 25 %.
    pub p25: f64,
    /// 75 %.
    pub p75: f64,
    /// 95 %.
    pub p95: f64,
}

/// Exclusive parts of one operation's time. `None`: not measured (never "no time").
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Phases {
    /// Fixed cost of the call: interpreter, argument checks, choice of the loop.
    pub dispatch: Option<f64>,
    /// Taking NumPy arrays in and giving them out.
    pub conversion: Option<f64>,
    /// Getting the result's memory.
    pub allocation: Option<f64>,
    /// First touch of fresh pages.
    pub page_fault: Option<f64>,
    /// The loop, routine or backend itself.
    pub kernel: Option<f64>,
    /// Waking and joining threads.
    pub sync: Option<f64>,
    /// Giving memory back.
    pub free: Option<f64>,
    /// The unobserved wall time minus all the others; may be negative.
    pub residual: Option<f64>,
}

/// The intervals of [`Phases`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseIntervals {
    /// Of `dispatch`.
    pub dispatch: Option<Ci95>,
    /// Of `conversion`.
    pub conversion: Option<Ci95>,
    /// Of `allocation`.
    pub allocation: Option<Ci95>,
    /// Of `page_fault`.
    pub page_fault: Option<Ci95>,
    /// Of `kernel`.
    pub kernel: Option<Ci95>,
    /// Of `sync`.
    pub sync: Option<Ci95>,
    /// Of `free`.
    pub free: Option<Ci95>,
    /// Of `residual`.
    pub residual: Option<Ci95>,
}

/// The smallest level that holds a side's operands and result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemoryLevel {
    /// Level-1 data cache.
    L1,
    /// Level-2 cache.
    L2,
    /// Level-3 cache.
    L3,
    /// Main memory.
    #[serde(rename = "memory")]
    Memory,
}

/// A call pattern: calls of one side grouped by routine and argument shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Call {
    /// What was called.
    pub kind: CallKind,
    /// `np.multiply[ff->f]`, `cblas_sgemm`, `raptors scale`, …
    pub name: String,
    /// The code that ran, e.g. `FLOAT_multiply_X86_V3`; a backend's name for a backend.
    pub symbol: Option<String>,
    /// The file that code is in.
    pub module: Option<String>,
    /// How often per operation.
    pub calls_per_op: f64,
    /// Calls per operation by length n; of a routine on matrices, by its first size.
    pub n: BTreeMap<u64, f64>,
    /// Sizes of a call on matrices by the names of its routine's arguments (`m`, `n`, `k`), or of the core dimensions
    /// of a generalised ufunc.
    #[serde(default)]
    pub sizes: Option<BTreeMap<String, u64>>,
    /// Bytes between elements, one per operand (loops); increments or leading dimensions (routines).
    pub strides: Option<Vec<i64>>,
    /// Alignment of each operand's pointer, bytes.
    pub alignment: Option<Vec<u64>>,
    /// How the output lies to the inputs, e.g. `none`, `in place`, `overlaps`.
    pub aliasing: Option<String>,
    /// The scalar operand.
    pub scalar: Option<Scalar>,
    /// Threads that made such calls.
    pub threads: Option<u32>,
    /// How deep inside other recorded calls; 0 is outermost. Only outermost time is added up.
    pub depth: u32,
    /// Time inside the call.
    pub time_ns: Option<CallTime>,
}

/// What kind of code a call pattern is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CallKind {
    /// A ufunc's inner loop.
    Loop,
    /// A function of a math library.
    Routine,
    /// A backend of the Raptors kernel.
    Backend,
}

/// A scalar operand: a number, the text `nan`, `inf` or `-inf`, which JSON has no number for, or the text `varies`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A finite number.
    Number(f64),
    /// `nan`, `inf`, `-inf`; `varies` where the calls of a pattern had different ones.
    Text(String),
}

/// Time inside the calls of a pattern, observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallTime {
    /// Of one call; the mean where a tracer outside has summed the calls up.
    pub median: f64,
    /// Of all its calls in one operation.
    pub total_per_op: f64,
}

/// Hardware counters per operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// CPU cycles in user space.
    pub cycles: Option<f64>,
    /// Instructions retired in user space.
    pub instructions: Option<f64>,
    /// Last-level cache misses.
    pub cache_misses: Option<f64>,
    /// Data TLB misses.
    pub tlb_misses: Option<f64>,
}

/// A's time ÷ B's, of the medians over rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// A's median ÷ B's.
    pub median: f64,
    /// Its bootstrap interval, over placements of the arrays and rounds.
    pub ci95: Ci95,
    /// What may be said.
    pub verdict: Verdict,
}

/// What the ratio's interval allows to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// The interval lies below 1.
    #[serde(rename = "a faster")]
    AFaster,
    /// The interval lies above 1.
    #[serde(rename = "b faster")]
    BFaster,
    /// The interval holds 1.
    #[serde(rename = "no difference shown")]
    NoDifferenceShown,
}

/// The rounds of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rounds {
    /// Unobserved, interleaved rounds that the times stand on.
    pub count: u64,
    /// Observed rounds that phases, calls and faults stand on.
    pub observed: u64,
    /// Rounds of the warm-up, until page faults and times had settled or its time was over.
    pub warmup: u64,
    /// Whether they had settled.
    #[serde(default)]
    pub settled: Option<bool>,
    /// Times that both sides were set up, each time at other addresses.
    #[serde(default)]
    pub placements: Option<u64>,
    /// Operations in one round, per side.
    pub ops_per_round: OpsPerRound,
    /// Whether times moved over the run.
    pub drift: Drift,
}

/// Operations in one round, per side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpsPerRound {
    /// Of side A.
    pub a: u64,
    /// Of side B.
    pub b: u64,
}

/// Whether times moved over the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// Side A's late rounds ÷ its early ones, minus 1.
    pub a: Option<f64>,
    /// The same of side B.
    pub b: Option<f64>,
    /// The same of the ratio.
    pub ratio: Option<f64>,
    /// What may be said.
    pub verdict: DriftVerdict,
}

/// Which side's times moved over the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftVerdict {
    /// Neither.
    #[serde(rename = "none")]
    None,
    /// Only side A's.
    #[serde(rename = "a drifts")]
    A,
    /// Only side B's.
    #[serde(rename = "b drifts")]
    B,
    /// Both sides'; the ratio may still hold.
    #[serde(rename = "both drift")]
    Both,
    /// Too few rounds to tell.
    #[serde(rename = "too few rounds")]
    TooFewRounds,
}

/// A positive control: work that must be seen, observed the same way as the subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    /// Which engine it is the control of.
    pub engine: String,
    /// What was run, e.g. `a @ a`.
    pub name: String,
    /// The routine that must be seen, e.g. `cblas_sgemm`.
    pub routine: Option<String>,
    /// Calls there must be.
    pub expected: u64,
    /// Calls that were seen.
    pub seen: u64,
    /// Whether the control passed.
    pub ok: bool,
}

/// What observing costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObserverCost {
    /// `inprocess`, `bpftrace` or `dtrace`.
    pub engine: String,
    /// What one recorded call costs.
    pub ns_per_call: Option<f64>,
    /// The interval of `ns_per_call`.
    pub ns_per_call_ci95: Option<Ci95>,
    /// Wall time of observed rounds ÷ unobserved ones, the worst case of the run.
    pub wall_ratio_observed_to_unobserved: Option<f64>,
}

/// What observing with one engine costs, where several were asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Engine {
    /// The cost.
    #[serde(flatten)]
    pub cost: ObserverCost,
    /// Whether it could be armed.
    pub armed: bool,
    /// Why it could not.
    pub why_not: Option<String>,
    /// What the tool says of itself; `None` for the observers in process.
    #[serde(default)]
    pub version: Option<String>,
    /// What was not watched, one sentence for each reason.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Where its counts and those of the observers in process differ, one sentence each.
    #[serde(default)]
    pub differences: Vec<String>,
    /// What it counted.
    #[serde(default)]
    pub counts: Vec<EngineCount>,
}

/// Calls of one name that an engine counted on one side of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EngineCount {
    /// Label of the case, as [`Case::label`] gives it.
    pub case: String,
    /// `a` or `b`.
    pub side: String,
    /// What was called.
    pub kind: CallKind,
    /// Its name, as in [`Call::name`].
    pub name: String,
    /// How often per operation.
    pub calls_per_op: f64,
}

/// A cause of a difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The cause, e.g. `page faults`.
    pub cause: String,
    /// Label of the case it is about, as [`Case::label`] gives it.
    pub case: String,
    /// What was measured to say so, one sentence each.
    pub evidence: Vec<String>,
    /// Time it costs B; above 0, B is slower by it. Of a supported cause: what switching it off takes from the gap that
    /// the supported causes before it have left, so that effects and residual sum to the gap; of the others: what it
    /// takes from the whole gap, alone.
    pub effect_ns: Option<f64>,
    /// The interval of `effect_ns`.
    pub effect_ns_ci95: Option<Ci95>,
    /// `effect_ns` ÷ the difference of the wall times.
    pub share_of_gap: Option<f64>,
    /// What switching it off takes from the whole gap, alone.
    #[serde(default)]
    pub alone_ns: Option<f64>,
    /// The interval of `alone_ns` that the verdict stands on, wider than 95 % because several causes were tried.
    #[serde(default)]
    pub alone_ns_interval: Option<Ci95>,
    /// What the experiment says of it.
    pub verdict: FindingVerdict,
    /// What to do about it.
    pub fix: Option<String>,
}

/// What the experiment says of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FindingVerdict {
    /// Switching the cause changed the time.
    Supported,
    /// It did not.
    Refuted,
    /// It could not be told.
    Undecided,
}
