//! The result of `explain` as text: the gap as a sum of causes, then each cause with its evidence.

use super::layout::{Cell, Page, Tone, widths_of};
use super::{TextOptions, escape, header, page_width, warnings};
use crate::model::comparison::{Case, Comparison, Explained, Finding, FindingVerdict, HypothesisFound, joined};
use crate::model::units;

/// The whole text.
pub fn text(comparison: &Comparison, options: &TextOptions) -> String {
    let mut page = Page::new(page_width(options.width), options.color, options.unicode);
    header::write(&mut page, comparison);
    write(&mut page, comparison);
    warnings(&mut page, comparison);
    page.into_text()
}

/// Every explained case; nothing without `explain`.
pub fn write(page: &mut Page, comparison: &Comparison) {
    for explained in &comparison.explained {
        if let Some(case) = case_of(comparison, explained) {
            page.gap();
            write_case(page, case, explained, &of_case(comparison, explained));
        }
    }
}

fn write_case(page: &mut Page, case: &Case, explained: &Explained, findings: &[&Finding]) {
    page.wrapped(&escape(&headline(case, explained)), 2, Tone::Strong);
    let (a, b) = (&case.sides.a, &case.sides.b);
    let sides = [a, b].map(|side| {
        format!("{} `{}` {}", escape(&side.name), escape(&side.statement), units::time(side.wall_ns.median))
    });
    page.parts(&sides, 2, Tone::Plain);
    if !explained.gap {
        return;
    }
    page.gap();
    sum(page, explained, findings);
    for (title, verdict) in [
        ("supported", FindingVerdict::Supported),
        ("undecided", FindingVerdict::Undecided),
        ("refuted", FindingVerdict::Refuted),
    ] {
        let of: Vec<&&Finding> = findings.iter().filter(|finding| finding.verdict == verdict).collect();
        if of.is_empty() {
            continue;
        }
        page.gap();
        page.wrapped(title, 0, Tone::Strong);
        for finding in of {
            one(page, finding);
        }
    }
    let not_tried = explained.not_tried.iter().map(|not| format!("{}: {}", not.cause, not.why));
    list(page, "not tried", not_tried, Tone::Faint);
    list(page, "effects that depend on each other", explained.interactions.iter().cloned(), Tone::Plain);
    sizes(page, case, explained);
    hypotheses(page, &explained.hypotheses);
    page.gap();
    page.wrapped(&how(explained), 2, Tone::Faint);
}

/// Sentences below a heading; nothing where there is none.
fn list(page: &mut Page, heading: &str, sentences: impl Iterator<Item = String>, tone: Tone) {
    let mut sentences = sentences.peekable();
    if sentences.peek().is_some() {
        page.gap();
        page.wrapped(heading, 0, Tone::Strong);
    }
    sentences.for_each(|sentence| page.wrapped_indented(&format!("  {}", escape(&sentence)), tone));
}

/// The verdict in a sentence.
pub fn headline(case: &Case, explained: &Explained) -> String {
    let label = &explained.case;
    let (a, b) = (&case.sides.a.name, &case.sides.b.name);
    let [low, high] = case.ratio.ci95;
    if !explained.gap {
        return format!(
            "{label}: there is no gap to explain: {a} ÷ {b} is {}× [{}, {}]",
            units::decimal(case.ratio.median, 2),
            units::decimal(low, 2),
            units::decimal(high, 2)
        );
    }
    if !explained.confirmed {
        let [low, high] = explained.gap_ns_ci95;
        return format!(
            "{label}: the experiments' rounds do not confirm the comparison's gap: {b} − {a} is {} [{}, {}] in \
             them, so no cause is supported; give more --time",
            units::signed_time(explained.gap_ns),
            units::signed_time(low),
            units::signed_time(high)
        );
    }
    let (slower, faster) = if explained.gap_ns > 0.0 { (b, a) } else { (a, b) };
    let (gap_low, gap_high) = {
        let [low, high] = explained.gap_ns_ci95.map(f64::abs);
        (low.min(high), low.max(high))
    };
    format!(
        "{label}: {slower} takes {} more than {faster} [{}, {}]",
        units::time(explained.gap_ns.abs()),
        units::time(gap_low),
        units::time(gap_high)
    )
}

/// The gap as a sum: each supported cause with its effect, its interval and its share, then the residual, then the gap.
pub fn rows(explained: &Explained, findings: &[&Finding]) -> Vec<[String; 4]> {
    let interval = |[low, high]: [f64; 2]| format!("[{}, {}]", units::signed_time(low), units::signed_time(high));
    let percent = |share: f64| format!("{} %", units::decimal(100.0 * share, 0));
    let parts = findings
        .iter()
        .filter(|finding| finding.verdict == FindingVerdict::Supported && finding.share_of_gap.is_some());
    let mut rows: Vec<[String; 4]> = parts
        .map(|finding| {
            [
                escape(&finding.cause),
                finding.effect_ns.map_or_else(String::new, units::signed_time),
                finding.effect_ns_ci95.map_or_else(String::new, interval),
                finding.share_of_gap.map_or_else(String::new, percent),
            ]
        })
        .collect();
    rows.push([
        "residual".to_owned(),
        units::signed_time(explained.residual_ns),
        interval(explained.residual_ns_ci95),
        percent(explained.residual_ns / explained.gap_ns),
    ]);
    rows.push(["gap".to_owned(), units::signed_time(explained.gap_ns), interval(explained.gap_ns_ci95), String::new()]);
    rows
}

