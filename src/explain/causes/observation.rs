//! The observation itself.

use super::{Cause, Plan, Rank, Trial};
use crate::explain::experiment::Effect;
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::switches::Switch;

/// The cost of the observers of calls and memory; all times come from unobserved rounds.
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
        // The gap under observation minus the gap without: the cost of observing.
        let observed = Switches::of(Switch::Observed);
        Plan::Try(vec![Trial::adding("the observers of calls and memory armed", observed)])
    }

    fn evidence(&self, _: &Survey<'_>, _: &Effect) -> Vec<String> {
        vec!["all times come from unobserved rounds".into()]
    }

    fn fix(&self, _: &Survey<'_>) -> String {
        "do not rely on phases and calls of this case; its times come from unobserved rounds".into()
    }
}
