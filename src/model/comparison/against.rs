//! What changed between an earlier run and this one, and whether that is too much.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Ci95;

/// An earlier run that this one is held against.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Against {
    /// Its run file, as it was given.
    pub file: String,
    /// Version of raptors-trace that measured it.
    pub tool_version: String,
    /// When it began, in seconds since 1970-01-01 UTC.
    pub started_unix_s: Option<f64>,
    /// What is not the same of the two machines and their software.
    pub differences: Vec<Difference>,
    /// One entry per case that both runs hold, in the order of this one.
    pub cases: Vec<Change>,
    /// Labels of the cases that only this run holds.
    pub only_now: Vec<String>,
    /// Labels of the cases that only the earlier run holds.
    pub only_then: Vec<String>,
}

/// Something that is not the same in both runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// What, e.g. `NumPy` or `statement of A`.
    pub what: String,
    /// In the earlier run; `None` where it had none.
    pub then: Option<String>,
    /// In this one.
    pub now: Option<String>,
}

/// What changed in one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Label of the case, as [`Case::label`](super::Case::label) gives it.
    pub case: String,
    /// A's time ÷ B's in this run ÷ the same in the earlier one: below 1, B lost against A.
    pub change: f64,
    /// Its bootstrap interval, over placements and rounds of both runs.
    pub ci95: Ci95,
    /// What may be said.
    pub verdict: ChangeVerdict,
    /// A's time ÷ B's.
    pub ratio: ThenAndNow,
    /// A's wall time of one operation.
    pub a_ns: ThenAndNow,
    /// B's.
    pub b_ns: ThenAndNow,
    /// What is not the same of what the sides ran.
    pub differences: Vec<Difference>,
}

/// A figure of both runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThenAndNow {
    /// In the earlier run.
    pub then: Estimate,
    /// In this one.
    pub now: Estimate,
}

/// A figure with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Of the rounds.
    pub median: f64,
    /// Of the median.
    pub ci95: Ci95,
}

/// What the interval of a change allows to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChangeVerdict {
    /// It lies below 1.
    #[serde(rename = "b lost")]
    BLost,
    /// It lies above 1.
    #[serde(rename = "b gained")]
    BGained,
    /// It holds 1.
    #[serde(rename = "no change shown")]
    NoChangeShown,
}

/// What `--fail-below` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// The limit that was given.
    pub fail_below: f64,
    /// Which figure is held against it.
    pub on: GateOn,
    /// The worst outcome of a case.
    pub outcome: GateOutcome,
    /// One entry per case that was held against the limit.
    pub cases: Vec<GateCase>,
}

/// Which figure a gate is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GateOn {
    /// [`Change::change`].
    Change,
    /// [`Case::ratio`](super::Case::ratio).
    Ratio,
}

/// A case at the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateCase {
    /// Label of the case.
    pub case: String,
    /// The figure.
    pub median: f64,
    /// Its interval.
    pub ci95: Ci95,
    /// What came of it.
    pub outcome: GateOutcome,
}

/// What comes of a gate; the later the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GateOutcome {
    /// The figure is not below the limit.
    Passed,
    /// The figure is below it, but its interval reaches up to it or beyond.
    Undecided,
    /// The whole interval is below it.
    Missed,
}
