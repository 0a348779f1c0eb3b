//! `--fail-below`: whether a figure is surely below a limit.

use crate::model::comparison::{Ci95, Comparison, Gate, GateCase, GateOn, GateOutcome};
use crate::model::error::{Error, Exit};

/// Compares every case with `limit`: its change if there is an earlier run, else its ratio. An undecided case becomes a
/// warning.
pub fn add(comparison: &mut Comparison, limit: f64) {
    let case = |case: String, median: f64, ci95: Ci95| GateCase {
        case,
        median,
        ci95,
        outcome: GateOutcome::of(median, ci95, limit),
    };
    let (on, cases): (_, Vec<GateCase>) = match &comparison.against {
        Some(against) => {
            let changes = against.cases.iter();
            let cases = changes.map(|change| case(change.case.clone(), change.change, change.ci95));
            (GateOn::Change, cases.collect())
        }
        None => {
            let cases = comparison.cases.iter();
            let cases = cases.map(|of| case(of.label(), of.ratio.median, of.ratio.ci95));
            (GateOn::Ratio, cases.collect())
        }
    };
    let worst = cases.iter().map(|case| case.outcome).max();
    let gate = Gate {
        fail_below: limit,
        on,
        // Without a compared case, the gate is not passed.
        outcome: worst.unwrap_or(GateOutcome::Undecided),
        cases,
    };
    let sides = sides(comparison);
    let undecided = told(&gate, GateOutcome::Undecided, &sides);
    if !undecided.is_empty() {
        comparison.warnings.push(format!(
            "the gate of {limit} is undecided, because the interval reaches it: {}; give more --time",
            undecided.join("; ")
        ));
    }
    comparison.gate = Some(gate);
}

/// The names of A and B.
pub fn sides(comparison: &Comparison) -> [String; 2] {
    let first = comparison.cases.first();
    first.map_or(["A".into(), "B".into()], |case| [&case.sides.a, &case.sides.b].map(|side| side.name.clone()))
}

/// The failure of a missed gate.
///
/// # Errors
/// That failure.
pub fn judge(gate: &Gate, sides: &[String; 2]) -> Result<(), Error> {
    let missed = told(gate, GateOutcome::Missed, sides);
    let Some(first) = missed.first() else {
        return Ok(());
    };
    let sentence = match missed.len() {
        1 => format!("the gate of {} was missed: {first}", gate.fail_below),
        count => format!("the gate of {} was missed in {count} of {} cases:", gate.fail_below, gate.cases.len()),
    };
    let error = Error::new(sentence).exit(Exit::GateMissed);
    let error = match missed.len() {
        1 => error,
        _ => error.detail(missed.join("\n")),
    };
    Err(error.help(match gate.on {
        GateOn::Change => {
            "the tables above show which phase takes longer; if that is intended, compare later runs with this one \
             (--save FILE)"
        }
        GateOn::Ratio => "the tables above show which phase takes longer; or give another --fail-below",
    }))
}

/// One line for each case with that outcome.
fn told(gate: &Gate, outcome: GateOutcome, [a, b]: &[String; 2]) -> Vec<String> {
    let cases = gate.cases.iter().filter(|case| case.outcome == outcome);
    cases
        .map(|case| {
            let figures = case.figures(gate.fail_below);
            match gate.on {
                GateOn::Change => format!("{}: {b} changed by {figures} against {a}", case.case),
                GateOn::Ratio => format!("{}: {a} ÷ {b} is {figures}", case.case),
            }
        })
        .collect()
}
