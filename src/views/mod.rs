//! A [`Comparison`] as text that a person reads in ten seconds: which side is faster, by how much, in which phase,
//! through which calls.

mod against;
mod calls;
mod case;
pub mod doctor;
mod engines;
pub mod explain;
pub mod export;
pub mod flamegraph;
pub(crate) mod header;
pub mod html;
pub mod imports;
pub mod instruments;
pub(crate) mod layout;
pub mod live;
pub mod markdown;
pub mod pictures;
mod roofline;
mod story;
mod summary;
pub mod tune;

use crate::model::comparison::Comparison;
pub use crate::model::text::{escape, escape_lines};
use layout::{Page, Tone};

/// The shown part of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    #[default]
    All,
    /// Times and phases.
    Phases,
    /// Calls, with all details of each pattern.
    Calls,
}

/// The appearance of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal; fewer than 40 are taken as 40.
    pub width: usize,
    /// With ANSI colours.
    pub color: bool,
    /// With more than ASCII.
    pub unicode: bool,
    /// The part.
    pub part: Part,
}

/// Wider lines are hard to read.
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

/// Warnings that limit the trust in the figures, last, so that they are on the screen when the command has ended.
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
