//! A [`Comparison`] as one HTML page: charts, tables, flamegraphs, causes, and the command that repeats it. The file
//! needs no other file and no network.

mod charts;
mod flamegraphs;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::roofline::Roofline;
use super::{case, escape, explain, header, story, warning_sentences};
use crate::analysis::CaseSamples;
use crate::model::comparison::{Comparison, Explained, Finding};
use crate::model::error::Error;

/// The largest size of a page in bytes, so that mail and issue trackers accept it.
pub const MOST_BYTES: usize = 3_000_000;

/// The page may run its own scripts, and can load nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The page, with flamegraphs of `samples`.
///
/// # Errors
/// A chart that cannot be drawn.
pub fn page(comparison: &Comparison, samples: &[CaseSamples]) -> Result<String, Error> {
    let parts = Parts::of(comparison)?;
    let without = document(comparison, &parts, &html! {}).into_string().len();
    let room = MOST_BYTES.saturating_sub(without);
    let pictures = flamegraphs::section(comparison, samples, room);
    Ok(document(comparison, &parts, &pictures).into_string())
}

/// The parts whose drawing can fail, made before the page around them.
struct Parts {
    ratios: Markup,
    phases: Markup,
    roofline: Markup,
    causes: Markup,
}

impl Parts {
    fn of(comparison: &Comparison) -> Result<Self, Error> {
        Ok(Self {
            ratios: ratios(comparison)?,
            phases: phases(comparison)?,
            roofline: roofline(&Roofline::of(comparison))?,
            causes: findings(comparison)?,
        })
    }
}

fn document(comparison: &Comparison, parts: &Parts, pictures: &Markup) -> Markup {
    let title = title(comparison);
    let sections = [
        ("ratios", "Ratio by size", &parts.ratios),
        ("phases", "Where the time goes", &parts.phases),
        ("calls", "Calls of one operation", &tables::calls(comparison)),
        ("roofline", "Roofline of this machine", &parts.roofline),
        ("flamegraphs", "Flamegraphs", pictures),
        ("causes", "Causes", &parts.causes),
        ("machine", "Machine and software", &machine(comparison)),
        ("warnings", "Warnings", &warnings(comparison)),
        ("repeat", "How to repeat it", &repeat(comparison)),
    ];
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&title))
            body {
                header {
                    p.what { (title) }
                    h1 { (story::verdict(comparison)) }
                    (sides(comparison))
                    @if let Some(began) = story::began(comparison) {
                        p.faint { "Measured " (began) " UTC with raptors-trace \
                                                       " (escape(&comparison.tool_version)) "." }
                    }
                }
                nav aria-label="Sections" {
                    @for (id, heading, _) in &sections { a href=(format!("#{id}")) { (heading) } " " }
                }
                main {
                    @for (id, heading, body) in &sections {
                        section id=(id) aria-labelledby=(format!("{id}-h")) {
                            h2 id=(format!("{id}-h")) { (heading) }
                            (body)
                        }
                    }
                }
                script { (PreEscaped(include_str!("script.js"))) }
            }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) }
            style { (PreEscaped(include_str!("style.css"))) }
        }
    }
}

fn title(comparison: &Comparison) -> String {
    match comparison.cases.first() {
        Some(case) => {
            let (a, b) = story::names(case);
            format!("raptors-trace: {a} and {b}")
        }
        None => "raptors-trace".to_owned(),
    }
}

/// The statement of each side, in the first case and in cases with another one.
fn sides(comparison: &Comparison) -> Markup {
    let mut said: Vec<[String; 4]> = Vec::new();
    for case in &comparison.cases {
        let (a, b) = story::names(case);
        let statements = [&case.sides.a, &case.sides.b].map(|side| escape(&side.statement));
        let [of_a, of_b] = statements;
        let line = [a, of_a, b, of_b];
        if !said.contains(&line) {
            said.push(line);
        }
    }
    html! {
        @for [a, of_a, b, of_b] in &said {
            p.sides {
                span.swatch.a {} "A, " (a) ": " code { (of_a) } " "
                span.swatch.b {} "B, " (b) ": " code { (of_b) }
            }
        }
    }
}

/// The meaning of the charts' marks.
fn legend(comparison: &Comparison) -> Markup {
    let (a, b) = comparison.cases.first().map(story::names).unwrap_or_default();
    html! { p.legend { span.swatch.a {} "A: " (a) " " span.swatch.b {} "B: " (b) } }
}

fn ratios(comparison: &Comparison) -> Result<Markup, Error> {
    let Some(first) = comparison.cases.first() else {
        return Ok(html! { p { "No case was measured to its end." } });
    };
    let (a, b) = story::names(first);
    let chart = charts::ratios(&comparison.cases)?;
    Ok(html! {
        p { "The time of " (a) " divided by that of " (b) ", with its 95 % interval: to the right of 1, " (b) " is \
            faster." }
        @match chart {
            Some(chart) => (chart),
            None => p.note { "No ratio is a number above 0, so there is no chart." },
        }
        (tables::ratios(comparison))
    })
}

fn phases(comparison: &Comparison) -> Result<Markup, Error> {
    let worst = story::worst(comparison).map(|case| case.label());
    let mut cases = Vec::new();
    for case in &comparison.cases {
        cases.push((case, charts::phases(case)?));
    }
    Ok(html! {
        @if cases.is_empty() { p { "No case was measured to its end." } }
        @else { (legend(comparison)) }
        @for (case, chart) in &cases {
            details open[worst.as_ref() == Some(&case.label())] {
                summary { (escape(&case.label())) " – " (case::verdict(case).0) }
                div.beside {
                    @match chart {
                        Some(chart) => (chart),
                        None => p.note { "No phase of this case was measured." },
                    }
                    (tables::phases(comparison, case))
                }
            }
        }
    })
}

