//! The parts of a case's gap that `explain` found, in addition to its findings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ci95, FindingVerdict};

/// The gap of one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// Label of the case, as [`Case::label`](super::Case::label) gives it.
    pub case: String,
    /// B's time − A's in the experiments' own rounds without a switch: above 0, B is slower. The supported findings'
    /// `effect_ns` and `residual_ns` sum to it.
    pub gap_ns: f64,
    /// Its interval.
    pub gap_ns_ci95: Ci95,
    /// Whether there is a gap to explain: its interval excludes 0, and it is at least 2 % of the slower side's time.
    pub gap: bool,
    /// Whether the experiments' own rounds reproduce that gap, clear of 0 and of the difference between two processes
    /// that do the same. If they do not, no cause is supported.
    #[serde(default)]
    pub confirmed: bool,
    /// The part that no supported cause explains.
    pub residual_ns: f64,
    /// Its interval, from those of the gap and of the effects.
    pub residual_ns_ci95: Ci95,
    /// Causes whose effects depend on each other, one sentence each.
    pub interactions: Vec<String>,
    /// Causes that were not tried, with the reason.
    pub not_tried: Vec<NotTried>,
    /// Confidence of the findings' intervals for a verdict, above 0.95 because several causes are tried at once.
    pub confidence: f64,
    /// Experiments behind the findings.
    pub experiments: u64,
    /// Whether all of them were run.
    pub complete: bool,
    /// The results for the three hypotheses that the project began with; only for NumPy against Raptors.
    pub hypotheses: Vec<HypothesisFound>,
    /// Times of both sides at smaller sizes, the smallest first, from a few short rounds each; empty if the arrays have
    /// one size.
    #[serde(default)]
    pub sizes: Vec<SizePoint>,
}

/// The time of an operation at one size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SizePoint {
    /// The arrays' shape.
    pub shape: Vec<u64>,
    /// Its elements.
    pub elements: u64,
    /// A's median time per operation.
    pub a_ns: f64,
    /// B's.
    pub b_ns: f64,
}

/// A cause that does not apply, or has no switch here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotTried {
    /// The cause.
    pub cause: String,
    /// The reason.
    pub why: String,
}

/// One of the hypotheses, and the result for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HypothesisFound {
    /// `H1`, `H2`, `H3`.
    pub name: String,
    /// The hypothesis.
    pub says: String,
    /// The verdict, from those of its causes.
    pub verdict: FindingVerdict,
    /// The causes that it consists of, each with its verdict.
    pub because: Vec<String>,
}
