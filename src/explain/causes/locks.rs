//! Locks that a statement takes.

use super::{Cause, Plan, Rank, any_of, by_switch};
use crate::explain::survey::Survey;
use crate::model::switches::Switch;

/// Locks, semaphores and conditions of Python's `threading`.
pub struct Locks;

impl Cause for Locks {
    fn name(&self) -> &'static str {
        "a lock"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        any_of([by_switch(
            survey,
            Switch::NoLocks,
            "locks that are always free",
            "neither setup makes a lock of `threading`",
        )])
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("taking the lock of {} less often, or for less time", survey.slower())
    }
}
