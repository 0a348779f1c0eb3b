//! Reads the text of a table into entries; the notation is explained in the crate's README.

/// One line of a table, not yet expanded into its s, d, c, z variants.
pub struct Entry {
    /// `file:line`, for messages.
    pub at: String,
    /// The interfaces of the section this line stands in: `cblas`, `fortran`, …
    pub interfaces: Vec<String>,
    /// The level of the section, a variant of `Level`.
    pub level: String,
    /// The name with its braces: `{s,d,c,z}gemm`.
    pub name: String,
    /// The arguments as written.
    pub args: Vec<String>,
    /// The text after `->`, empty for none.
    pub returns: String,
    /// The text after the colon.
    pub purpose: String,
}

/// Reads a table. Panics with file and line on a syntax error: a build script has no other way to report.
pub fn parse(file: &str, text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let (mut interfaces, mut level) = (Vec::new(), String::new());
    for (number, line) in logical_lines(text) {
        let at = format!("{file}:{number}");
        if let Some(rest) = line.strip_prefix("section ") {
            let mut words: Vec<String> = rest.split_whitespace().map(String::from).collect();
            level = words.pop().unwrap_or_else(|| panic!("{at}: a section needs a level"));
            interfaces = words;
        } else {
            entries.push(entry(at, &line, &interfaces, &level));
        }
    }
    entries
}

/// Joins indented lines to the one before and drops comments; the number is that of the first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = raw.split('#').next().unwrap_or("").trim_end();
        if line.is_empty() {
            continue;
        }
        match lines.last_mut() {
            Some((_, before)) if line.starts_with(' ') => {
                before.push(' ');
                before.push_str(line.trim_start());
            }
            _ => lines.push((index + 1, line.to_string())),
        }
    }
    lines
}

fn entry(at: String, line: &str, interfaces: &[String], level: &str) -> Entry {
    let split = |text: &str, by: &str| -> (String, String) {
        let (left, right) = text.split_once(by).unwrap_or_else(|| panic!("{at}: no `{by}` in `{line}`"));
        (left.trim().to_string(), right.trim().to_string())
    };
    let (name, rest) = split(line, "(");
    let (args, rest) = split(&rest, ")");
    let (returns, purpose) = split(&rest, ":");
    assert!(!interfaces.is_empty(), "{at}: no section before it");
    Entry {
        returns: returns.trim_start_matches("->").trim().to_string(),
        args: args.split_whitespace().map(String::from).collect(),
        interfaces: interfaces.to_vec(),
        level: level.to_string(),
        name,
        purpose,
        at,
    }
}
