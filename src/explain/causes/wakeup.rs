//! Starting, waking and joining threads.

use super::{Cause, Plan, Rank, Trial, both};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::switches::Switch;

/// Threads that a statement starts in every operation.
pub struct WakeUp;

impl Cause for WakeUp {
    fn name(&self) -> &'static str {
        "thread wake-up and join"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        let started = [0, 1].map(|side| survey.seen[side].threads_started);
        if started.iter().any(|count| *count > 0) {
            let counts = both(survey, started.map(|count| count.to_string()));
            return Plan::Try(vec![Trial::of(
                format!(
                    "the work of started threads done by the starting thread (threads started per operation: {counts})"
                ),
                Switches::of(Switch::InlineThreads),
            )]);
        }
        if survey.uses_kernel() && survey.sides().iter().any(|side| side.threads.is_some_and(|n| n > 1)) {
            return Plan::Try(vec![Trial::of(
                "the kernel restricted to one thread (RAPTORS_THREADS=1)",
                Switches::environment("RAPTORS_THREADS", Some("1")),
            )]);
        }
        Plan::Not("no statement starts a thread, and the kernel wakes none".into())
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!(
            "starting the threads of {} once and giving them work, instead of starting them in every operation",
            survey.slower()
        )
    }
}
