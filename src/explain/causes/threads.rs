//! Computing threads, of a library or of the side itself.

use super::{Cause, Hypothesis, Plan, Rank, Trial, both};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::comparison::FindingVerdict;
use crate::model::switches::Switch;
use crate::model::units;

/// The number of CPUs that a side keeps busy.
pub struct Threads;

/// The variables that set the number of threads of libraries and of the kernel.
const LIMITS: [&str; 6] = [
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAPTORS_THREADS",
];
/// CPU time ÷ wall time above which a second CPU works, and not only the clocks differ.
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
        let busy = both(survey, survey.busy.map(|share| format!("{}×", units::decimal(share, 2))));
        let started = survey.seen.iter().any(|seen| seen.threads_started > 0);
        // If other programs use the machine's CPUs, two busy threads get no more time than one.
        let several = survey.sides().iter().any(|side| side.threads.is_some_and(|threads| threads > 1));
        if survey.busy.iter().all(|share| *share < BUSY) && !started && !several {
            let evidence = format!("each side uses one thread and one CPU: CPU time ÷ wall time is {busy}");
            return Plan::Known(FindingVerdict::Refuted, vec![evidence]);
        }
        if survey.machine.cores < 2 {
            return Plan::Not("this process may use only one CPU".into());
        }
        let mut limits = Switches::environments(&LIMITS, "1");
        let mut taken_away = String::new();
        if let Ok(changed) = survey.changed(Switch::AutomaticThreads) {
            limits = limits.and(&Switches::of(Switch::AutomaticThreads));
            taken_away = format!(", without {changed}");
        }
        let asked = survey.changed(Switch::OneThread);
        let asked = asked.map_or_else(|_| String::new(), |asked| format!("; 1 instead of {asked}"));
        let trials = vec![
            Trial::of(
                format!(
                    "every BLAS library told to compute on one thread while it runs{asked} (CPU time ÷ wall time \
                     without: {busy})"
                ),
                Switches::of(Switch::OneThread),
            ),
            Trial::of(
                format!(
                    "every library and the kernel restricted to one thread from the start ({}=1{taken_away}; CPU time \
                     ÷ wall time without: {busy})",
                    LIMITS.join("=1, ")
                ),
                limits,
            ),
            Trial::of(
                format!("the whole process restricted to one CPU (CPU time ÷ wall time without: {busy})"),
                Switches::of(Switch::OneCpu),
            ),
        ];
        Plan::Try(trials)
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!(
            "giving both sides the same threads (OPENBLAS_NUM_THREADS, RAPTORS_THREADS, `threads=`), as {} has",
            survey.faster()
        )
    }
}
