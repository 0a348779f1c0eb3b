//! The change between an earlier run and this one, and whether it is too large.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Ci95;

/// The earlier run that this one is compared with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Against {
    /// Its run file, as given.
    pub file: String,
    /// Version of raptors-trace that measured it.
    pub tool_version: String,
    /// The time it began, in seconds since 1970-01-01 UTC.
    pub started_unix_s: Option<f64>,
    /// The differences between the two machines and their software.
    pub differences: Vec<Difference>,
    /// One entry per case that both runs hold, in the order of this one.
    pub cases: Vec<Change>,
    /// Labels of the cases that only this run holds.
    pub only_now: Vec<String>,
    /// Labels of the cases that only the earlier run holds.
    pub only_then: Vec<String>,
}

/// A property that differs between the runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The property, e.g. `NumPy` or `statement of A`.
    pub what: String,
    /// Its value in the earlier run; `None` if there was none.
    pub then: Option<String>,
    /// Its value in this run.
    pub now: Option<String>,
}

/// The change in one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Label of the case, as [`Case::label`](super::Case::label) gives it.
    pub case: String,
    /// A's time ÷ B's in this run ÷ the same in the earlier one: below 1, B lost against A.
    pub change: f64,
    /// Its bootstrap interval, over placements and rounds of both runs.
    pub ci95: Ci95,
    /// The verdict.
    pub verdict: ChangeVerdict,
    /// A's time ÷ B's.
    pub ratio: ThenAndNow,
    /// A's wall time of one operation.
    pub a_ns: ThenAndNow,
    /// B's.
    pub b_ns: ThenAndNow,
    /// The differences between what the sides ran.
    pub differences: Vec<Difference>,
}

/// A figure in both runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThenAndNow {
    /// In the earlier run.
    pub then: Estimate,
    /// Its value in this run.
    pub now: Estimate,
}

/// A figure with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The figure, from the rounds.
    pub median: f64,
    /// Of the median.
    pub ci95: Ci95,
}

/// The verdict of a change's interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChangeVerdict {
    /// It lies below 1.
    #[serde(rename = "b lost")]
    BLost,
    /// It lies above 1.
    #[serde(rename = "b gained")]
    BGained,
    /// The interval contains 1.
    #[serde(rename = "no change shown")]
    NoChangeShown,
}

/// The verdict of `--fail-below`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// The given limit.
    pub fail_below: f64,
    /// The figure that is compared with the limit.
    pub on: GateOn,
    /// The worst outcome of a case.
    pub outcome: GateOutcome,
    /// One entry per case that was compared with the limit.
    pub cases: Vec<GateCase>,
}

/// The figure of a gate.
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
    /// Its outcome.
    pub outcome: GateOutcome,
}

/// The outcomes of a gate, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GateOutcome {
    /// The figure is not below the limit.
    Passed,
    /// The figure is below the limit, but its interval reaches the limit or goes beyond.
    Undecided,
    /// The whole interval is below it.
    Missed,
}
