//! The complete result of one `compare`: `--json` prints it, a run file is reduced to it, and the tables are drawn from
//! it.
//!
//! Scripts and dashboards read it, so it is stable: a field is added, never renamed. Times are in nanoseconds, sizes in
//! bytes, `…_per_op` is per operation (one execution of a side's statement). A value that was not measured is `None`
//! (`null`), never 0. The committed schema is `docs/compare.schema.json`.

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
    /// The version of raptors-trace that measured.
    pub tool_version: String,
    /// The command line, program name first.
    pub command: Vec<String>,
    /// The time the run began, in seconds since 1970-01-01 UTC.
    pub started_unix_s: Option<f64>,
    /// The machine it ran on.
    pub machine: Machine,
    /// The interpreter and the libraries it ran with.
    pub software: Software,
    /// One entry per case, results mode, dtype and shape, in the order they ran.
    pub cases: Vec<Case>,
    /// The positive controls; a count of zero proves something only beside a control that was seen.
    pub controls: Vec<Control>,
    /// The cost of observing, for the engine whose records the cases show.
    pub observer_cost: Option<ObserverCost>,
    /// One entry per engine, if several were requested.
    pub engines: Vec<Engine>,
    /// Causes with their evidence (`explain`); empty without `explain`.
    pub findings: Vec<Finding>,
    /// The parts of each case's gap (`explain`); empty without `explain`.
    #[serde(default)]
    pub explained: Vec<Explained>,
    /// The change since an earlier run (`--against`); `None` without `--against`.
    #[serde(default)]
    pub against: Option<Against>,
    /// The verdict of `--fail-below`; `None` without it.
    #[serde(default)]
    pub gate: Option<Gate>,
    /// Warnings that limit the trust in these figures, one sentence each.
    pub warnings: Vec<String>,
    /// Records without room in the run file, which are missing from the counts.
    pub lost_records: u64,
    /// Whether the run was finished; false for the rest of a killed run.
    pub complete: bool,
}

/// One pair of statements at one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// The pair of statements.
    pub name: CaseName,
    /// What happens to each operation's result.
    pub results: Results,
    /// Element type of the arrays, `None` if the statements choose their own.
    pub dtype: Option<String>,
    /// Shape of the arrays, empty if the statements choose their own.
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

/// The pair of statements that a case compares.
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
    /// Dropped at once, so the allocator can reuse the memory.
    Dropped,
    /// Kept, so every result needs its own memory.
    Kept,
}

/// The two sides of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sides {
    /// The reference.
    pub a: Side,
    /// The side that is compared with it.
    pub b: Side,
}

/// One side of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The name of the side in tables.
    pub name: String,
    /// Its statement or function.
    pub statement: String,
    /// Unobserved wall time of one operation.
    pub wall_ns: Wall,
    /// The parts of that time; they sum to `wall_ns.median`, residual included.
    pub phases_ns: Phases,
    /// The intervals of `phases_ns`.
    pub phases_ns_ci95: PhaseIntervals,
    /// Page faults per operation.
    pub faults_per_op: Option<f64>,
    /// Threads that worked for the operation.
    pub threads: Option<u32>,
    /// CPU time of all threads per operation.
    pub cpu_ns_per_op: Option<f64>,
    /// Bytes read plus bytes written per operation, from the calls' arguments.
    pub bytes_per_op: Option<f64>,
    /// `bytes_per_op` ÷ kernel time.
    pub gb_s: Option<f64>,
    /// The smallest memory level that holds the operands, whose bandwidth `gb_s` is.
    pub memory_level: Option<MemoryLevel>,
    /// Call patterns, those with most time first.
    pub calls: Vec<Call>,
    /// BLAS, LAPACK and Accelerate calls per operation.
    pub blas_calls_per_op: Option<f64>,
    /// The dispatch branch that the Raptors kernel took, with the reason.
    pub dispatch_reason: Option<String>,
    /// Hardware counters per operation.
    pub counters: Option<Counters>,
    /// The reason that `counters` is `None`.
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
    /// The number of rounds.
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
    /// Converting NumPy arrays in and out.
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

/// A call pattern: calls of one side, grouped by routine and argument shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Call {
    /// The kind of the called code.
    pub kind: CallKind,
    /// `np.multiply[ff->f]`, `cblas_sgemm`, `raptors scale`, …
    pub name: String,
    /// The code that ran, e.g. `FLOAT_multiply_X86_V3`; a backend's name for a backend.
    pub symbol: Option<String>,
    /// The file of that code.
    pub module: Option<String>,
    /// The number of calls per operation.
    pub calls_per_op: f64,
    /// Calls per operation by length n; for a routine on matrices, by its first size.
    pub n: BTreeMap<u64, f64>,
    /// Sizes of a call on matrices by the names of its routine's arguments (`m`, `n`, `k`), or of the core dimensions
    /// of a generalised ufunc.
    #[serde(default)]
    pub sizes: Option<BTreeMap<String, u64>>,
    /// Bytes between elements, one per operand (loops); increments or leading dimensions (routines).
    pub strides: Option<Vec<i64>>,
    /// Alignment of each operand's pointer, bytes.
    pub alignment: Option<Vec<u64>>,
    /// The position of the output relative to the inputs, e.g. `none`, `in place`, `overlaps`.
    pub aliasing: Option<String>,
    /// The scalar operand.
    pub scalar: Option<Scalar>,
    /// Threads that made such calls.
    pub threads: Option<u32>,
    /// The nesting depth inside other recorded calls; 0 is outermost. Only outermost time is added up.
    pub depth: u32,
    /// Time inside the call.
    pub time_ns: Option<CallTime>,
}

