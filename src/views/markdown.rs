//! A [`Comparison`] as Markdown for a pull request: the verdict, the ratios, the phases of the worst case, causes, and
//! the command that repeats it. Made for GitHub's Markdown; names and statements are code or escaped text, never HTML.

use super::case::{self, NOT_MEASURED};
use super::{escape, explain, header, story, warning_sentences};
use crate::model::comparison::{Case, Comparison, Explained, Finding};
use crate::model::units;

/// The document; every line ends in a newline.
pub fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    let mut block = |lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&(lines.join("\n") + "\n"));
    };
    block(vec![title(comparison)]);
    block(vec![format!("**{}**", plain(&story::verdict(comparison)))]);
    block(ratios(comparison));
    if let Some(case) = story::worst(comparison) {
        block(vec![phases_title(comparison, case)]);
        block(phases(case));
    }
    block(vec!["#### Causes".to_owned()]);
    block(findings(comparison));
    let warnings = warning_sentences(comparison);
    if !warnings.is_empty() {
        block(vec!["#### Warnings".to_owned()]);
        block(list(warnings.iter().map(|warning| plain(warning))));
    }
    block(vec!["#### Machine, and how to repeat it".to_owned()]);
    block(list(header::lines(comparison).iter().map(|line| plain(line))));
    block(command(comparison));
    text
}

fn title(comparison: &Comparison) -> String {
    match comparison.cases.first() {
        Some(case) => format!("### raptors-trace: {}", both(case)),
        None => "### raptors-trace".to_owned(),
    }
}

/// The statements with their sides' names.
fn both(case: &Case) -> String {
    let side =
        |side: &crate::model::comparison::Side| format!("{} ({})", plain(&escape(&side.name)), code(&side.statement));
    format!("{} and {}", side(&case.sides.a), side(&case.sides.b))
}

fn ratios(comparison: &Comparison) -> Vec<String> {
    let Some(first) = comparison.cases.first() else {
        return Vec::new();
    };
    let (a, b) = story::names(first);
    let (a, b) = (plain(&a), plain(&b));
    let mut rows = vec![
        format!("| case | {a} | {b} | {a} ÷ {b} | 95 % interval | |"),
        "|:---|---:|---:|---:|:---|:---|".to_owned(),
    ];
    rows.extend(comparison.cases.iter().map(|case| {
        let (ratio, interval) = case.ratio.figures();
        let sides = [&case.sides.a, &case.sides.b];
        let [a, b] = sides.map(|side| units::time(side.wall_ns.median));
        let (verdict, _) = case::verdict(case);
        row(&[escape(&case.label()), a, b, ratio, interval, verdict])
    }));
    rows
}

fn phases_title(comparison: &Comparison, case: &Case) -> String {
    let label = plain(&escape(&case.label()));
    match comparison.cases.len() {
        1 => format!("#### Where the time goes: {label}"),
        _ => {
            let (_, b) = story::names(case);
            format!("#### Where the time goes in {}'s worst case: {label}", plain(&b))
        }
    }
}

fn phases(case: &Case) -> Vec<String> {
    let unit = case::unit(case);
    let (a, b) = story::names(case);
    let (a, b) = (plain(&a), plain(&b));
    let number = |ns: Option<f64>| ns.map_or(NOT_MEASURED.to_owned(), |ns| unit.number(ns).trim_end().to_owned());
    let mut rows = vec![
        format!("| {} | {a} | {b} | difference |", plain(&format!("{} per operation", unit.name()))),
        "|:---|---:|---:|---:|".to_owned(),
    ];
    rows.extend(case::time_rows(case, &unit).iter().map(|line| {
        let difference = line.difference().map(|ns| unit.difference(ns).trim_end().to_owned());
        row(&[line.label.trim_start().to_owned(), number(line.a), number(line.b), difference.unwrap_or_default()])
    }));
    rows
}

