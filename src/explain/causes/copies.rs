//! Hidden copies and extra passes over memory.

use super::{Cause, Plan, Rank, Trial, both, by_switch};
use crate::comparison::{CallKind, FindingVerdict};
use crate::explain::survey::Survey;
use crate::report::units;

/// Copies that the statement does not need.
pub struct Copies;

impl Cause for Copies {
    fn name(&self) -> &'static str {
        "hidden copies and extra passes"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        let trial = by_switch(
            survey,
            "no_copies",
            "copies left out",
            "neither statement copies an array by `.copy()`, `np.copy`, `np.array` or `.astype`",
        );
        match trial {
            Ok(trial) => Plan::Try(vec![Trial {
                what: format!("{}{}", trial.what, moved(survey)),
                ..trial
            }]),
            Err(why) => without_a_switch(survey, why),
        }
    }

    fn mend(&self, survey: &Survey<'_>) -> String {
        format!("leaving the copy of {} out", survey.slower())
    }
}

/// Bytes that both sides move, where that is known.
fn moved(survey: &Survey<'_>) -> String {
    let [Some(a), Some(b)] = survey.sides().map(|side| side.bytes_per_op) else {
        return String::new();
    };
    format!(
        "; bytes moved by loops and routines without: {}",
        both(survey, [a, b].map(units::bytes))
    )
}

/// A pass more of a loop cannot be switched, only seen.
fn without_a_switch(survey: &Survey<'_>, why: String) -> Plan {
    let loops = [0, 1]
        .map(|side| survey.calls(side, CallKind::Loop) + survey.calls(side, CallKind::Backend));
    let [Some(a), Some(b)] = survey.sides().map(|side| side.bytes_per_op) else {
        return Plan::Not(why);
    };
    let (least, most) = (a.min(b), a.max(b));
    if (loops[0] - loops[1]).abs() < 0.5 || least <= 0.0 || most / least < 1.2 {
        return Plan::Not(why);
    }
    Plan::Known(
        FindingVerdict::Undecided,
        vec![
            format!(
                "passes over the data per operation: {}; bytes moved: {}; no switch takes a pass out of a statement",
                both(survey, loops.map(units::count)),
                both(survey, [a, b].map(units::bytes)),
            ),
            format!("no copy was left out either: {why}"),
        ],
    )
}
