//! A summary of flamegraphs as text: both sides by role, and the paths of the pictures.

use super::layout::{Cell, Page, Tone, squeeze, widths_of};
use super::{TextOptions, escape, page_width};
use crate::analysis::flamegraph::{Drawn, DrawnCase, DrawnSide};
use crate::model::units;

/// The whole text.
pub fn text(drawn: &Drawn, options: &TextOptions) -> String {
    let mut page = Page::new(page_width(options.width), options.color, options.unicode);
    for case in &drawn.cases {
        write(&mut page, case);
        page.gap();
    }
    for warning in &drawn.warnings {
        page.wrapped(&format!("warning: {}", escape(warning)), 2, Tone::Alarm);
    }
    page.into_text()
}

/// A column of text is no narrower.
const LEAST: usize = 12;

fn write(page: &mut Page, case: &DrawnCase) {
    let rows = rows(case);
    let mut widths = widths_of(&rows);
    widths[..3].iter_mut().for_each(|width| *width = (*width).max(LEAST));
    // Names and statements can be cut, numbers cannot.
    squeeze(&mut widths, page.width, &[(0, LEAST), (2, LEAST), (1, LEAST)]);
    page.table(&rows, &widths, &[1]);
    page.gap();
    notes(page, case);
}

fn rows(case: &DrawnCase) -> Vec<Vec<Cell>> {
    let [a, b] = &case.sides;
    let head = |text: &str| Cell::new(escape(text), Tone::Strong);
    let mut rows = vec![
        vec![head(&case.label), head(&a.name), head(&b.name), head("B − A")],
        both("", [a, b], |side| escape(&side.statement)),
        vec![
            Cell::plain("CPU time per operation"),
            Cell::plain(units::time(a.ns_per_op)),
            Cell::plain(units::time(b.ns_per_op)),
            Cell::plain(signed(b.ns_per_op - a.ns_per_op)),
        ],
    ];
    for role in &case.roles {
        let difference = role.b_ns - role.a_ns;
        rows.push(vec![
            Cell::plain(format!("  {}", role.name.replace('_', " "))),
            Cell::plain(units::time(role.a_ns)),
            Cell::plain(units::time(role.b_ns)),
            Cell::plain(signed(difference)),
        ]);
    }
    rows.push(both("samples", [a, b], |side| match side.dropped {
        0 => side.samples.to_string(),
        dropped => format!("{}, {dropped} dropped", side.samples),
    }));
    rows.push(both("a second of CPU time", [a, b], |side| units::decimal(side.rate_hz, 0)));
    rows.push(both("sampling costs", [a, b], cost));
    rows
}

/// What the figures leave out, and where the pictures are.
fn notes(page: &mut Page, case: &DrawnCase) {
    if let Some(unnamed) = case.frames_named.get("offset") {
        let known: usize = case.frames_named.values().sum();
        let note = format!("{unnamed} of {known} frames have no name in any file and are shown as file+offset");
        page.wrapped(&note, 2, Tone::Faint);
    }
    if case.samples_outside > 0 {
        let note = format!("{} samples fell between the rounds and belong to neither side", case.samples_outside);
        page.wrapped(&note, 2, Tone::Faint);
    }
    if let Some(index) = case.files.last() {
        page.wrapped(&escape(&index.display().to_string()), 2, Tone::Plain);
    }
}

fn both(name: &str, sides: [&DrawnSide; 2], text: impl Fn(&DrawnSide) -> String) -> Vec<Cell> {
    let [a, b] = sides.map(|side| Cell::plain(text(side)));
    vec![Cell::plain(name), a, b, Cell::plain("")]
}

fn signed(ns: f64) -> String {
    let text = units::time(ns.abs());
    match ns {
        ns if ns > 0.0 => format!("+{text}"),
        ns if ns < 0.0 => format!("−{text}"),
        _ => text,
    }
}

fn cost(side: &DrawnSide) -> String {
    match (side.sampled_to_unsampled, side.sampled_to_unsampled_ci95) {
        (Some(ratio), Some(interval)) => units::cost(ratio, interval),
        _ => "not measured: too few rounds".to_owned(),
    }
}
