//! Names from symbols and from other programs' output are text from strangers.

use std::borrow::Cow;

/// Whether a character has no glyph of its own but acts on the text around it or on a terminal: control characters,
/// bidirectional controls, zero-width and filler characters, line separators, tags.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c as u32,
            0xad | 0x61c
                | 0x115f..=0x1160
                | 0x180e
                | 0x200b..=0x200f
                | 0x2028..=0x202e
                | 0x2060..=0x206f
                | 0x3164
                | 0xfeff
                | 0xffa0
                | 0xfff9..=0xfffb
                | 0x1d173..=0x1d17a
                | 0xe0000..=0xe0fff
        )
}

/// `text` with U+FFFD for each hidden character but a tab, and for those that XML 1.0 cannot represent.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let replaced = |c: char| is_hidden(c) && c != '\t' || matches!(c, '\u{fffe}' | '\u{ffff}');
    if !text.contains(replaced) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if replaced(c) { '\u{fffd}' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_seen() {
        let shown = printable("a\u{1b}[2J\u{202e}b\u{9b}\u{200b}\tc\u{ffff}");
        assert_eq!(shown, "a\u{fffd}[2J\u{fffd}b\u{fffd}\u{fffd}\tc\u{fffd}");
        assert!(matches!(printable("std::vec<µ, 数組>"), Cow::Borrowed(_)));
    }
}
