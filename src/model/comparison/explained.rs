//! How the gap of a case was taken apart by `explain`, beside its findings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ci95, FindingVerdict};

/// The gap of one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// Label of the case, as [`Case::label`](super::Case::label) gives it.
    pub case: String,
    /// B's time − A's in the experiments' own rounds with nothing switched: above 0, B is slower. The supported
    /// findings' `effect_ns` and `residual_ns` sum to it.
    pub gap_ns: f64,
    /// Its interval.
    pub gap_ns_ci95: Ci95,
    /// Whether there is a gap to explain: its interval leaves out 0, and it is at least 2 % of the slower side's time.
    pub gap: bool,
    /// Whether the experiments' own rounds have that gap, clear of 0 and of what two processes that do the same differ
    /// by. Where they have not, nobody is accused.
    #[serde(default)]
    pub confirmed: bool,
    /// What no supported cause accounts for.
    pub residual_ns: f64,
    /// Its interval, from those of the gap and of the effects.
    pub residual_ns_ci95: Ci95,
    /// Causes whose effects depend on each other, one sentence each.
    pub interactions: Vec<String>,
    /// Causes that were not tried, and why.
    pub not_tried: Vec<NotTried>,
    /// Confidence of the findings' intervals for a verdict, above 0.95 because several causes are tried at once.
    pub confidence: f64,
    /// Experiments behind the findings.
    pub experiments: u64,
    /// Whether all of them were run.
    pub complete: bool,
    /// What the findings say of the three hypotheses that the project began with; of NumPy against Raptors only.
    pub hypotheses: Vec<HypothesisFound>,
    /// Times of both sides at smaller sizes, the smallest first, a few short rounds each; empty where the arrays have
    /// one size.
    #[serde(default)]
    pub sizes: Vec<SizePoint>,
}

/// What an operation takes at one size.
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

/// A cause that does not apply, or cannot be switched here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotTried {
    /// The cause.
    pub cause: String,
    /// Why it was not tried.
    pub why: String,
}

/// One of the hypotheses, and what the findings say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HypothesisFound {
    /// `H1`, `H2`, `H3`.
    pub name: String,
    /// What it says.
    pub says: String,
    /// The verdict, from those of its causes.
    pub verdict: FindingVerdict,
    /// The causes that stand for it, each with its verdict.
    pub because: Vec<String>,
}
