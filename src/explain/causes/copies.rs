//! Hidden copies and extra passes over memory.

use super::{Cause, Plan, Rank, Trial, both, by_switch};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::comparison::{CallKind, FindingVerdict};
use crate::model::protocol::{Passes, Side};
use crate::model::switches::Switch;
use crate::model::units;

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
            Switch::NoCopies,
            "copies left out",
            "neither statement copies an array by `.copy()`, `np.copy`, `np.array` or `.astype`",
        );
        match trial {
            Ok(trial) => Plan::Try(vec![Trial { what: format!("{}{}", trial.what, moved(survey)), ..trial }]),
            Err(why) => without_a_switch(survey, why),
        }
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        if survey.changed(Switch::NoCopies).is_ok() {
            return format!("leaving out the copy in {}", survey.slower());
        }
        format!("computing the result of {} in fewer passes over the data", survey.slower())
    }
}

/// Loops whose time is that of their passes over memory, to the extent that memory dominates.
const ARITHMETIC: [&str; 4] = ["np.add[", "np.subtract[", "np.multiply[", "np.positive["];
/// The largest number of added passes, so that small errors of each do not add up.
const MOST_PASSES: f64 = 4.0;

/// Whether the loops of side 0 or 1 write in place, instead of into new memory; nothing if they compute more than a
/// pass over memory.
fn are_in_place(survey: &Survey<'_>, side: usize) -> Option<bool> {
    let mut calls = survey.sides()[side].calls.iter();
    let is_simple = |name: &str| ARITHMETIC.iter().any(|simple| name.starts_with(simple));
    calls.all(|call| call.depth > 0 || call.kind == CallKind::Loop && is_simple(&call.name)).then(|| {
        let mut calls = survey.sides()[side].calls.iter();
        calls.any(|call| call.aliasing.as_deref() == Some("in place"))
    })
}

/// Bytes that both sides move, if known.
fn moved(survey: &Survey<'_>) -> String {
    let [Some(a), Some(b)] = survey.sides().map(|side| side.bytes_per_op) else {
        return String::new();
    };
    format!("; bytes moved by loops and routines without: {}", both(survey, [a, b].map(units::bytes)))
}

/// No switch can take a pass from the side that makes it. The other side makes as many passes instead, if they are
/// mostly passes over memory.
fn without_a_switch(survey: &Survey<'_>, why: String) -> Plan {
    let passes = [0, 1].map(|side| survey.passes(side));
    let [Some(a), Some(b)] = survey.sides().map(|side| side.bytes_per_op) else {
        return Plan::Not(why);
    };
    let (least, most) = (a.min(b), a.max(b));
    let more = (passes[0] - passes[1]).abs();
    if more < 0.5 || least <= 0.0 || most / least < 1.2 {
        return Plan::Not(why);
    }
    let seen = format!(
        "passes over the data per operation: {}; bytes moved: {}",
        both(survey, passes.map(units::count)),
        both(survey, [a, b].map(units::bytes)),
    );
    let longer = usize::from(passes[1] > passes[0]);
    if let Some(in_place) = are_in_place(survey, longer)
        && (more - more.round()).abs() < 0.1
        && more.round() <= MOST_PASSES
    {
        let (side, name) = (Side::BOTH[1 - longer], survey.names()[1 - longer]);
        let count = more.round() as u32;
        let passes = if count == 1 { "pass" } else { "passes" };
        let kind = if in_place { "in place" } else { "fresh" };
        return Plan::Try(vec![Trial::of(
            format!("{count} {passes} more made by {name} as well, {kind}, over its result ({seen})"),
            Switches::more_passes(Passes { side, count, in_place }),
        )]);
    }
    Plan::Known(
        FindingVerdict::Undecided,
        vec![
            format!("{seen}; no switch takes a pass out of a statement"),
            format!("no copy was left out either: {why}"),
        ],
    )
}
