//! A [`Comparison`] as text that a person reads in ten seconds: who wins, by how much, in which phase, through which
//! calls.

mod against;
mod calls;
mod case;
mod engines;
pub mod explain;
pub mod flamegraph;
pub(crate) mod header;
pub mod html;
pub mod imports;
pub mod instruments;
pub(crate) mod layout;
pub mod live;
pub mod markdown;
mod roofline;
mod story;
mod summary;
pub mod tune;
pub(crate) mod units;

pub use against::at_gate;

use crate::comparison::Comparison;
use layout::{Page, Tone};

/// Which part of a comparison is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    #[default]
    All,
    /// Times and phases.
    Phases,
    /// Calls, with all that is known of each pattern.
    Calls,
}

/// How the text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal; fewer than 40 are taken as 40.
    pub width: usize,
    /// With ANSI colours.
    pub color: bool,
    /// With more than ASCII.
    pub unicode: bool,
    /// Which part.
    pub part: Part,
}

/// Wider than this, lines are hard to follow with the eye.
const WIDEST: usize = 116;
const NARROWEST: usize = 40;

/// The comparison as text; every line ends in a newline. No line is wider than the terminal.
pub fn text(comparison: &Comparison, options: &TextOptions) -> String {
    let mut page = Page::new(page_width(options.width), options.color, options.unicode);
    header::write(&mut page, comparison);
    for case in &comparison.cases {
        page.gap();
        case::write(&mut page, comparison, case, options.part);
    }
    if options.part != Part::Phases {
        engines::write(&mut page, comparison);
    }
    if options.part != Part::Calls {
        summary::write(&mut page, comparison);
    }
    if options.part == Part::All {
        explain::write(&mut page, comparison);
    }
    against::write(&mut page, comparison);
    warnings(&mut page, comparison);
    page.into_text()
}

/// The width of a page on a terminal of `columns`.
pub(crate) fn page_width(columns: usize) -> usize {
    columns.clamp(NARROWEST, WIDEST)
}

/// What limits the trust in the figures, last, so that it is on the screen when the command has ended.
fn warnings(page: &mut Page, comparison: &Comparison) {
    let sentences = warning_sentences(comparison);
    if !sentences.is_empty() {
        page.gap();
    }
    for sentence in sentences {
        page.wrapped(&format!("warning: {sentence}"), 9, Tone::Alarm);
    }
}

fn warning_sentences(comparison: &Comparison) -> Vec<String> {
    let mut sentences = Vec::new();
    for control in comparison.controls.iter().filter(|control| !control.ok) {
        let (engine, name) = (escape(&control.engine), escape(&control.name));
        let (seen, expected) = (control.seen, control.expected);
        sentences.push(format!(
            "the control of {engine} failed: `{name}` was run and {seen} of {expected} calls were seen, so a count of \
             0 proves nothing"
        ));
    }
    sentences.extend(comparison.warnings.iter().map(|warning| escape(warning)));
    sentences
}

/// `text` with control characters and invisible formatting characters as escapes, so that a statement or a name can
/// neither move the cursor nor hide itself.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if (c as u32) < 0x20 || (0x7f..0xa0).contains(&(c as u32)) => {
                shown.push_str(&format!("\\x{:02x}", c as u32));
            }
            c if is_invisible(c) => shown.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => shown.push(c),
        }
    }
    shown
}

/// [`escape`] that leaves line ends as they are.
pub fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Characters without a glyph that change how text around them is shown: bidirectional controls, zero-width
/// characters, line separators.
fn is_invisible(c: char) -> bool {
    matches!(c as u32, 0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_or_hides_gets_through() {
        assert_eq!(escape("a\u{1b}[2J\n\u{202e}b\u{9b}c\u{200b}"), "a\\x1b[2J\\n\\u{202e}b\\x9bc\\u{200b}");
        assert_eq!(escape("数組 × µ"), "数組 × µ");
        assert_eq!(escape_lines("a\nb\t"), "a\nb\\t");
    }
}
