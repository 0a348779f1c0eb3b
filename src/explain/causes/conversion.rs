//! Operands that have to be converted, gathered or cast before the computation.

use super::{Cause, Hypothesis, Plan, Rank, any_of, by_switch};
use crate::explain::experiment::Effect;
use crate::explain::survey::Survey;
use crate::model::switches::Switch;

/// Strides, byte order, and types that do not match.
pub struct Conversion;

const WAYS: [(Switch, &str); 5] = [
    (Switch::Contiguous, "every array in one piece"),
    (Switch::RowOrder, "every array row by row"),
    (Switch::NativeOrder, "bytes in this machine's order"),
    (Switch::SameType, "every array of the largest one's type"),
    (Switch::PlainScalars, "plain numbers instead of NumPy scalars, which force their type on the arrays"),
];

impl Cause for Conversion {
    fn name(&self) -> &'static str {
        "conversion"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn hypothesis(&self) -> Option<Hypothesis> {
        Some(Hypothesis::H3)
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        let nothing = "every array is in one piece, row by row, in this machine's byte order, and no two types meet";
        any_of(WAYS.map(|(switch, what)| by_switch(survey, switch, what, nothing)))
    }

    fn evidence(&self, survey: &Survey<'_>, _: &Effect) -> Vec<String> {
        let chunked = survey.sides().into_iter().filter_map(|side| {
            let most = side.calls.iter().map(|call| call.calls_per_op).fold(0.0, f64::max);
            (most >= 2.0).then(|| {
                let call = side.calls.iter().find(|call| call.calls_per_op == most)?;
                Some(format!("{}: {} runs {most:.0} times per operation", side.name, call.name))
            })?
        });
        chunked.collect()
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("converting the operands of {} once, before the operation", survey.slower())
    }
}
