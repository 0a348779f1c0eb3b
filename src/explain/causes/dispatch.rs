//! The fixed cost of an operation: interpreter, binding, checks, choice of the loop.

use super::{Cause, Hypothesis, Plan, Rank, Trial, both_times};
use crate::explain::experiment::{Effect, Terms};
use crate::explain::survey::Survey;
use crate::explain::switch::Switch;

/// What an operation costs on one element.
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
            return Plan::Not("the setup does not make its arrays by `shape` or `size`, so there is no run on one element".into());
        }
        let unit = Switch::shape(vec![1; survey.case.shape.len()]);
        Plan::Try(vec![Trial::measuring(
            "one element, where all that is left is fixed cost",
            Terms(vec![(1.0, unit)]),
        )])
    }

    fn evidence(&self, survey: &Survey<'_>, effect: &Effect) -> Vec<String> {
        vec![format!(
            "on one element: {}",
            both_times(survey.names(), effect, 0)
        )]
    }

    fn mend(&self, survey: &Survey<'_>) -> String {
        format!(
            "doing more in one call of {}: larger arrays, or less Python around it",
            survey.slower()
        )
    }
}
