//! How a name or a path is written so that no shell, no D and no bpftrace program takes it for more than it is.

use std::fmt::Write as _;
use std::path::Path;

/// The inside of a string literal of D or bpftrace, for a place that is printed as it stands.
pub fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted
}

/// Text inside a comment: on one line, and no end of the comment in it.
pub fn comment(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(shown, "\\x{:02x}", u32::from(c));
        } else if c == '/' && shown.ends_with('*') {
            shown.push_str("\\/");
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A path as a shell takes it, fit to stand inside a comment as well: neither a line break nor the comment's end.
pub fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    if text.chars().any(char::is_control) || text.contains("*/") {
        let mut quoted = String::from("$'");
        for c in text.chars() {
            match c {
                '\'' | '\\' => quoted.extend(['\\', c]),
                c if c.is_control() || c == '*' => {
                    let mut bytes = [0; 4];
                    for byte in c.encode_utf8(&mut bytes).bytes() {
                        let _ = write!(quoted, "\\x{byte:02x}");
                    }
                }
                c => quoted.push(c),
            }
        }
        return quoted + "'";
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A path as the target of a uprobe or USDT probe of bpftrace, in quotes.
///
/// # Errors
/// Why bpftrace cannot be given this path: its language has no way to write it.
pub fn attach_path(path: &Path) -> Result<String, String> {
    let Some(text) = path.to_str() else {
        return Err("its path is not UTF-8".into());
    };
    let refused = |c: &char| c.is_control() || ":\\*?".contains(*c);
    if let Some(c) = text.chars().find(|c| refused(c)) {
        return Err(format!("bpftrace cannot name a path with {c:?} in it"));
    }
    if !path.is_absolute() {
        return Err("its path is not absolute".into());
    }
    Ok(format!("\"{}\"", text.replace('"', "\\\"")))
}

/// A symbol as bpftrace takes it: `$` would begin a parameter outside of quotes. It has to be [plain](is_plain_symbol).
pub fn attach_symbol(symbol: &str) -> String {
    if symbol.contains('$') { format!("\"{symbol}\"") } else { symbol.to_owned() }
}

/// Whether a symbol can stand in a probe's name: letters, digits and `_`, `.`, `$`.
pub fn is_plain_symbol(symbol: &str) -> bool {
    !symbol.is_empty() && symbol.chars().all(|c| c.is_ascii_alphanumeric() || "_.$".contains(c))
}

/// A file name or a symbol in a probe description of D: what D would read as anything but itself becomes `?`, which
/// stands for any one byte. `$` begins a macro there.
pub fn probe_part(name: impl AsRef<[u8]>) -> String {
    name.as_ref()
        .iter()
        .map(|&byte| match byte {
            b'.' | b'_' | b'-' | b'+' => char::from(byte),
            byte if byte.is_ascii_alphanumeric() => char::from(byte),
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a\"b'c$(touch x)`touch y`\n*/ } END { %s \\ 🦖";

    #[test]
    fn a_literal_ends_only_where_it_should() {
        assert_eq!(literal(NASTY), "a\\\"b'c$(touch x)`touch y`\\n*/ } END { %s \\\\ 🦖");
        assert_eq!(literal("\t"), "\\\\x09");
    }

    #[test]
    fn a_comment_stays_one_line_and_open() {
        let shown = comment(NASTY);
        assert!(!shown.contains("*/") && !shown.contains('\n'));
        assert!(comment("**//*/").matches("*/").count() == 0);
    }

    #[test]
    fn a_shell_gets_back_what_was_given() {
        for text in [NASTY, "plain/path", "with space", "it's", "", "*/", "a\r\u{85}b"] {
            let quoted = shell(Path::new(text));
            assert!(!quoted.contains("*/") && !quoted.contains('\n'), "{quoted}");
            let said = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {quoted}")])
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), text);
        }
    }

    #[test]
    fn an_attach_path_is_quoted_or_refused() {
        let path = |text: &str| attach_path(Path::new(text));
        assert_eq!(path("/a b/\"c\"$(d)`e`").unwrap(), "\"/a b/\\\"c\\\"$(d)`e`\"");
        for (text, why) in
            [("/a:b", "':'"), ("/a\nb", "'\\n'"), ("/a\\b", "'\\\\'"), ("/a*/b", "'*'"), ("a/b", "not absolute")]
        {
            assert!(path(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_probe_is_itself_or_a_question_mark() {
        assert_eq!(probe_part("cblas_sgemm$NEWLAPACK$ILP64"), "cblas_sgemm?NEWLAPACK?ILP64");
        assert_eq!(probe_part("a:b,c{*/}"), "a?b?c????");
        assert!(is_plain_symbol("FLOAT_multiply.isra.0") && !is_plain_symbol("a b"));
        assert!(!is_plain_symbol("") && !is_plain_symbol("a`b") && !is_plain_symbol("x*/"));
    }
}
