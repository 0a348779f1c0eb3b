//! The house's measures: no line of Rust or Python over 120 columns, no file of code over 600 lines.

use std::fs;
use std::path::{Path, PathBuf};

const MOST_COLUMNS: usize = 120;
const MOST_LINES: usize = 600;
/// Directories that hold nothing of ours.
const NOT_OURS: [&str; 4] = ["target", ".git", ".venv", "node_modules"];

fn code(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            code(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            found.push(path);
        }
    }
}

#[test]
fn lines_and_files_are_no_longer_than_the_house_has_them() {
    let mut files = Vec::new();
    code(Path::new(env!("CARGO_MANIFEST_DIR")), &mut files);
    assert!(files.len() > 300, "{} files of code were found", files.len());
    let mut too_long = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        if lines > MOST_LINES {
            too_long.push(format!("{}: {lines} lines", file.display()));
        }
        for (index, line) in text.lines().enumerate().filter(|(_, line)| line.chars().count() > MOST_COLUMNS) {
            too_long.push(format!("{}:{}: {} columns", file.display(), index + 1, line.chars().count()));
        }
    }
    assert!(too_long.is_empty(), "at most {MOST_COLUMNS} columns and {MOST_LINES} lines:\n{}", too_long.join("\n"));
}
