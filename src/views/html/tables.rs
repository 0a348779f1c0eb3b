//! The page's tables: the figures of the charts, and the calls.

use maud::{Markup, html};

use crate::model::comparison::{Call, Case, Comparison, Side};
use crate::model::units;
use crate::views::case::{self, NOT_MEASURED};
use crate::views::roofline::{Point, Roofline};
use crate::views::{calls, escape, story};

/// The largest number of rows: more would make the page too large.
const MOST_CALLS: usize = 1_000;

/// A table in a box that scrolls on a narrow page; `label` describes it for screen readers.
pub fn scrolling(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

/// The body of a table of a name and three figures.
pub fn named_figures(rows: &[[String; 4]]) -> Markup {
    html! {
        tbody {
            @for [name, figures @ ..] in rows {
                tr { th scope="row" { (name) } @for figure in figures { td.number { (figure) } } }
            }
        }
    }
}

/// The ratios of all cases.
pub fn ratios(comparison: &Comparison) -> Markup {
    let (a, b) = comparison.cases.first().map(story::names).unwrap_or_default();
    let row = |number: usize, case: &Case| {
        let (ratio, interval) = case.ratio.figures();
        let sides = [&case.sides.a, &case.sides.b];
        let [time_a, time_b] = sides.map(|side| units::time(side.wall_ns.median));
        html! {
            tr {
                td.number { (number) }
                th scope="row" { (escape(&case.label())) }
                td.number { (time_a) }
                td.number { (time_b) }
                td.number { strong { (ratio) } }
                td { (interval) }
                td { (case::verdict(case).0) }
            }
        }
    };
    let table = html! {
        table {
            thead { tr {
                th.number scope="col" { "№" }
                th scope="col" { "case" }
                th.number scope="col" { (a) }
                th.number scope="col" { (b) }
                th.number scope="col" { (a) " ÷ " (b) }
                th scope="col" { "95 % interval" }
                th scope="col" { "verdict" }
            } }
            tbody { @for (index, case) in comparison.cases.iter().enumerate() { (row(index + 1, case)) } }
        }
    };
    scrolling("Ratios of all cases", &table)
}

/// Times, phases and further facts about both sides of a case.
pub fn phases(comparison: &Comparison, case: &Case) -> Markup {
    let unit = case::unit(case);
    let (a, b) = story::names(case);
    let number = |ns: Option<f64>| ns.map_or(NOT_MEASURED.to_owned(), |ns| unit.number(ns).trim_end().to_owned());
    let rows = case::time_rows(case, &unit);
    let facts = case::facts(&comparison.machine, case);
    let table = html! {
        table {
            thead { tr {
                th scope="col" { (unit.name()) " per operation" }
                th.number scope="col" { (a) }
                th.number scope="col" { (b) }
                th.number scope="col" { "difference" }
            } }
            tbody {
                @for row in &rows {
                    tr.whole[row.whole] {
                        th scope="row" { (row.label.trim_start()) }
                        td.number { (number(row.a)) }
                        td.number { (number(row.b)) }
                        td.number {
                            (row.difference().map(|ns| unit.difference(ns).trim_end().to_owned()).unwrap_or_default())
                        }
                    }
                }
                @for [label, a, b, _] in &facts {
                    tr { th scope="row" { (label.text) } td.number { (a.text) } td.number { (b.text) } td {} }
                }
            }
        }
    };
    scrolling(&format!("Phases of {}", escape(&case.label())), &table)
}

/// One pattern, with its case and side.
struct Row<'a> {
    number: usize,
    label: String,
    letter: &'static str,
    side: &'a Side,
    call: &'a Call,
}

/// The columns of the calls' table, and whether each holds numbers.
const CALL_HEADS: [(&str, bool); 9] = [
    ("case", false),
    ("side", false),
    ("call", false),
    ("calls", true),
    ("arguments", false),
    ("time of one", true),
    ("time per operation", true),
    ("code that ran", false),
    ("more", false),
];

/// Every call pattern, to be sorted and filtered.
pub fn calls(comparison: &Comparison) -> Markup {
    let mut rows = call_rows(comparison);
    let left_out = rows.len().saturating_sub(MOST_CALLS);
    rows.truncate(MOST_CALLS);
    let table = html! {
        table.sortable {
            thead { tr {
                @for (head, number) in CALL_HEADS {
                    th.number[number] scope="col" { button type="button" { (head) } }
                }
            } }
            tbody { @for row in &rows { (pattern(row)) } }
        }
    };
    html! {
        @if rows.is_empty() { p { "No call was recorded." } }
        @else {
            p.filter {
                label for="filter" { "Show only calls with " }
                input id="filter" type="search" autocomplete="off" spellcheck="false";
                " " output for="filter" aria-live="polite" {}
            }
            (scrolling("Call patterns", &table))
        }
        @if left_out > 0 {
            p.note { "And " (left_out) " more patterns: " code { "raptors-trace calls" } " shows all of them." }
        }
        (blas(comparison))
    }
}

