//! The recordings of perf and Instruments, as text.

use super::layout::{Cell, Page, Tone, span, widths_of};
use super::{TextOptions, escape, page_width};
use crate::model::units;
use crate::tracers::instruments::{Case, Counted, Sides};
use crate::tracers::recordings::Recorded;

/// A recording: its path, and its content.
pub fn recorded(recorded: &Recorded, options: &TextOptions) -> String {
    let mut page = page(options);
    let tool = recorded.tool.name();
    let samples = recorded.samples.map_or(String::new(), |samples| format!("{samples} samples, "));
    let head = format!("{samples}recorded by {tool}: {}", escape(&recorded.file));
    page.wrapped(&head, 2, Tone::Strong);
    if let Some(folded) = &recorded.folded {
        page.wrapped(&format!("folded: {}", escape(folded)), 2, Tone::Plain);
    }
    if let Some(sides) = &recorded.sides {
        write(&mut page, sides);
    }
    for note in &recorded.notes {
        page.wrapped(&escape(note), 2, Tone::Plain);
    }
    page.into_text()
}

/// The samples of both sides.
pub fn text(sides: &Sides, options: &TextOptions) -> String {
    let mut page = page(options);
    write(&mut page, sides);
    page.into_text()
}

fn page(options: &TextOptions) -> Page {
    Page::new(page_width(options.width), options.color, options.unicode)
}

fn write(page: &mut Page, sides: &Sides) {
    for case in &sides.cases {
        page.gap();
        write_case(page, case);
    }
    page.gap();
    let left = format!(
        "{} of {} samples are outside any round, {} in rounds that are not timed. A time is the samples' CPU time, all \
         threads together; more samples make it more precise",
        sides.outside, sides.samples, sides.in_other_rounds
    );
    page.wrapped(&left, 2, Tone::Faint);
    for file in &sides.files {
        page.wrapped(&format!("folded: {}", escape(file)), 2, Tone::Plain);
    }
}

fn write_case(page: &mut Page, case: &Case) {
    let name = if case.name.is_empty() { "rounds without the name of their case" } else { &case.name };
    page.wrapped(&escape(name), 2, Tone::Strong);
    let heads = ["", "per operation", "samples", "sampled", "operations", "rounds"];
    let rows = [heads.map(|head| Cell::new(head, Tone::Faint)), row("a", &case.a), row("b", &case.b)];
    let mut widths = widths_of(&rows);
    widths[0] = widths[0].min(24);
    // A number is shown completely or not at all.
    let fits = |&kept: &usize| span(&widths[..kept]) <= page.width;
    let kept = (1..=widths.len()).take_while(fits).count();
    for row in &rows {
        page.row(&row[..kept], &widths);
    }
    if let Some(ratio) = case.ratio {
        let (tone, faster, by) = match ratio {
            ratio if ratio >= 1.0 => (Tone::Good, &case.b, ratio),
            ratio => (Tone::Bad, &case.a, 1.0 / ratio),
        };
        let verdict = format!("{} is faster, {by:.2}×", escape(&faster.name));
        page.row(&[Cell::new(verdict, tone)], &[]);
    }
}

fn row(letter: &str, side: &Counted) -> [Cell; 6] {
    let name = match side.name.as_str() {
        "" => letter.to_owned(),
        name => format!("{letter}: {}", escape(name)),
    };
    let others = match side.of_other_threads {
        0 => String::new(),
        n => format!(" ({n} of other threads)"),
    };
    let known = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    [
        name,
        known(side.ns_per_op.map(units::time)),
        format!("{}{others}", side.samples),
        units::time(side.sampled_ns as f64),
        known(side.operations.map(|n| n.to_string())),
        side.rounds.to_string(),
    ]
    .map(Cell::plain)
}