fn roofline(roofline: &Roofline) -> Result<Markup, Error> {
    let chart = charts::roofline(roofline)?;
    Ok(html! {
        @if let Some(chart) = chart {
            p {
                "Floating-point operations per byte and per second. The slopes are the memory limits that were \
                 measured here, "
                "the levels are the compute peaks: solid lines for one thread, dashed lines for all threads. Circles \
                 are A, triangles B; "
                "the numbers are those of the cases in the table. Arrays that fit in a cache can be above the \
                 memory’s slope."
            }
            (chart)
        } @else {
            p.note { "Neither roofs nor sides are known, so there is no chart." }
        }
        @for note in &roofline.notes { p.note { (note) } }
        (tables::roofline(roofline))
    })
}

fn findings(comparison: &Comparison) -> Result<Markup, Error> {
    if comparison.findings.is_empty() {
        return Ok(html! {
            p { "This run was made by `compare`; " code { "raptors-trace explain" } " finds causes." }
        });
    }
    let mut swept = Vec::new();
    for explained in &comparison.explained {
        swept.push(sizes(comparison, explained)?);
    }
    Ok(html! {
        @for explained in &comparison.explained { (summed(comparison, explained)) }
        @for finding in &comparison.findings { (article(comparison, finding)) }
        @for explained in &comparison.explained { (besides(explained)) }
        @for sizes in &swept { (sizes) }
    })
}

/// Both sides at smaller sizes.
fn sizes(comparison: &Comparison, explained: &Explained) -> Result<Markup, Error> {
    let rows = explain::size_rows(explained);
    let case = explain::case_of(comparison, explained);
    let (Some(case), false) = (case, rows.is_empty()) else {
        return Ok(html! {});
    };
    let [head, rest @ ..] = explain::size_heads(case);
    let chart = charts::sizes(case, explained, comparison.machine.caches())?;
    Ok(html! {
        h3 { "Time per element by size" }
        p {
            "A line rises where an element takes longer, often because the data leave a cache. It falls from the left \
             because the "
            "fixed cost of an operation is spread over more elements. A few short rounds per size: an indication, not \
             a proof."
        }
        p.faint { (escape(&case.label())) }
        (legend(comparison))
        @if let Some(chart) = chart { (chart) }
        (tables::scrolling("Time per element by size", &html! {
            table {
                thead { tr { th scope="col" { (head) } @for name in &rest { th.number scope="col" { (name) } } } }
                (tables::named_figures(&rows))
            }
        }))
    })
}

/// The gap of a case as a sum of its causes.
fn summed(comparison: &Comparison, explained: &Explained) -> Markup {
    let Some(case) = explain::case_of(comparison, explained) else {
        return html! {};
    };
    let rows = explain::rows(explained, &explain::of_case(comparison, explained));
    html! {
        p { strong { (escape(&explain::headline(case, explained))) } }
        @if explained.gap {
            (tables::scrolling("The gap as a sum", &html! {
                table {
                    thead { tr { @for head in explain::HEADS { th scope="col" { (head) } } } }
                    (tables::named_figures(&rows))
                }
            }))
            p.note { (explain::how(explained)) "." }
        }
    }
}

/// Facts in addition to the causes: dependent effects, causes that were not tried, and the hypotheses.
fn besides(explained: &Explained) -> Markup {
    html! {
        @if !explained.interactions.is_empty() {
            h3 { "Effects that depend on each other" }
            ul { @for sentence in &explained.interactions { li { (escape(sentence)) } } }
        }
        @if !explained.not_tried.is_empty() {
            h3 { "Not tried" }
            ul {
                @for not in &explained.not_tried { li { (escape(&not.cause)) ": " (escape(&not.why)) } }
            }
        }
        @if !explained.hypotheses.is_empty() {
            h3 { "The hypotheses that the project began with" }
            ul {
                @for hypothesis in &explained.hypotheses {
                    li {
                        strong { (escape(&hypothesis.name)) } ", " (escape(&hypothesis.says)) ": "
                        strong { (hypothesis.verdict.as_str()) }
                        ul { @for because in &hypothesis.because { li { (escape(because)) } } }
                    }
                }
            }
        }
    }
}

fn article(comparison: &Comparison, finding: &Finding) -> Markup {
    let verdict = finding.verdict.as_str();
    html! {
        article.finding.(verdict) {
            h3 { (escape(&finding.cause)) " " span.verdict { (verdict) } }
            p.faint { (escape(&finding.case)) }
            p {
                @if let Some(effect) = story::effect(comparison, finding) { strong { (effect) } }
                @else { "Its effect was not measured." }
                @if let Some(share) = story::share(finding) { ", " (share) }
            }
            @if !finding.evidence.is_empty() {
                ul { @for sentence in &finding.evidence { li { (escape(sentence)) } } }
            }
            @if let Some(help) = &finding.fix { p { "Fix: " (escape(help)) } }
        }
    }
}

fn machine(comparison: &Comparison) -> Markup {
    html! { ul.plain { @for line in header::lines(comparison) { li { (line) } } } }
}

fn warnings(comparison: &Comparison) -> Markup {
    let sentences = warning_sentences(comparison);
    html! {
        @if sentences.is_empty() { p { "There are none." } }
        @else { ul { @for sentence in &sentences { li.warning { (sentence) } } } }
    }
}

fn repeat(comparison: &Comparison) -> Markup {
    html! {
        @if comparison.command.is_empty() { p { "The run file does not contain the command." } }
        @else {
            pre tabindex="0" aria-label="The command" { code { (story::command(&comparison.command)) } }
        }
    }
}
