//! Ordinary stores, or streaming ones that bypass the caches.

use super::{Cause, Hypothesis, Plan, Rank, Trial};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::comparison::FindingVerdict;
use crate::model::switches::Switch;

/// The kind of stores.
pub struct Stores;

impl Cause for Stores {
    fn name(&self) -> &'static str {
        "store kind"
    }

    fn rank(&self) -> Rank {
        Rank::Mechanism
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H1)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        if !survey.uses_kernel() {
            return Plan::Not("NumPy's loops use ordinary stores and have no switch".into());
        }
        let reasons = survey.sides().map(|side| side.dispatch_reason.clone().unwrap_or_default());
        if let Ok(changed) = survey.changed(Switch::AutomaticStores) {
            return Plan::Try(vec![Trial::of(
                format!("the kernel's own choice of stores ({changed})"),
                Switches::of(Switch::AutomaticStores),
            )]);
        }
        if !reasons.iter().any(|reason| reason.contains("stream")) {
            return Plan::Known(FindingVerdict::Refuted, vec!["both sides use ordinary stores".into()]);
        }
        Plan::Try(vec![Trial::of(
            "ordinary stores (RAPTORS_STORES=plain)",
            Switches::environment("RAPTORS_STORES", Some("plain")),
        )])
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("storing the result of {} past the caches, if it fills them and is not read at once", survey.slower())
    }
}
