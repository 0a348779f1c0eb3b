//! Frequency, noise and drift: the same experiment without a switch.

use super::{Cause, Plan, Rank, Trial, both};
use crate::explain::experiment::{Effect, Terms};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::units;

/// The difference between two processes that do the same.
pub struct Noise;

/// An internal name: it only forces a separate process.
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
        let again = Switches::environment(AGAIN, Some("1"));
        let terms = Terms::difference(&Switches::default(), &again);
        Plan::Try(vec![Trial::measuring("nothing switched, in another process", terms)])
    }

    fn evidence(&self, survey: &Survey<'_>, _: &Effect) -> Vec<String> {
        let drift = &survey.case.rounds.drift;
        let change =
            drift.ratio.map(|ratio| format!("over the comparison's rounds the ratio moved by {:+.1} %", 100.0 * ratio));
        let frequency = match [0, 1].map(|side| survey.seen[side].ghz) {
            [Some(a), Some(b)] => format!(
                "processor frequency right after rounds of {}, timed by dependent additions",
                both(survey, [a, b].map(|ghz| format!("{} GHz", units::decimal(ghz, 2))))
            ),
            _ => "the processor's frequency cannot be measured here".to_owned(),
        };
        change.into_iter().chain([frequency]).collect()
    }

    fn fix(&self, _: &Survey<'_>) -> String {
        "close other programs on this machine and give more --time: this variation does not come from the sides".into()
    }
}
