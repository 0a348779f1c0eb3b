//! The observation itself.

use super::{Cause, Plan, Rank, Trial};
use crate::explain::experiment::Effect;
use crate::explain::survey::Survey;
use crate::explain::switch::Switch;

/// What the observers of calls and memory add; no time here is of observed rounds.
pub struct Observation;

impl Cause for Observation {
    fn name(&self) -> &'static str {
        "the observation itself"
    }

    fn rank(&self) -> Rank {
        Rank::Symptom
    }

    fn is_about_the_measurement(&self) -> bool {
        true
    }

    fn plan(&self, _: &Survey<'_>) -> Plan {
        // The gap under observation less the one without: what observing adds.
        let observed = Switch::arm(&["observed"]);
        Plan::Try(vec![Trial::adding("the observers of calls and memory armed", observed)])
    }

    fn evidence(&self, _: &Survey<'_>, _: &Effect) -> Vec<String> {
        vec!["the times here are of rounds that nobody observes".into()]
    }

    fn fix(&self, _: &Survey<'_>) -> String {
        "read phases and calls of this case with care; the times are of rounds that nobody observes".into()
    }
}
