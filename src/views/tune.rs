//! The measurements of `tune` as text: the evidence of each case, then the table.

use super::layout::{Cell, Page, Tone, widths_of};
use super::{TextOptions, escape, page_width};
use crate::model::units;
use crate::run::tune::{Candidate, Case, Tuned};

/// The whole text.
pub fn text(tuned: &Tuned, options: &TextOptions) -> String {
    let mut page = Page::new(page_width(options.width), options.color, options.unicode);
    let groups = tuned.cases.chunk_by(|a, b| (a.dtype, a.place, a.threads) == (b.dtype, b.place, b.threads));
    for group in groups {
        write(&mut page, group);
        page.gap();
    }
    for line in tuned.table.lines() {
        page.whole(&escape(line));
    }
    page.gap();
    page.wrapped(&where_it_is(tuned), 0, Tone::Strong);
    if let Some(file) = &tuned.file {
        page.whole(&escape(file));
    }
    page.into_text()
}

fn where_it_is(tuned: &Tuned) -> String {
    match (&tuned.file, &tuned.shipped_because) {
        (Some(_), _) if tuned.cases.is_empty() => "this table is in use, from".into(),
        (Some(_), _) => "kept for every process that starts from now on, in".into(),
        (None, Some(why)) => escape(&format!("the shipped table is in use: {why}")),
        (None, None) => "not kept, because of --dry-run".into(),
    }
}

fn write(page: &mut Page, group: &[Case]) {
    let first = &group[0];
    let place = if first.place == "in" { "in place" } else { "out of place" };
    let plural = if first.threads == 1 { "" } else { "s" };
    let title = format!("{} {place}, {} thread{plural}", first.dtype, first.threads);
    let head = |text: &str| Cell::new(text, Tone::Strong);
    let mut rows = vec![vec![head(&title), head("taken"), head("time"), head("shipped"), head("time"), head("ratio")]];
    for case in group {
        let (taken, usual) = (&case.candidates[case.chosen], &case.candidates[0]);
        let mut row = vec![
            Cell::plain(format!("  {}", units::bytes(case.bytes as f64))),
            Cell::plain(name(taken)),
            Cell::plain(units::time(taken.ns)),
        ];
        if case.chosen == 0 {
            row.extend([Cell::new("the same", Tone::Faint), Cell::default(), Cell::default()]);
        } else {
            let [low, high] = taken.ratio_ci95;
            row.push(Cell::new(name(usual), Tone::Faint));
            row.push(Cell::new(units::time(usual.ns), Tone::Faint));
            row.push(Cell::plain(format!("{:.2} [{low:.2}, {high:.2}]", taken.ratio)));
        }
        rows.push(row);
    }
    page.table(&rows, &widths_of(&rows), &[]);
    refused(page, group);
}

/// Why candidates were not taken, each reason once.
fn refused(page: &mut Page, group: &[Case]) {
    let mut refused: Vec<String> = Vec::new();
    for candidate in group.iter().flat_map(|case| &case.candidates) {
        let Some(why) = &candidate.refused else {
            continue;
        };
        let sentence = format!("{} was not used at some sizes: {why}", name(candidate));
        if !refused.contains(&sentence) {
            refused.push(sentence);
        }
    }
    for sentence in refused {
        page.wrapped(&escape(&sentence), 2, Tone::Faint);
    }
}

fn name(candidate: &Candidate) -> String {
    match candidate.stores {
        "plain" => candidate.backend.to_owned(),
        stores => format!("{}, {stores}", candidate.backend),
    }
}
