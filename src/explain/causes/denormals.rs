//! Denormal numbers, which many processors compute in microcode.

use super::{Cause, Plan, Rank, Trial, both};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::switches::Switch;

/// Operands smaller than the smallest normal number.
pub struct Denormals;

impl Cause for Denormals {
    fn name(&self) -> &'static str {
        "denormals"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        let found = [0, 1].map(|side| survey.seen[side].denormals.join(", "));
        if found.iter().all(String::is_empty) {
            return Plan::Not("no array holds a denormal number".into());
        }
        let found = found.map(|found| if found.is_empty() { "none".to_owned() } else { found });
        Plan::Try(vec![Trial::of(
            format!("denormals treated as zero by the computing thread ({})", both(survey, found)),
            Switches::of(Switch::FlushedDenormals),
        )])
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("replacing denormal numbers by zero in the data of {}", survey.slower())
    }
}
