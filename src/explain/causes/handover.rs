//! The interpreter's lock (GIL): an operation releases it and needs it back while another thread computes in Python.

use super::{Cause, Hypothesis, Plan, Rank, Trial, both};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::switches::Switch;

/// Waiting for the interpreter's lock.
pub struct HandOver;

impl Cause for HandOver {
    fn name(&self) -> &'static str {
        "hand-over of the interpreter's lock"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H3)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        let others = [0, 1].map(|side| survey.seen[side].python_threads);
        if others == [0, 0] {
            return Plan::Not(
                "no other thread runs Python code, so the lock (GIL) is free when an operation needs it back".into(),
            );
        }
        let others = both(survey, others.map(|count| count.to_string()));
        Plan::Try(vec![Trial::of(
            format!(
                "the interpreter's lock (GIL) requested after 20 µs instead of 5 ms (sys.setswitchinterval; threads \
                 beside the one that computes: {others})"
            ),
            Switches::of(Switch::QuickHandover),
        )])
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!(
            "keeping the interpreter's lock in the short operations of {}, or doing more in each, or lowering \
             sys.setswitchinterval",
            survey.slower()
        )
    }
}
