//! The change since an earlier run, and the verdict of the gate.

use super::layout::{Cell, Page, Tone, span, widths_of};
use super::{escape, header, summary};
use crate::model::comparison::{
    Against, Case, CaseName, Change, ChangeVerdict, Comparison, Gate, GateOn, GateOutcome, ThenAndNow,
};
use crate::model::units;

/// Writes both; nothing if neither was requested.
pub fn write(page: &mut Page, comparison: &Comparison) {
    if let Some(against) = &comparison.against {
        page.gap();
        page.wrapped(&title(comparison, against), 2, Tone::Strong);
        for name in [CaseName::Operation, CaseName::RoundTrip, CaseName::Custom] {
            let changes = changes(comparison, against, name);
            if !changes.is_empty() {
                page.gap();
                let limit = comparison.gate.as_ref().map(|gate| gate.fail_below);
                table(page, &changes, limit);
            }
        }
        page.gap();
        foot(page, comparison, against);
    }
    if let Some(gate) = &comparison.gate {
        page.gap();
        let tone = match gate.outcome {
            GateOutcome::Passed => Tone::Good,
            GateOutcome::Undecided => Tone::Alarm,
            GateOutcome::Missed => Tone::Bad,
        };
        page.wrapped(&verdict(gate), 2, tone);
    }
}

fn title(now: &Comparison, against: &Against) -> String {
    let file = header::short_file(&against.file);
    let age = now
        .started_unix_s
        .zip(against.started_unix_s)
        .map(|(now, then)| now - then)
        .filter(|age| age.is_finite() && *age > 0.0)
        .map(|age| format!(", measured {} earlier", units::span(age)));
    format!("what changed since {file}{}", age.unwrap_or_default())
}

/// The changes of one kind of case, each with the case of this run.
fn changes<'a>(comparison: &'a Comparison, against: &'a Against, name: CaseName) -> Vec<(&'a Case, &'a Change)> {
    let cases = || comparison.cases.iter();
    let changes = against.cases.iter().filter_map(|change| {
        let case = cases().find(|case| case.label() == change.case)?;
        Some((case, change))
    });
    changes.filter(|(case, _)| case.name == name).collect()
}

/// `limit` is that of a gate: a figure must not look like the limit itself.
fn table(page: &mut Page, changes: &[(&Case, &Change)], limit: Option<f64>) {
    let Some((first, _)) = changes.first() else {
        return;
    };
    let sides = [&first.sides.a, &first.sides.b].map(|side| escape(&side.name) + " then → now");
    let [a, b] = &sides;
    let heads = [summary::title(first), a, b, "change", "95 % interval", ""];
    let mut rows = vec![heads.map(|head| Cell::new(head, Tone::Strong))];
    rows.extend(changes.iter().map(|(case, change)| row(case, change, limit)));
    let widths = widths_of(&rows);
    if span(&widths) > page.width {
        return changes.iter().for_each(|(case, change)| stacked(page, case, change, limit));
    }
    page.table(&rows, &widths, &[0]);
}

fn row(case: &Case, change: &Change, limit: Option<f64>) -> [Cell; 6] {
    let (factor, interval) = figures(change, limit);
    let (verdict, tone) = of(change, &case.sides.b.name);
    [
        Cell::plain(summary::size(case)),
        Cell::plain(times(&change.a_ns)),
        Cell::plain(times(&change.b_ns)),
        Cell::new(factor, tone),
        Cell::plain(interval),
        Cell::new(verdict, tone),
    ]
}

fn figures(change: &Change, limit: Option<f64>) -> (String, String) {
    match limit {
        Some(limit) => units::factor_beside(change.change, change.ci95, limit),
        None => units::factor(change.change, change.ci95),
    }
}

/// A case in lines below each other, if the page has no room for columns.
fn stacked(page: &mut Page, case: &Case, change: &Change, limit: Option<f64>) {
    let (factor, interval) = figures(change, limit);
    let (verdict, tone) = of(change, &case.sides.b.name);
    page.wrapped(&escape(&change.case), 2, Tone::Strong);
    page.wrapped_indented(&format!("  {verdict}: {factor} {interval}"), tone);
    for (side, times_of) in [(&case.sides.a, &change.a_ns), (&case.sides.b, &change.b_ns)] {
        let line = format!("  {}: {}", escape(&side.name), times(times_of));
        page.wrapped_indented(&line, Tone::Plain);
    }
}

fn of(change: &Change, b: &str) -> (String, Tone) {
    let b = escape(b);
    match change.verdict {
        ChangeVerdict::BGained => (format!("{b} gained"), Tone::Good),
        ChangeVerdict::BLost => (format!("{b} lost"), Tone::Bad),
        ChangeVerdict::NoChangeShown => ("no change shown".to_owned(), Tone::Faint),
    }
}

fn times(of: &ThenAndNow) -> String {
    let [then, now] = [&of.then, &of.now].map(|figure| units::time(figure.median));
    format!("{then} → {now}")
}

/// How to read the changes, and the cases without a change.
fn foot(page: &mut Page, comparison: &Comparison, against: &Against) {
    if let Some(first) = comparison.cases.first().filter(|_| !against.cases.is_empty()) {
        let [a, b] = [&first.sides.a, &first.sides.b].map(|side| escape(&side.name));
        let sentence = format!(
            "change: {a} ÷ {b} now, divided by the same then; {a} is in both runs, so a machine that is faster or \
             slower for both sides cancels"
        );
        page.wrapped(&sentence, 2, Tone::Faint);
    }
    let file = header::short_file(&against.file);
    for (where_found, labels) in [("this run".to_owned(), &against.only_now), (file, &against.only_then)] {
        if !labels.is_empty() {
            let labels: Vec<String> = labels.iter().map(|label| escape(label)).collect();
            let sentence = format!("only in {where_found}: {}", labels.join("; "));
            page.wrapped(&sentence, 2, Tone::Plain);
        }
    }
}

/// `gate 0.95 on the change: missed in 1 of 9 cases, undecided in 1`.
fn verdict(gate: &Gate) -> String {
    let on = match gate.on {
        GateOn::Change => "the change",
        GateOn::Ratio => "A ÷ B",
    };
    let start = format!("gate {} on {on}", gate.fail_below);
    let count = |outcome| {
        let cases = gate.cases.iter();
        cases.filter(|case| case.outcome == outcome).count()
    };
    let all = gate.cases.len();
    let (missed, undecided) = (count(GateOutcome::Missed), count(GateOutcome::Undecided));
    match (all, missed, undecided) {
        (0, ..) => format!("{start}: no case to compare"),
        (_, 0, 0) => format!("{start}: passed in {all} of {all} cases"),
        (_, 0, _) => format!("{start}: undecided in {undecided} of {all} cases, missed in none"),
        (_, _, 0) => format!("{start}: missed in {missed} of {all} cases"),
        _ => format!("{start}: missed in {missed} of {all} cases, undecided in {undecided}"),
    }
}
