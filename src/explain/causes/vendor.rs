//! Whether a vendor's routine is used, and its effect.

use super::{Cause, Hypothesis, Plan, Rank, Trial, both};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::comparison::{CallKind, FindingVerdict};
use crate::model::switches::Switch;
use crate::model::units;

/// Calls of BLAS, LAPACK or Accelerate.
pub struct Vendor;

impl Cause for Vendor {
    fn name(&self) -> &'static str {
        "vendor routine"
    }

    fn rank(&self) -> Rank {
        Rank::Mechanism
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H1)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        let [a, b] = survey.sides().map(|side| side.blas_calls_per_op);
        let (Some(a), Some(b)) = (a, b) else {
            return Plan::Not("calls of BLAS and Accelerate were not observed".into());
        };
        let backend = |side: usize| {
            let mut calls = survey.sides()[side].calls.iter();
            calls.any(|call| {
                call.kind == CallKind::Backend
                    && call
                        .symbol
                        .as_deref()
                        .is_some_and(|name| name.contains("openblas") || name.contains("accelerate"))
            })
        };
        if a == 0.0 && b == 0.0 && !backend(0) && !backend(1) {
            let Some(control) = survey.control.filter(|control| control.ok) else {
                return Plan::Not(
                    "no call was seen, and the control was not seen either, so this proves nothing".into(),
                );
            };
            let evidence = format!(
                "neither side calls BLAS, LAPACK or Accelerate, so there is nothing to switch; the same observers saw \
                 {} of {} calls of `{}`",
                control.seen, control.expected, control.name
            );
            return Plan::Known(FindingVerdict::Refuted, vec![evidence]);
        }
        if backend(0) || backend(1) {
            return Plan::Try(vec![Trial::of(
                "the kernel's own loops instead of the library's",
                Switches::of(Switch::AutomaticBackend).and(&Switches::environment("RAPTORS_BACKEND", Some("simd"))),
            )]);
        }
        let calls = both(survey, [a, b].map(units::count));
        let openblas = survey.software.blas.iter();
        if !openblas.map(|blas| blas.library.as_str()).any(|library| library.contains("OpenBLAS")) {
            return Plan::Not(format!("calls per operation: {calls}; this library has no switch for its code paths"));
        }
        Plan::Try(vec![Trial::of(
            format!("OpenBLAS restricted to code for a CPU of 2004 (calls per operation: {calls})"),
            Switches::environment("OPENBLAS_CORETYPE", Some("Prescott")),
        )])
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("computing {} with the routine that {} calls", survey.slower(), survey.faster())
    }
}
