//! The report for a person: a mark, the fact, the fix below it.

use crate::run::doctor::{Check, Group, Outcome, Report};
use crate::tracers::leftovers::Cleaned;
use crate::views::layout::{Cell, GAP, Page, Tone, lines_of};
use crate::views::{TextOptions, escape};

/// On a narrower page, the fact is below the name.
const NARROW: usize = 64;
/// Columns of the mark with the blanks before it.
const MARK: usize = 3;

/// The report as text; no line is wider than the terminal, unless that is narrower than 40 columns.
pub fn text(report: &Report, options: &TextOptions) -> String {
    let width = crate::views::page_width(options.width);
    let mut page = Page::new(width, options.color, options.unicode);
    match &report.cleaned {
        Some(cleaned) => write_cleaned(&mut page, cleaned),
        None => write_checks(&mut page, report),
    }
    page.wrapped(&escape(&report.verdict), 2, Tone::Strong);
    page.into_text()
}

fn write_checks(page: &mut Page, report: &Report) {
    for group in [Group::Rights, Group::Tracers, Group::Python, Group::Machine] {
        let of_group = |check: &&Check| check.group == group;
        page.gap();
        page.row(&[Cell::new(title(group), Tone::Strong)], &[]);
        for check in report.checks.iter().filter(of_group) {
            write(page, check, longest_name(report));
        }
    }
    page.gap();
    page.parts(&summary(report, page.unicode), 2, Tone::Faint);
}

fn write_cleaned(page: &mut Page, cleaned: &Cleaned) {
    for probe in &cleaned.removed {
        page.wrapped(&format!("removed {}", escape(probe)), 2, Tone::Plain);
    }
    for kept in &cleaned.kept {
        let line = format!("kept {}: {}", escape(&kept.probe), escape(&kept.why));
        page.wrapped(&line, 2, Tone::Plain);
    }
}

fn title(group: Group) -> &'static str {
    match group {
        Group::Rights => "rights",
        Group::Tracers => "tracers",
        Group::Python => "Python",
        Group::Machine => "machine",
    }
}

fn longest_name(report: &Report) -> usize {
    report.checks.iter().map(|check| check.name.len()).max().unwrap_or(0)
}

fn write(page: &mut Page, check: &Check, names: usize) {
    let (mark, tone) = mark(check.outcome, page.unicode);
    let (mark, name) = (Cell::new(format!("  {mark}"), tone), Cell::plain(check.name.as_str()));
    let stacked = page.width < NARROW;
    let indent = MARK + GAP + if stacked { 0 } else { names + GAP };
    let room = page.width.saturating_sub(indent);
    let mut lines = lines_of(&escape(&check.sentence), room);
    if stacked || lines.is_empty() {
        page.row(&[mark, name], &[MARK]);
    } else {
        page.row(&[mark, name, Cell::plain(lines.remove(0))], &[MARK, names]);
    }
    let facts = lines.into_iter().map(|line| (line, Tone::Plain));
    let help = check.fix.as_deref().unwrap_or_default();
    for (line, tone) in facts.chain(help_lines(help, room)) {
        page.row(&[Cell::new(format!("{}{line}", " ".repeat(indent)), tone)], &[]);
    }
}

/// The fix in lines of at most `room` columns, further lines below its first word.
fn help_lines(help: &str, room: usize) -> impl Iterator<Item = (String, Tone)> {
    const WORD: &str = "help: ";
    let lines = lines_of(&escape(help), room.saturating_sub(WORD.len()));
    lines.into_iter().enumerate().map(|(i, line)| {
        let before = if i == 0 { WORD } else { "      " };
        (format!("{before}{line}"), Tone::Strong)
    })
}

/// The mark of an outcome; the summary below the checks explains the marks that occur.
fn mark(outcome: Outcome, unicode: bool) -> (&'static str, Tone) {
    let (mark, ascii, tone) = match outcome {
        Outcome::Ok => ("✓", "+", Tone::Good),
        Outcome::Limited => ("!", "!", Tone::Alarm),
        Outcome::Missing => ("✗", "x", Tone::Bad),
        Outcome::NotApplicable => ("–", "-", Tone::Faint),
        Outcome::Unknown => ("?", "?", Tone::Alarm),
    };
    (if unicode { mark } else { ascii }, tone)
}

