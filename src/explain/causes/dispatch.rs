//! The fixed cost of an operation: interpreter, binding, checks, choice of the loop.

use super::{Cause, Hypothesis, Plan, Rank, Trial, both, both_times};
use crate::explain::experiment::{Effect, Terms};
use crate::explain::survey::Survey;
use crate::explain::sweep;
use crate::explain::switch::Switches;
use crate::model::units;

/// The time of an operation on one element.
pub struct Dispatch;

impl Cause for Dispatch {
    fn name(&self) -> &'static str {
        "dispatch and binding"
    }

    fn rank(&self) -> Rank {
        Rank::Symptom
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H3)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        if !survey.sized {
            return Plan::Not("the setup does not use `shape` or `size`, so it cannot run on one element".into());
        }
        let unit = Switches::shape(vec![1; survey.case.shape.len()]);
        Plan::Try(vec![Trial::measuring("one element, so that only fixed cost remains", Terms(vec![(1.0, unit)]))])
    }

    fn evidence(&self, survey: &Survey<'_>, effect: &Effect) -> Vec<String> {
        let one = format!("on one element: {}", both_times(survey.names(), effect, 0));
        let fitted = match [0, 1].map(|side| sweep::fixed(&survey.sweep, side)) {
            [Some(a), Some(b)] => Some(format!(
                "by a straight line through the two smallest sizes of the sweep: {}",
                both(survey, [a, b].map(units::signed_time))
            )),
            _ => None,
        };
        [one].into_iter().chain(fitted).collect()
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("doing more in each call of {}: larger arrays, or less Python around it", survey.slower())
    }
}