/// The measured sizes, the smallest first: the shape, ns per element of A and of B, and A ÷ B.
pub fn size_rows(explained: &Explained) -> Vec<[String; 4]> {
    let points = explained.sizes.iter().filter(|point| point.elements > 0);
    points
        .map(|point| {
            let each = |ns: f64| units::decimal(ns / point.elements as f64, 3);
            [
                joined(&point.shape, " × "),
                each(point.a_ns),
                each(point.b_ns),
                format!("{}×", units::decimal(point.a_ns / point.b_ns, 2)),
            ]
        })
        .collect()
}

/// The heads of the columns of [`size_rows`].
pub fn size_heads(case: &Case) -> [String; 4] {
    let (a, b) = (escape(&case.sides.a.name), escape(&case.sides.b.name));
    ["ns per element, by size".to_owned(), a.clone(), b.clone(), format!("{a} ÷ {b}")]
}

/// The heads of the columns of [`rows`].
pub const HEADS: [&str; 4] = ["the gap as a sum", "effect", "95 % interval", "share"];

/// The findings of a case.
pub fn of_case<'a>(comparison: &'a Comparison, explained: &Explained) -> Vec<&'a Finding> {
    let findings = comparison.findings.iter();
    findings.filter(|finding| finding.case == explained.case).collect()
}

/// The explained case, if the comparison has it.
pub fn case_of<'a>(comparison: &'a Comparison, explained: &Explained) -> Option<&'a Case> {
    let mut cases = comparison.cases.iter();
    cases.find(|case| case.label() == explained.case)
}

/// The basis of the verdicts, in a sentence.
pub fn how(explained: &Explained) -> String {
    format!(
        "{} experiments; a verdict needs an interval of {} %, because many causes are tried, some of them twice, \
         and an effect of 2 % of the slower side's time{}",
        explained.experiments,
        units::decimal(100.0 * explained.confidence, 2),
        if explained.complete { "" } else { "; the run ended early" }
    )
}

fn sum(page: &mut Page, explained: &Explained, findings: &[&Finding]) {
    let mut cells = vec![HEADS.map(|head| Cell::new(head, Tone::Strong))];
    let rows = rows(explained, findings);
    let last = rows.len() - 1;
    for (number, row) in rows.into_iter().enumerate() {
        cells.push(if number == last {
            row.map(|text| Cell::new(text, Tone::Strong))
        } else {
            let [cause, rest @ ..] = row;
            let [effect, interval, share] = rest.map(Cell::plain);
            [Cell::plain(format!("  {cause}")), effect, interval, share]
        });
    }
    let widths = widths_of(&cells);
    page.table(&cells, &widths, &[0, cells.len() - 2]);
}

fn sizes(page: &mut Page, case: &Case, explained: &Explained) {
    let rows = size_rows(explained);
    if rows.is_empty() {
        return;
    }
    page.gap();
    let heads = size_heads(case).map(|head| Cell::new(head, Tone::Strong));
    let rows = rows.into_iter().map(|[size, rest @ ..]| {
        let [a, b, ratio] = rest.map(Cell::plain);
        [Cell::plain(format!("  {size}")), a, b, ratio]
    });
    let cells: Vec<[Cell; 4]> = std::iter::once(heads).chain(rows).collect();
    let widths = widths_of(&cells);
    page.table(&cells, &widths, &[0]);
}

fn one(page: &mut Page, finding: &Finding) {
    let effect = match (finding.alone_ns, finding.alone_ns_interval) {
        (Some(ns), Some([low, high])) => {
            format!(": {} alone [{}, {}]", units::signed_time(ns), units::signed_time(low), units::signed_time(high))
        }
        _ => String::new(),
    };
    let tone = match finding.verdict {
        FindingVerdict::Refuted => Tone::Faint,
        _ => Tone::Plain,
    };
    page.wrapped_indented(&format!("  {}{effect}", escape(&finding.cause)), tone);
    for sentence in &finding.evidence {
        page.wrapped_indented(&format!("    {}", escape(sentence)), Tone::Faint);
    }
    if let Some(help) = &finding.fix {
        page.wrapped_indented(&format!("    help: {}", escape(help)), Tone::Strong);
    }
}

fn hypotheses(page: &mut Page, hypotheses: &[HypothesisFound]) {
    if hypotheses.is_empty() {
        return;
    }
    page.gap();
    page.wrapped("the hypotheses that the project began with", 0, Tone::Strong);
    for hypothesis in hypotheses {
        let line = format!("{}: {}: {}", hypothesis.name, hypothesis.says, hypothesis.verdict.as_str());
        page.wrapped_indented(&format!("  {}", escape(&line)), Tone::Plain);
        for because in &hypothesis.because {
            page.wrapped_indented(&format!("    {}", escape(because)), Tone::Faint);
        }
    }
}
