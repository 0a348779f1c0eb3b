//! Lines, columns and colour. Widths are those of a terminal, so wide characters align too.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::text::{escape, first_bytes};

/// The meaning of a piece of text; colour only repeats the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// A heading or the most important text.
    Strong,
    /// Secondary text.
    Faint,
    /// B is faster.
    Good,
    /// B is slower.
    Bad,
    /// A problem.
    Alarm,
}

/// A piece of text in a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Without control characters.
    pub text: String,
    /// Its meaning.
    pub tone: Tone,
}

impl Cell {
    /// A cell with a tone.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A cell without one.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Plain)
    }

    /// Columns it takes.
    pub fn width(&self) -> usize {
        self.text.width()
    }
}

/// A page being written.
#[derive(Debug)]
pub struct Page {
    /// Columns of the terminal.
    pub width: usize,
    color: bool,
    /// Whether more than ASCII can be shown.
    pub unicode: bool,
    text: String,
}

impl Page {
    /// An empty page.
    pub fn new(width: usize, color: bool, unicode: bool) -> Self {
        Self { width, color, unicode, text: String::new() }
    }

    /// The text so far.
    pub fn into_text(self) -> String {
        self.text
    }

    /// An empty line, but never two in a row and none at the top.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A line across the page, `columns` long.
    pub fn rule(&mut self, columns: usize) {
        self.row(&[Cell::new("─".repeat(columns.min(self.width)), Tone::Faint)], &[]);
    }

