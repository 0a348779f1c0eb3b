//! Foreign text, shown so that it cannot harm a terminal.

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