fn call_rows(comparison: &Comparison) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (index, case) in comparison.cases.iter().enumerate() {
        for (letter, side) in [("A", &case.sides.a), ("B", &case.sides.b)] {
            let row = |call| Row { number: index + 1, label: escape(&case.label()), letter, side, call };
            rows.extend(side.calls.iter().map(row));
        }
    }
    rows
}

fn pattern(row: &Row<'_>) -> Markup {
    let call = row.call;
    let time = |ns: Option<f64>| ns.map_or(NOT_MEASURED.to_owned(), units::time);
    let one = call.time_ns.as_ref().map(|time| time.median);
    let all = call.time_ns.as_ref().map(|time| time.total_per_op);
    let known = |ns: Option<f64>| ns.map(|ns| ns.to_string());
    let arguments = calls::arguments(call);
    html! {
        tr {
            td data-sort=(row.number) { (row.label) }
            td { span.swatch.(row.letter.to_ascii_lowercase()) {} (row.letter) ", " (escape(&row.side.name)) }
            td { @for _ in 0..call.depth.min(8) { "└ " } code { (escape(&call.name)) } }
            td.number data-sort=(call.calls_per_op) { (units::count(call.calls_per_op)) }
            td { (arguments.strip_prefix(" × ").unwrap_or(&arguments)) }
            td.number data-sort=[known(one)] { (time(one)) }
            td.number data-sort=[known(all)] { (time(all)) }
            td.code { (calls::note(call, row.side)) }
            td.more { (calls::rest(call)) }
        }
    }
}

/// The BLAS calls of each side, beside the control that proves a zero.
fn blas(comparison: &Comparison) -> Markup {
    let (control, _) = calls::control(&comparison.controls);
    let count = |side: &Side| {
        let count = side.blas_calls_per_op.map(units::count);
        count.map_or("not counted".to_owned(), |count| count)
    };
    let mut said: Vec<(String, Vec<usize>)> = Vec::new();
    for (index, case) in comparison.cases.iter().enumerate() {
        let (a, b) = story::names(case);
        let (of_a, of_b) = (count(&case.sides.a), count(&case.sides.b));
        let text = format!("{a} {of_a}, {b} {of_b}");
        match said.iter_mut().find(|(known, _)| *known == text) {
            Some((_, cases)) => cases.push(index + 1),
            None => said.push((text, vec![index + 1])),
        }
    }
    html! {
        @for (text, cases) in &said {
            p {
                "BLAS and Accelerate calls of one operation"
                @if said.len() > 1 { " (case " (joined(cases)) ")" }
                ": " (text) "; " (control) "."
            }
        }
    }
}

fn joined(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    numbers.join(", ")
}

fn point_row(point: &Point) -> Markup {
    let letter = ["a", "b"][point.side.min(1)];
    let level = point.level.map_or(NOT_MEASURED.to_owned(), |level| format!("{level:?}").replace("Memory", "memory"));
    html! {
        tr {
            td.number { (point.number) }
            th scope="row" { (point.case) }
            td { span.swatch.(letter) {} (point.name) }
            td.number { (units::decimal(point.intensity, if point.intensity < 1.0 { 3 } else { 2 })) }
            td.number { (units::digits(point.gflop_s)) }
            td { (level) }
        }
    }
}

/// The data of the roofline.
pub fn roofline(roofline: &Roofline) -> Markup {
    let roof = |what: &str, threads: &str, value: f64, unit: &str| {
        html! { tr { th scope="row" { (what) } td { (threads) } td.number { (units::digits(value)) " " (unit) } } }
    };
    let roofs = html! {
        table {
            thead { tr { th scope="col" { "roof" } th scope="col" { "threads" } th.number scope="col" { "measured" } } }
            tbody {
                @for one in &roofline.memory { (roof("memory", one.threads, one.value, "GB/s")) }
                @for one in &roofline.compute {
                    (roof(&format!("compute, \
                                    {}", one.dtype.as_deref().unwrap_or_default()), one.threads, one.value, "GFLOP/s"))
                }
            }
        }
    };
    let points = html! {
        table {
            thead { tr {
                th.number scope="col" { "№" }
                th scope="col" { "case" }
                th scope="col" { "side" }
                th.number scope="col" { "FLOP / byte" }
                th.number scope="col" { "GFLOP/s" }
                th scope="col" { "arrays fit in" }
            } }
            tbody { @for one in &roofline.points { (point_row(one)) } }
        }
    };
    let any_roof = !(roofline.memory.is_empty() && roofline.compute.is_empty());
    html! {
        @if any_roof { (scrolling("Roofs", &roofs)) }
        @if !roofline.points.is_empty() { (scrolling("Both sides on the roofline", &points)) }
    }
}