    /// One line of cells, each but the last padded to its width; two columns between them. A cell that is too wide for
    /// its column is cut and shows that.
    pub fn row(&mut self, cells: &[Cell], widths: &[usize]) {
        let last = cells.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
        let mut left = self.width;
        let mut line = String::new();
        for (i, cell) in cells.iter().enumerate().take(last + 1) {
            let room = widths.get(i).copied().unwrap_or(left).min(left);
            let text = cut(&self.shown(&cell.text), room, if self.unicode { '…' } else { '~' });
            let used = text.width();
            self.paint(&mut line, &text, cell.tone);
            if i < last {
                line.push_str(&" ".repeat(room - used + GAP));
            }
            left = left.saturating_sub(room + GAP);
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// The rows of a table, with a rule below each row whose index is in `rules`.
    pub fn table(&mut self, rows: &[impl AsRef<[Cell]>], widths: &[usize], rules: &[usize]) {
        for (index, row) in rows.iter().enumerate() {
            self.row(row.as_ref(), widths);
            if rules.contains(&index) {
                self.rule(span(widths));
            }
        }
    }

    /// A line that is never broken or cut: a path or a command, to be copied.
    pub fn whole(&mut self, line: &str) {
        let line = self.shown(line);
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// Parts joined by ` · `, broken between parts if a line is full; further lines are indented.
    pub fn parts(&mut self, parts: &[String], indent: usize, tone: Tone) {
        let mut line = String::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let joined = if line.is_empty() { part.clone() } else { format!("{line} · {part}") };
            if !line.trim().is_empty() && joined.width() > self.width {
                self.row(&[Cell::new(std::mem::take(&mut line), tone)], &[]);
                line = format!("{}{part}", " ".repeat(indent));
            } else {
                line = joined;
            }
        }
        if line.width() <= self.width {
            self.row(&[Cell::new(line, tone)], &[]);
        } else {
            self.wrapped(line.trim_start(), indent, tone);
        }
    }

    /// A sentence, broken between words; lines after the first are indented.
    pub fn wrapped(&mut self, sentence: &str, indent: usize, tone: Tone) {
        self.hanging(sentence, 0, indent.min(self.width / 2), tone);
    }

    /// A sentence whose leading spaces are kept, on further lines with two more.
    pub fn wrapped_indented(&mut self, sentence: &str, tone: Tone) {
        let inner = sentence.trim_start();
        let indent = (sentence.len() - inner.len()).min(self.width / 2);
        self.hanging(inner, indent, indent + 2, tone);
    }

    fn hanging(&mut self, sentence: &str, first: usize, rest: usize, tone: Tone) {
        let lines = broken(sentence, self.width - first, self.width - rest);
        for (i, line) in lines.into_iter().enumerate() {
            let indent = " ".repeat(if i == 0 { first } else { rest });
            self.row(&[Cell::new(format!("{indent}{line}"), tone)], &[]);
        }
    }

    fn paint(&self, line: &mut String, text: &str, tone: Tone) {
        let style = match tone {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Alarm => AnsiColor::Yellow.on_default().bold(),
        };
        if self.color && tone != Tone::Plain && !text.is_empty() {
            line.push_str(&format!("{style}{text}{style:#}"));
        } else {
            line.push_str(text);
        }
    }

    /// The text without hidden characters, in ASCII if the terminal shows nothing else; every other character keeps its
    /// width. Views escape foreign text where they know its column's width; this is for what one of them forgets.
    fn shown(&self, text: &str) -> String {
        let text = &escape(text);
        if self.unicode {
            return text.to_owned();
        }
        let ascii = |c: char| match c {
            c if c.is_ascii() => c.to_string(),
            '×' => "x".to_owned(),
            'µ' => "u".to_owned(),
            '−' | '–' | '─' => "-".to_owned(),
            '·' => "|".to_owned(),
            '…' => "~".to_owned(),
            '█' => "#".to_owned(),
            '÷' => "/".to_owned(),
            '→' => ">".to_owned(),
            '└' => "`".to_owned(),
            c => "?".repeat(c.to_string().width()),
        };
        text.chars().map(ascii).collect()
    }
}

/// Columns between two cells.
pub const GAP: usize = 2;

/// One line of four cells: label, side A, side B, difference or note.
pub type Row = [Cell; 4];

/// The width of each column of a table: that of its widest cell. Rows may lack their last cells.
pub fn widths_of(rows: &[impl AsRef<[Cell]>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        let row = row.as_ref();
        widths.resize(row.len().max(widths.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    widths
}

/// Makes columns narrower until the table has `room`: each of `columns` in turn, down to its least width.
pub fn squeeze(widths: &mut [usize], room: usize, columns: &[(usize, usize)]) {
    for &(column, least) in columns {
        let over = span(widths).saturating_sub(room);
        widths[column] -= over.min(widths[column].saturating_sub(least));
    }
}

/// The terminal columns of a table with these columns.
pub fn span(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// `text` in lines of at most `room` columns, broken between words, and inside a word that is longer than a line.
pub fn lines_of(text: &str, room: usize) -> Vec<String> {
    broken(text, room, room)
}

/// A longer text is no text for a person: what a stranger's run file has as a name may have megabytes. Bytes.
const LONGEST: usize = 1 << 16;

/// Columns of a text without control characters. Most text is ASCII, and a name in a run file may have megabytes.
fn columns(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// [`lines_of`] with a first line of another width.
fn broken(text: &str, first: usize, rest: usize) -> Vec<String> {
    let text = first_bytes(text, LONGEST);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    // A column that is too narrow for any character must not cause an endless loop.
    let room = |lines: &[String]| if lines.is_empty() { first } else { rest }.max(2);
    for word in text.split_inclusive(' ') {
        if !line.is_empty() && columns(&line) + columns(word.trim_end()) > room(&lines) {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        for c in word.chars() {
            let over = columns(&line) + c.width().unwrap_or(0) > room(&lines);
            if c == ' ' && over {
                // Blanks at the end of a line are not shown.
                continue;
            }
            if over {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            line.push(c);
        }
    }
    if !line.trim().is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// `text` in at most `room` columns; if it was cut, `sign` is its last character.
pub fn cut(text: &str, room: usize, sign: char) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if format!("{kept}{c}").width() + 1 > room {
            break;
        }
        kept.push(c);
    }
    if room > 0 {
        kept.push(sign);
    }
    kept
}

/// A bar of up to `columns` columns for `share` of the largest (0 to 1), in eighths if blocks can be shown.
pub fn bar(share: f64, columns: usize, unicode: bool) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    if !unicode {
        return "#".repeat((share * columns as f64).round() as usize);
    }
    let eighths = (share * columns as f64 * 8.0).round() as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{part}", "█".repeat(eighths / 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(write: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::new(20, false, true);
        write(&mut page);
        page.into_text()
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let text = page(|p| p.row(&[Cell::plain("数組"), Cell::plain("x")], &[6, 4]));
        assert_eq!(text, "数組    x\n");
        assert_eq!(cut("数組演算", 5, '…'), "数組…");
    }

    #[test]
    fn a_path_is_whole_on_a_narrow_page() {
        let path = "/tmp/a/directory/deeper/than/the/page/is/wide/scale-table".repeat(3);
        assert_eq!(page(|page| page.whole(&path)), format!("{path}\n"));
    }

    #[test]
    fn sentences_are_broken_between_words_and_long_words_anywhere() {
        let text = page(|p| p.wrapped("one two three four five", 2, Tone::Plain));
        assert_eq!(text, "one two three four\n  five\n");
        let text = page(|p| p.wrapped(&"x".repeat(45), 2, Tone::Plain));
        assert!(text.lines().all(|line| line.len() <= 20) && text.matches('x').count() == 45, "{text}");
    }

    #[test]
    fn bars_have_eighths() {
        assert_eq!(bar(1.0, 4, true), "████");
        assert_eq!(bar(0.4375, 4, true), "█▊");
        assert_eq!(bar(0.5, 4, false), "##");
        assert_eq!(bar(f64::NAN, 4, true), "");
    }
}
