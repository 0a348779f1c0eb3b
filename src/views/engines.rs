//! Several engines side by side: their counts, the functions that they could not watch, and their cost.

use super::escape;
use super::layout::{Cell, Page, Tone, squeeze, widths_of};
use crate::model::comparison::{Comparison, Control, Engine, EngineCount};
use crate::model::units;

/// Writes the section; nothing if only the in-process observers were on.
pub fn write(page: &mut Page, comparison: &Comparison) {
    if comparison.engines.is_empty() {
        return;
    }
    page.gap();
    if comparison.engines.len() > 1 {
        table(page, comparison);
    }
    for engine in &comparison.engines {
        let control = comparison.controls.iter().find(|control| control.engine == engine.cost.engine);
        for (line, tone) in lines(engine, control) {
            page.wrapped(&line, 2, tone);
        }
    }
}

/// One row for each name on each side of each case, one column for each engine.
fn table(page: &mut Page, comparison: &Comparison) {
    let engines = &comparison.engines;
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut heads = vec![Cell::new("calls per operation", Tone::Strong)];
    heads.extend(engines.iter().map(|engine| Cell::new(escape(&engine.cost.engine), Tone::Strong)));
    rows.push(heads);
    let mut known: Vec<&EngineCount> = Vec::new();
    for count in engines.iter().flat_map(|engine| &engine.counts) {
        if !known.iter().any(|other| same(other, count)) {
            known.push(count);
        }
    }
    let mut case = "";
    for count in known {
        if count.case != case {
            case = &count.case;
            rows.push(vec![Cell::new(escape(case), Tone::Plain)]);
        }
        rows.push(row(comparison, count));
    }
    let mut widths = widths_of(&rows);
    squeeze(&mut widths, page.width, &[(0, 12)]);
    page.table(&rows, &widths, &[0]);
    page.gap();
}

fn same(a: &EngineCount, b: &EngineCount) -> bool {
    (&a.case, &a.side, a.kind, &a.name) == (&b.case, &b.side, b.kind, &b.name)
}

fn row(comparison: &Comparison, count: &EngineCount) -> Vec<Cell> {
    let case = comparison.cases.iter().find(|case| case.label() == count.case);
    let side = case.map_or(count.side.as_str(), |case| match count.side.as_str() {
        "a" => &case.sides.a.name,
        _ => &case.sides.b.name,
    });
    let mut cells = vec![Cell::plain(format!("  {}: {}", escape(side), escape(&count.name)))];
    let values: Vec<Option<f64>> = comparison
        .engines
        .iter()
        .map(|engine| engine.counts.iter().find(|other| same(other, count)).map(|other| other.calls_per_op))
        .collect();
    let first = values.iter().flatten().next().copied();
    cells.extend(values.into_iter().map(|value| {
        let differs = value.is_some() && value != first;
        let tone = if differs { Tone::Alarm } else { Tone::Plain };
        Cell::new(value.map_or("–".to_owned(), units::count), tone)
    }));
    cells
}

/// The facts about an engine in addition to its counts.
fn lines(engine: &Engine, control: Option<&Control>) -> Vec<(String, Tone)> {
    let name = escape(engine.version.as_deref().unwrap_or(&engine.cost.engine));
    if !engine.armed {
        let why = escape(engine.why_not.as_deref().unwrap_or("no reason was given"));
        return vec![(format!("{}: not armed: {why}", escape(&engine.cost.engine)), Tone::Alarm)];
    }
    let mut parts = vec![name];
    parts.extend(control.map(|control| {
        let routine = escape(control.routine.as_deref().unwrap_or("call"));
        format!("control {}: {} {routine} seen", escape(&control.name), control.seen)
    }));
    let costs = engine.cost.ns_per_call;
    parts.extend(costs.map(|ns| format!("a call costs {} more", units::time(ns.max(0.0)))));
    let mut lines = vec![(parts.join(" · "), Tone::Faint)];
    let left_out = engine.left_out.iter();
    lines.extend(
        left_out.map(|why| (format!("  not watched by {}: {}", escape(&engine.cost.engine), escape(why)), Tone::Plain)),
    );
    lines
}
