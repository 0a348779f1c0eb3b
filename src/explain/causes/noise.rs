//! Frequency, noise and drift: the same experiment with nothing switched.

use super::{Cause, Plan, Rank, Trial, both};
use crate::explain::experiment::{Effect, Terms};
use crate::explain::survey::Survey;
use crate::explain::switch::Switch;
use crate::model::units;

/// What two processes that do the same differ by.
pub struct Noise;

/// No name that anybody reads: it only makes a process of its own.
const AGAIN: &str = "RAPTORS_TRACE_AGAIN";

impl Cause for Noise {
    fn name(&self) -> &'static str {
        "frequency, noise and drift"
    }

    fn rank(&self) -> Rank {
        Rank::Symptom
    }

    fn is_about_the_measurement(&self) -> bool {
        true
    }

    fn plan(&self, _: &Survey<'_>) -> Plan {
        let again = Switch::environment(AGAIN, Some("1"));
        let terms = Terms::difference(&Switch::default(), &again);
        Plan::Try(vec![Trial::measuring("nothing switched, in another process", terms)])
    }

    fn evidence(&self, survey: &Survey<'_>, _: &Effect) -> Vec<String> {
        let drift = &survey.case.rounds.drift;
        let change =
            drift.ratio.map(|ratio| format!("over the comparison's rounds the ratio moved by {:+.1} %", 100.0 * ratio));
        let frequency = match [0, 1].map(|side| survey.seen[side].ghz) {
            [Some(a), Some(b)] => format!(
                "frequency of the processor right after rounds of {}, timed by additions that wait for each other",
                both(survey, [a, b].map(|ghz| format!("{} GHz", units::decimal(ghz, 2))))
            ),
            _ => "the processor's frequency cannot be measured here".to_owned(),
        };
        change.into_iter().chain([frequency]).collect()
    }

    fn fix(&self, _: &Survey<'_>) -> String {
        "close what else runs on this machine and give more --time: what moves here is not the sides".into()
    }
}
