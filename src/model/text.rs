//! Foreign text, shown so that it cannot harm a terminal.

use std::borrow::Cow;

use raptors_flamegraphs::is_hidden;

/// `text` with control characters and invisible formatting characters as escapes, so that a statement or a name can
/// neither move the cursor nor hide itself.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if c.is_control() => shown.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_hidden(c) => shown.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => shown.push(c),
        }
    }
    shown
}

/// [`escape`] that leaves line ends as they are.
pub fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// A JSON document with hidden characters as JSON's own escapes: the same document, which a terminal can show. JSON has
/// such characters in strings only, but for line ends and blanks between its values.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let harms = |c: char| is_hidden(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.contains(harms) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if harms(c) {
            let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            shown.push_str(&units);
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The characters of `text` that lie in its first `most` bytes.
pub fn first_bytes(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
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

    #[test]
    fn a_text_is_cut_between_its_characters() {
        assert_eq!(["aµb", "aµ", "a", "a", ""], [9, 3, 2, 1, 0].map(|most| first_bytes("aµb", most)));
    }

    #[test]
    fn json_stays_the_same_document() {
        let value = serde_json::json!({ "a\u{1b}\u{9b}": ["\u{202e}x", "\u{e0041}", "plain µ\n"] });
        let json = serde_json::to_string_pretty(&value).unwrap();
        let shown = escape_json(&json);
        assert!(!shown.contains(|c: char| is_hidden(c) && c != '\n'), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(matches!(escape_json("[1,\n 2]"), Cow::Borrowed(_)));
    }
}
