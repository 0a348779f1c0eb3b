//! Folded stacks as a picture.

use inferno::flamegraph::{self, Options};

use crate::{Error, Folded};

/// What is written around a picture.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Its title, as plain text.
    pub title: &'a str,
    /// A line under the title, as plain text; empty for none.
    pub subtitle: &'a str,
    /// What is counted, in the plural.
    pub unit: &'a str,
}

impl Default for Picture<'_> {
    fn default() -> Self {
        Picture {
            title: "Flamegraph",
            subtitle: "",
            unit: "samples",
        }
    }
}

/// Draws `folded` as an SVG document that stands alone. Equal input gives an equal picture.
///
/// Characters that XML cannot carry, control characters mostly, appear as U+FFFD.
///
/// # Errors
/// [`Error::NoSamples`] rather than an empty picture; [`Error::Draw`].
pub fn draw(folded: &Folded, picture: &Picture<'_>) -> Result<String, Error> {
    if folded.total() == 0 {
        return Err(Error::NoSamples);
    }
    let mut options = Options::default();
    options.title = printable(picture.title);
    options.subtitle = Some(printable(picture.subtitle)).filter(|text| !text.is_empty());
    options.count_name = printable(picture.unit);
    options.deterministic = true;
    let lines: Vec<String> = folded
        .stacks()
        .map(|(stack, count)| line(stack, count))
        .collect();
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
        .map_err(Error::Draw)?;
    String::from_utf8(svg).map_err(|error| Error::Draw(std::io::Error::other(error)))
}

/// A line for inferno. It takes a second number at the end for the other side of a comparison, so
/// a space before a number that ends a name becomes one that only looks like it.
fn line(stack: &str, count: u64) -> String {
    let stack = printable(stack);
    match stack.rsplit_once(' ') {
        Some((before, last)) if last.parse::<f64>().is_ok() => {
            format!("{before}\u{a0}{last} {count}")
        }
        _ => format!("{stack} {count}"),
    }
}

/// `text` with what XML 1.0 has no way to write replaced.
fn printable(text: &str) -> String {
    let forbidden = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars()
        .map(|c| if forbidden(c) { '\u{fffd}' } else { c })
        .collect()
}
