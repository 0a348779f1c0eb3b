//! All cases in one table each: the operation alone, and the round trip.

use super::escape;
use super::layout::{Cell, Page, Tone, span, squeeze, widths_of};
use crate::model::comparison::{Case, CaseName, Comparison, Results, Verdict};
use crate::model::units;

const COLUMNS: usize = 6;

/// Writes one table per kind of case; nothing for a single case, whose block already has all figures.
pub fn write(page: &mut Page, comparison: &Comparison) {
    if comparison.cases.len() < 2 {
        return;
    }
    for name in [CaseName::Operation, CaseName::RoundTrip, CaseName::Custom] {
        let cases: Vec<&Case> = comparison.cases.iter().filter(|case| case.name == name).collect();
        if let Some(first) = cases.first() {
            page.gap();
            table(page, first, &cases);
        }
    }
    page.gap();
    page.wrapped(&count(comparison), 2, Tone::Strong);
}

fn table(page: &mut Page, first: &Case, cases: &[&Case]) {
    let (a, b) = (escape(&first.sides.a.name), escape(&first.sides.b.name));
    let ratio = format!("{a} ÷ {b}");
    let heads = [title(first), &a, &b, &ratio, "95 % interval", ""];
    let mut rows = vec![heads.map(|head| Cell::new(head, Tone::Strong))];
    rows.extend(cases.iter().map(|case| row(case)));
    let mut widths = widths_of(&rows);
    if span(&widths) > page.width {
        widths = make_room(&mut rows, page.width);
    }
    let doubt = rows.iter().any(|row| row[3].text.ends_with('?'));
    page.table(&rows, &widths, &[0]);
    if doubt {
        page.wrapped("? no difference shown", 2, Tone::Faint);
    }
}

/// Makes room: the verdict becomes a sign after the ratio, names are cut.
fn make_room(rows: &mut [[Cell; COLUMNS]], room: usize) -> Vec<usize> {
    for (i, row) in rows.iter_mut().enumerate() {
        let verdict = std::mem::take(&mut row[5].text);
        if i == 0 {
            row[3].text = "A ÷ B".to_owned();
            row[4].text = "interval".to_owned();
        } else if verdict.starts_with("no ") {
            row[3].text.push('?');
        }
    }
    let mut widths = widths_of(&rows[1..]);
    squeeze(&mut widths, room, &[(0, 14), (4, 8), (0, 8)]);
    widths
}

/// The common part of a table's cases.
pub fn title(first: &Case) -> &'static str {
    match first.name {
        CaseName::Operation => "the operation alone",
        CaseName::RoundTrip => "the round trip",
        CaseName::Custom if first.shape.is_empty() => "two statements",
        CaseName::Custom => "all sizes",
    }
}

/// The distinguishing part of a case in its table.
pub fn size(case: &Case) -> String {
    let dtype = case.dtype.as_deref().map(escape).unwrap_or_default();
    let kept = if case.results == Results::Kept { ", kept" } else { "" };
    let shape = case.shape_text(" × ");
    match (shape.is_empty(), case.results) {
        (false, _) => format!("{dtype} {shape}{kept}").trim().to_owned(),
        (true, Results::Dropped) => "results dropped".to_owned(),
        (true, Results::Kept) => "results kept".to_owned(),
    }
}

fn row(case: &Case) -> [Cell; COLUMNS] {
    let (ratio, interval) = case.ratio.figures();
    let (verdict, tone) = match case.ratio.verdict {
        Verdict::BFaster => (format!("{} is faster", escape(&case.sides.b.name)), Tone::Good),
        Verdict::AFaster => (format!("{} is faster", escape(&case.sides.a.name)), Tone::Bad),
        Verdict::NoDifferenceShown => ("no difference shown".to_owned(), Tone::Faint),
    };
    [
        Cell::plain(size(case)),
        Cell::plain(units::time(case.sides.a.wall_ns.median)),
        Cell::plain(units::time(case.sides.b.wall_ns.median)),
        Cell::new(ratio, tone),
        Cell::plain(interval),
        Cell::new(verdict, tone),
    ]
}

/// `raptors is faster in 4 of 6, numpy in 1, no difference shown in 1`.
pub fn count(comparison: &Comparison) -> String {
    let total = comparison.cases.len();
    let with = |verdict| comparison.cases.iter().filter(|case| case.ratio.verdict == verdict).count();
    let Some(first) = comparison.cases.first() else {
        return String::new();
    };
    let (a, b) = (escape(&first.sides.a.name), escape(&first.sides.b.name));
    let (b_wins, a_wins) = (with(Verdict::BFaster), with(Verdict::AFaster));
    let open = with(Verdict::NoDifferenceShown);
    let open = if open > 0 { format!(", no difference shown in {open}") } else { String::new() };
    format!("{b} is faster in {b_wins} of {total} cases, {a} in {a_wins}{open}")
}
