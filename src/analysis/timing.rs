//! The timed rounds of one case: the basis of a ratio, and of the comparison with a later run.

use super::stats::{self, SEED, median};
use crate::model::comparison::{Ci95, Ratio, Verdict};

/// The seed for the draws of an earlier run, which must be independent of those of the run that is compared with it.
const THEN: u64 = 0x7e1d;

/// The unobserved, interleaved rounds of one case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// Nanoseconds per operation of side A in each round.
    pub a: Vec<f64>,
    /// The same of side B; the n-th rounds of both ran next to each other.
    pub b: Vec<f64>,
    /// The placement of the arrays in each round.
    pub placements: Vec<u64>,
    /// The code that ran once per side before its statement.
    pub setups: [String; 2],
}

impl Timing {
    /// A's median time ÷ B's, so that it agrees with the two printed times.
    pub fn ratio(&self) -> Ratio {
        let ci95 = stats::interval(&self.draws(SEED));
        Ratio { median: self.median(), ci95, verdict: Verdict::of(ci95) }
    }

    /// This run's ratio ÷ that of an earlier one, with its bootstrap interval: each run's rounds are drawn
    /// independently.
    pub fn change_since(&self, then: &Self) -> (f64, Ci95) {
        let drawn: Vec<f64> = self.draws(SEED).iter().zip(then.draws(THEN)).map(|(now, then)| now / then).collect();
        (self.median() / then.median(), stats::interval(&drawn))
    }

    fn median(&self) -> f64 {
        median(&self.a) / median(&self.b)
    }

    /// Rounds are drawn in pairs, because a slow phase of the machine slows both.
    fn draws(&self, seed: u64) -> Vec<f64> {
        let pairs = self.a.len().min(self.b.len());
        stats::draws(&self.placements[..pairs], seed, |rows| {
            let side = |values: &[f64]| median(&rows.iter().map(|&row| values[row]).collect::<Vec<_>>());
            side(&self.a) / side(&self.b)
        })
    }
}