/// The kind of code of a call pattern.
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

/// A scalar operand: a number, the text `nan`, `inf` or `-inf`, for which JSON has no number, or the text `varies`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A finite number.
    Number(f64),
    /// `nan`, `inf`, `-inf`; `varies` if the calls of a pattern had different ones.
    Text(String),
}

/// Time inside the calls of a pattern, observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallTime {
    /// Of one call; the mean if a tracer from outside has summed the calls.
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
    /// The verdict.
    pub verdict: Verdict,
}

/// The verdict of the ratio's interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// The interval lies below 1.
    #[serde(rename = "a faster")]
    AFaster,
    /// The interval lies above 1.
    #[serde(rename = "b faster")]
    BFaster,
    /// The interval contains 1.
    #[serde(rename = "no difference shown")]
    NoDifferenceShown,
}

/// The rounds of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rounds {
    /// Unobserved, interleaved rounds, which give the times.
    pub count: u64,
    /// Observed rounds, which give phases, calls and faults.
    pub observed: u64,
    /// Rounds of the warm-up, until page faults and times had settled or its time was over.
    pub warmup: u64,
    /// Whether they had settled.
    #[serde(default)]
    pub settled: Option<bool>,
    /// The number of times that both sides were set up, each time at other addresses.
    #[serde(default)]
    pub placements: Option<u64>,
    /// Operations in one round, per side.
    pub ops_per_round: OpsPerRound,
    /// Whether times drifted during the run.
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

/// Whether times drifted during the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// Side A's late rounds ÷ its early ones, minus 1.
    pub a: Option<f64>,
    /// The same of side B.
    pub b: Option<f64>,
    /// The same of the ratio.
    pub ratio: Option<f64>,
    /// The verdict.
    pub verdict: DriftVerdict,
}

/// The side whose times drifted during the run.
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

/// A positive control: work that the observers must see, observed in the same way as the subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    /// The engine.
    pub engine: String,
    /// The statement, e.g. `a @ a`.
    pub name: String,
    /// The routine that must be seen, e.g. `cblas_sgemm`.
    pub routine: Option<String>,
    /// The required number of calls.
    pub expected: u64,
    /// The number of calls seen.
    pub seen: u64,
    /// Whether the control passed.
    pub ok: bool,
}

/// The cost of observing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObserverCost {
    /// `inprocess`, `bpftrace` or `dtrace`.
    pub engine: String,
    /// The cost of one recorded call.
    pub ns_per_call: Option<f64>,
    /// The interval of `ns_per_call`.
    pub ns_per_call_ci95: Option<Ci95>,
    /// Wall time of observed rounds ÷ unobserved ones, the worst case of the run.
    pub wall_ratio_observed_to_unobserved: Option<f64>,
}

/// The cost of observing with one engine, if several were requested.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Engine {
    /// The cost.
    #[serde(flatten)]
    pub cost: ObserverCost,
    /// Whether it could be armed.
    pub armed: bool,
    /// The reason that it could not.
    pub why_not: Option<String>,
    /// The tool's own version text; `None` for the in-process observers.
    #[serde(default)]
    pub version: Option<String>,
    /// The functions that were not watched, one sentence for each reason.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The differences between its counts and those of the in-process observers, one sentence each.
    #[serde(default)]
    pub differences: Vec<String>,
    /// Its counts.
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
    /// The kind of the called code.
    pub kind: CallKind,
    /// Its name, as in [`Call::name`].
    pub name: String,
    /// The number of calls per operation.
    pub calls_per_op: f64,
}

/// A cause of a difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The cause, e.g. `page faults`.
    pub cause: String,
    /// Label of the case it is about, as [`Case::label`] gives it.
    pub case: String,
    /// The measurements behind it, one sentence each.
    pub evidence: Vec<String>,
    /// The time that it costs B; above 0, B is slower by it. For a supported cause, the part that switching it off
    /// takes from the gap that remains after the supported causes before it, so that effects and residual sum to the
    /// gap. For other causes, the part that it takes from the whole gap, alone.
    pub effect_ns: Option<f64>,
    /// The interval of `effect_ns`.
    pub effect_ns_ci95: Option<Ci95>,
    /// `effect_ns` ÷ the difference of the wall times.
    pub share_of_gap: Option<f64>,
    /// The part that switching it off takes from the whole gap, alone.
    #[serde(default)]
    pub alone_ns: Option<f64>,
    /// The interval of `alone_ns` for the verdict, wider than 95 % because several causes were tried.
    #[serde(default)]
    pub alone_ns_interval: Option<Ci95>,
    /// The verdict of the experiment.
    pub verdict: FindingVerdict,
    /// What fixes it.
    pub fix: Option<String>,
}

/// The verdict of an experiment about a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FindingVerdict {
    /// Switching the cause off changed the time.
    Supported,
    /// It did not.
    Refuted,
    /// The experiment could not decide.
    Undecided,
}
