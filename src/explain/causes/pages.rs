//! Page faults: memory that is new to the process in every operation.

use super::{Cause, Hypothesis, Plan, Rank, Trial, both};
use crate::explain::experiment::Effect;
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::comparison::FindingVerdict;
use crate::model::switches::Switch;
use crate::model::units;

/// Page faults, and the allocations that cause them.
pub struct Pages;

/// Settings of the kernel that a user may have made, and that bring the faults of plain memory back.
const OWN: [&str; 2] = ["RAPTORS_ALLOC", "RAPTORS_BUFFER_CACHE"];

impl Cause for Pages {
    fn name(&self) -> &'static str {
        "page faults and allocation"
    }

    fn rank(&self) -> Rank {
        Rank::Mechanism
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H2)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        if survey.faults.iter().all(|faults| *faults < 1.0) {
            let faults = both(survey, survey.faults.map(units::count));
            return Plan::Known(FindingVerdict::Refuted, vec![format!("page faults per operation, settled: {faults}")]);
        }
        let mut trials = vec![Trial::of(
            "freed memory kept by the C library (mallopt: nothing mapped, nothing returned)",
            Switches::of(Switch::KeepMemory),
        )];
        if let Ok(changed) = survey.changed(Switch::IntoMemoryThatIsThere) {
            trials.push(Trial::of(
                format!("results written into existing memory (`out=`; {changed})"),
                Switches::of(Switch::IntoMemoryThatIsThere),
            ));
        }
        for name in OWN {
            if let Ok(value) = std::env::var(name)
                && survey.uses_kernel()
            {
                trials.push(Trial::of(format!("{name}={value} removed"), Switches::environment(name, None)));
            }
        }
        Plan::Try(trials)
    }

    fn evidence(&self, survey: &Survey<'_>, effect: &Effect) -> Vec<String> {
        let faults = both(survey, effect.faults.map(units::count));
        vec![format!("page faults per operation without the switch: {faults}")]
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("letting {} write into existing memory (`out=`, a reused buffer)", survey.slower())
    }
}
