//! The timed rounds of one case: what a ratio stands on, and what a later run is held against.

use super::stats::{self, SEED, median};
use crate::model::comparison::{Ci95, Ratio, Verdict};

/// For the draws of an earlier run, which have to be independent of those of the one that is held against it.
const THEN: u64 = 0x7e1d;

/// The unobserved, interleaved rounds of one case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// Nanoseconds per operation of side A in each round.
    pub a: Vec<f64>,
    /// The same of side B; the n-th round of both stood beside each other.
    pub b: Vec<f64>,
    /// In which placement of the arrays each round was.
    pub placements: Vec<u64>,
    /// What was run once per side before its statement.
    pub setups: [String; 2],
}

impl Timing {
    /// A's median time ÷ B's, so that it agrees with the two times that stand beside it.
    pub fn ratio(&self) -> Ratio {
        let ci95 = stats::interval(&self.draws(SEED));
        Ratio { median: self.median(), ci95, verdict: Verdict::of(ci95) }
    }

    /// This run's ratio ÷ that of an earlier one, with its bootstrap interval: each run's rounds are drawn on their
    /// own.
    pub fn change_since(&self, then: &Self) -> (f64, Ci95) {
        let drawn: Vec<f64> = self.draws(SEED).iter().zip(then.draws(THEN)).map(|(now, then)| now / then).collect();
        (self.median() / then.median(), stats::interval(&drawn))
    }

    fn median(&self) -> f64 {
        median(&self.a) / median(&self.b)
    }

    /// Rounds are drawn in pairs: what slows the machine down for a while slows both.
    fn draws(&self, seed: u64) -> Vec<f64> {
        let pairs = self.a.len().min(self.b.len());
        stats::draws(&self.placements[..pairs], seed, |rows| {
            let side = |values: &[f64]| median(&rows.iter().map(|&row| values[row]).collect::<Vec<_>>());
            side(&self.a) / side(&self.b)
        })
    }
}