fn summary(report: &Report, unicode: bool) -> Vec<String> {
    let words = [
        (Outcome::Ok, "ok"),
        (Outcome::Limited, "limited"),
        (Outcome::Missing, "missing"),
        (Outcome::NotApplicable, "not applicable"),
        (Outcome::Unknown, "unknown"),
    ];
    words
        .iter()
        .filter_map(|&(outcome, word)| {
            let count = report.checks.iter().filter(|check| check.outcome == outcome).count();
            (count > 0).then(|| format!("{} {count} {word}", mark(outcome, unicode).0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracers::leftovers::Kept;
    use crate::views::Part;
    use unicode_width::UnicodeWidthStr;

    fn check(group: Group, name: &str, outcome: Outcome, sentence: &str) -> Check {
        Check {
            group,
            name: name.into(),
            outcome,
            sentence: sentence.into(),
            fix: (outcome == Outcome::Missing).then(|| "scripts/install-dtrace --in /some/where/far".to_owned()),
            facts: Default::default(),
        }
    }

    fn report() -> Report {
        let attached = "0.17.0 at /usr/bin/bpftrace; it attached a probe";
        let no_python = "there is no Python to check";
        let no_turbo = "its state cannot be read here";
        Report {
            checks: vec![
                check(Group::Rights, "user", Outcome::Ok, "root"),
                check(Group::Tracers, "bpftrace", Outcome::Ok, attached),
                check(Group::Tracers, "DTrace", Outcome::Missing, "not here\u{1b}[2J"),
                check(Group::Python, "NumPy", Outcome::Unknown, no_python),
                check(Group::Machine, "turbo", Outcome::NotApplicable, no_turbo),
            ],
            verdict: "bpftrace works; DTrace is not here".into(),
            ..crate::run::doctor::blank()
        }
    }

    fn shown(report: &Report, width: usize, unicode: bool) -> String {
        let options = TextOptions { width, color: false, unicode, part: Part::All };
        text(report, &options)
    }

    #[test]
    fn the_fact_stands_beside_the_name_and_the_fix_below() {
        let expected = "\
rights
  ✓  user      root

tracers
  ✓  bpftrace  0.17.0 at /usr/bin/bpftrace; it attached a probe
  ✗  DTrace    not here\\x1b[2J
               help: scripts/install-dtrace --in /some/where/far

Python
  ?  NumPy     there is no Python to check

machine
  –  turbo     its state cannot be read here

✓ 2 ok · ✗ 1 missing · – 1 not applicable · ? 1 unknown
bpftrace works; DTrace is not here
";
        assert_eq!(shown(&report(), 110, true), expected);
    }

    #[test]
    fn no_line_is_wider_than_the_page_and_ascii_is_ascii() {
        for width in [40, 60, 64, 80] {
            let text = shown(&report(), width, false);
            assert!(text.is_ascii() && text.contains("  x  DTrace"), "{text}");
            let fits = text.lines().all(|line| line.width() <= width);
            assert!(fits && !text.contains('~'), "too wide or cut at {width}:\n{text}");
        }
    }

    #[test]
    fn what_was_removed_and_kept_is_listed() {
        let cleaned = Cleaned {
            removed: vec!["dt_7_dtrace/BEGIN".into()],
            kept: vec![Kept { probe: "dt_8_dtrace/END".into(), why: "its DTrace, process 8, is running".into() }],
        };
        let report = Report { checks: Vec::new(), verdict: cleaned.to_string(), cleaned: Some(cleaned), ..report() };
        let expected = "\
removed dt_7_dtrace/BEGIN
kept dt_8_dtrace/END: its DTrace, process 8, is running
1 probe was removed, 1 in use is kept
";
        assert_eq!(shown(&report, 110, true), expected);
    }
}
