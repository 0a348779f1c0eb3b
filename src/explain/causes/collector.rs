//! Python's garbage collector.

use super::{Cause, Plan, Rank, Trial};
use crate::explain::experiment::Effect;
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::switches::Switch;

/// Garbage collections caused by objects of an operation. The collector is off in all other rounds.
pub struct Collector;

impl Cause for Collector {
    fn name(&self) -> &'static str {
        "garbage collector"
    }

    fn rank(&self) -> Rank {
        Rank::Symptom
    }

    fn is_about_the_measurement(&self) -> bool {
        true
    }

    fn plan(&self, _: &Survey<'_>) -> Plan {
        let on = Switches::of(Switch::Collector);
        Plan::Try(vec![Trial::adding("the garbage collector on", on)])
    }

    fn evidence(&self, _: &Survey<'_>, _: &Effect) -> Vec<String> {
        vec!["it is off in all other rounds".into()]
    }

    fn fix(&self, _: &Survey<'_>) -> String {
        "creating fewer objects that refer to other objects in each operation".into()
    }
}
