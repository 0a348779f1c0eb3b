//! The loop that runs: its code path and vector width.

use super::{Cause, Hypothesis, Plan, Rank, Trial};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::comparison::CallKind;
use crate::model::switches::Switch;

/// Loops compiled for other processors than this one.
pub struct CodePath;

const BACKEND: &str = "RAPTORS_BACKEND";

impl Cause for CodePath {
    fn name(&self) -> &'static str {
        "code path and vector width"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H2)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        let mut trials = Vec::new();
        if let Ok(changed) = survey.changed(Switch::AutomaticBackend) {
            trials.push(Trial::of(
                format!("the kernel's own choice of backend ({changed})"),
                Switches::of(Switch::AutomaticBackend),
            ));
        }
        if survey.uses_kernel() {
            if let Ok(forced) = std::env::var(BACKEND) {
                trials.push(Trial::of(format!("{BACKEND}={forced} removed"), Switches::environment(BACKEND, None)));
            } else if trials.is_empty() && cfg!(target_arch = "x86_64") {
                trials.push(Trial::of(
                    "Raptors restricted to vectors as wide as NumPy's (RAPTORS_BACKEND=simd:avx2)",
                    Switches::environment(BACKEND, Some("simd:avx2")),
                ));
            }
        }
        let loops = (0..2).any(|side| survey.calls(side, CallKind::Loop) > 0.0);
        let targets = &survey.software.numpy_cpu_targets;
        if loops && !targets.is_empty() {
            trials.push(Trial::of(
                format!("NumPy restricted to its baseline (without {})", targets.join(", ")),
                Switches::environment("NPY_DISABLE_CPU_FEATURES", Some(&targets.join(" "))),
            ));
        }
        if trials.is_empty() {
            return Plan::Not("no NumPy loop and no backend of the kernel was observed".into());
        }
        Plan::Try(trials)
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("letting {} run the loop for this processor's widest vectors", survey.slower())
    }
}
