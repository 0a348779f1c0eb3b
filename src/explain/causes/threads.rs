//! Threads that compute, the library's or the side's own.

use super::{Cause, Hypothesis, Plan, Rank, Trial, both};
use crate::comparison::FindingVerdict;
use crate::explain::survey::Survey;
use crate::explain::switch::Switch;
use crate::report::units;

/// How many CPUs a side keeps busy.
pub struct Threads;

/// Above this a second CPU works, and not just the clocks disagree.
const BUSY: f64 = 1.1;

impl Cause for Threads {
    fn name(&self) -> &'static str {
        "threads"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H1)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        let busy = both(
            survey,
            survey
                .busy
                .map(|share| format!("{}×", units::decimal(share, 2))),
        );
        let started = survey.seen.iter().any(|seen| seen.threads_started > 0);
        if survey.busy.iter().all(|share| *share < BUSY) && !started {
            let evidence = format!("each side keeps one CPU busy: CPU time ÷ wall time is {busy}");
            return Plan::Known(FindingVerdict::Refuted, vec![evidence]);
        }
        if survey.machine.cores < 2 {
            return Plan::Not("this process may run on one CPU only".into());
        }
        Plan::Try(vec![Trial::of(
            format!("the whole process held on one CPU (CPU time ÷ wall time without: {busy})"),
            Switch::process("one_cpu"),
        )])
    }

    fn mend(&self, survey: &Survey<'_>) -> String {
        format!(
            "giving both sides the same threads (OPENBLAS_NUM_THREADS, RAPTORS_THREADS, `threads=`), as {} has",
            survey.faster()
        )
    }
}