fn findings(comparison: &Comparison) -> Vec<String> {
    if comparison.findings.is_empty() {
        let sentence = "This run was made by `compare`; `raptors-trace explain` finds causes.";
        return vec![sentence.to_owned()];
    }
    let mut lines = Vec::new();
    for explained in &comparison.explained {
        lines.extend(summed(comparison, explained));
    }
    for finding in &comparison.findings {
        lines.push(format!("- {}", head_of(comparison, finding)));
        let evidence = finding.evidence.iter().map(|sentence| escape(sentence));
        let help = finding.fix.as_ref().map(|help| format!("Fix: {}", escape(help)));
        lines.extend(evidence.chain(help).map(|line| format!("  - {}", plain(&line))));
    }
    lines
}

/// The gap of a case as a sum of its causes, and the causes that were not tried.
fn summed(comparison: &Comparison, explained: &Explained) -> Vec<String> {
    let Some(case) = explain::case_of(comparison, explained) else {
        return Vec::new();
    };
    let headline = explain::headline(case, explained);
    let mut lines = vec![format!("**{}**", plain(&escape(&headline))), String::new()];
    if explained.gap {
        let rows = explain::rows(explained, &explain::of_case(comparison, explained));
        lines.extend(table(&explain::HEADS.map(str::to_owned), &rows));
    }
    let sizes = explain::size_rows(explained);
    if !sizes.is_empty() {
        lines.extend(table(&explain::size_heads(case), &sizes));
    }
    lines
}

/// A table of a name and three figures, and the empty line that ends it.
fn table(heads: &[String; 4], rows: &[[String; 4]]) -> Vec<String> {
    let mut lines = vec![row(heads), "| --- | ---: | ---: | ---: |".to_owned()];
    lines.extend(rows.iter().map(|cells| row(cells)));
    lines.push(String::new());
    lines
}

fn head_of(comparison: &Comparison, finding: &Finding) -> String {
    let parts = [Some(finding.verdict.as_str().to_owned()), story::effect(comparison, finding), story::share(finding)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("**{}** ({}): {}", plain(&escape(&finding.cause)), plain(&escape(&finding.case)), plain(&parts.join(", ")))
}

fn command(comparison: &Comparison) -> Vec<String> {
    if comparison.command.is_empty() {
        return vec!["The run file does not contain the command.".to_owned()];
    }
    let command = story::command(&comparison.command);
    let fence = "`".repeat(longest_run(&command).max(2) + 1);
    vec![format!("{fence}sh"), command, fence]
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

fn list(lines: impl Iterator<Item = String>) -> Vec<String> {
    lines.map(|line| format!("- {line}")).collect()
}

/// Text without a special meaning: characters that are special in Markdown get a backslash. `text` has no control
/// characters.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '&' | '~' | '#' | '!' | '$' => {
                plain.extend(['\\', c]);
            }
            // A mention would notify that user, and an address would become a link.
            '@' => plain.push_str("@\u{2060}"),
            c => plain.push(c),
        }
    }
    plain.replace("://", ":\u{2060}//").replace("www.", "www\u{2060}.")
}

/// A statement as code; as text if it has a `|`, which would end a cell of a table even in code.
fn code(text: &str) -> String {
    let text = escape(text);
    if text.contains('|') || text.trim().is_empty() {
        return plain(&text);
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    // Markdown removes these spaces again; they separate a backtick at an end from the fence.
    if fence.len() > 1 || text.starts_with(' ') || text.ends_with(' ') {
        format!("{fence} {text} {fence}")
    } else {
        format!("`{text}`")
    }
}

/// The length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_markdown_could_take_for_something_is_text() {
        assert_eq!(plain("<script>|`*a_b*`|</script> & #1"), r"\<script\>\|\`\*a\_b\*\`\|\</script\> \& \#1");
        assert_eq!(plain("a @b https://c.d"), "a @\u{2060}b https:\u{2060}//c.d");
        assert_eq!(code("a * 2.5"), "`a * 2.5`");
        assert_eq!(code("f\"`x` ``\""), "``` f\"`x` ``\" ```");
        assert_eq!(code("a | b"), r"a \| b");
        assert_eq!(code("a\nb"), "`a\\nb`");
    }
}
