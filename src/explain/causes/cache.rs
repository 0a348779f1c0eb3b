//! The cache level that holds the data.

use super::{Cause, Hypothesis, Plan, Rank, Trial};
use crate::explain::experiment::{Effect, Terms};
use crate::explain::survey::Survey;
use crate::explain::sweep::{self, Point};
use crate::explain::switch::Switches;
use crate::model::comparison::joined;
use crate::model::units;

/// The time of an element that it takes only if the data do not fit the second-level cache.
pub struct CacheLevel;

/// Operands and result together, of their share of the cache.
const FITS: f64 = 0.25;
/// With fewer elements, dispatch would dominate.
const LEAST: u64 = 4096;

impl Cause for CacheLevel {
    fn name(&self) -> &'static str {
        "cache level"
    }

    fn rank(&self) -> Rank {
        Rank::Symptom
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H1)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        if !survey.sized {
            return Plan::Not("the setup does not use `shape` or `size`, so its arrays have one size".into());
        }
        let Some(cache) = survey.machine.l2 else {
            return Plan::Not("the size of this machine's caches is not known".into());
        };
        let shape = &survey.case.shape;
        let elements: u64 = shape.iter().product();
        let item = survey.case.item_bytes().unwrap_or(4) as f64;
        let most = (cache as f64 * FITS / (2.0 * item)) as u64;
        if elements as f64 * 2.0 * item <= cache as f64 || most < LEAST {
            return Plan::Not("the data fit the second-level cache".into());
        }
        let small = fitting(shape, most);
        let part = elements as f64 / small.iter().product::<u64>() as f64;
        let unit = Switches::shape(vec![1; shape.len()]);
        // The gap, minus the gap of as many elements in the cache: fixed cost counts once, not once for each part.
        let what = format!("the same elements in parts of {}, which fit the second-level cache", joined(&small, " × "));
        let terms = Terms(vec![(1.0, Switches::default()), (-part, Switches::shape(small)), (part - 1.0, unit)]);
        Plan::Try(vec![Trial::measuring(what, terms)])
    }

    fn evidence(&self, survey: &Survey<'_>, effect: &Effect) -> Vec<String> {
        let ratio = |term: usize| {
            let [a, b] = effect.times_of(term);
            format!("{}×", units::decimal(a / b, 2))
        };
        let [a, b] = survey.names();
        let mut evidence = vec![format!(
            "{a} ÷ {b} is {} at this size, {} at the part's size and {} at one element",
            ratio(0),
            ratio(1),
            ratio(2)
        )];
        evidence.extend((0..2).map(|side| knees(survey, side)));
        evidence
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!(
            "working through the data of {} in pieces that fit the cache, several operations on each",
            survey.slower()
        )
    }
}

/// The rise of a side's time per element, in a sentence.
fn knees(survey: &Survey<'_>, side: usize) -> String {
    let name = survey.names()[side];
    let bytes =
        |point: &Point| units::bytes((point.elements * 2) as f64 * survey.case.item_bytes().unwrap_or(4) as f64);
    let knees: Vec<String> = sweep::knees(&survey.sweep, side)
        .into_iter()
        .map(|knee| {
            format!(
                "from {} to {} ns between {} and {}",
                units::decimal(knee.before, 3),
                units::decimal(knee.after, 3),
                bytes(knee.from),
                bytes(knee.to)
            )
        })
        .collect();
    match (survey.sweep.first(), knees.is_empty()) {
        (None, _) => format!("{name}: there was no time for smaller sizes"),
        (Some(first), true) => {
            format!("{name}: time per further element has no knee from {} on (operand and result)", bytes(first))
        }
        (Some(_), false) => format!(
            "{name}: time per further element rises {} (operand and result; this machine's caches: {})",
            knees.join(", "),
            survey.machine.cache_sizes().join(", ")
        ),
    }
}

/// The shape with its longest length halved until it has no more than `most` elements.
fn fitting(shape: &[u64], most: u64) -> Vec<u64> {
    let mut shape = shape.to_vec();
    while shape.iter().product::<u64>() > most {
        let Some(longest) = shape.iter_mut().max() else {
            break;
        };
        *longest = (*longest / 2).max(1);
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_keeps_the_number_of_dimensions() {
        assert_eq!(fitting(&[2048, 2048], 32768), [256, 128]);
        assert_eq!(fitting(&[1 << 20], 32768), [32768]);
        assert_eq!(fitting(&[3, 1 << 20], 32768), [3, 8192]);
    }
}
