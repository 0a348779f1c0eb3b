//! `docs/threats.md` names the test that holds each line: all of them exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold nothing of ours.
const NOT_OURS: [&str; 4] = ["target", ".git", ".venv", "node_modules"];

fn code(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() && !NOT_OURS.contains(&name.as_str()) {
            code(&path, found);
        } else if name.ends_with(".rs") || name.ends_with(".py") {
            found.push(path);
        }
    }
}

/// The names of all functions that are tests, in Rust and in Python.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    code(Path::new(env!("CARGO_MANIFEST_DIR")), &mut files);
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            let name =
                line.strip_prefix("fn ").or_else(|| line.strip_prefix("def ").filter(|name| name.starts_with("test")));
            match name.and_then(|name| name.split('(').next()) {
                Some(name) if is_test || line.starts_with("def ") => drop(names.insert(name.to_owned())),
                _ => {}
            }
            is_test = line == "#[test]" || (is_test && (line.starts_with("#[") || line.starts_with("//")));
        }
    }
    names
}

/// The tests that the last column of a line of a table names; nothing for a line that is none.
fn named(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let &[_, _, tests] = &cells[..] else { panic!("three columns: {line}") };
    let is_head = tests == "test" || tests.starts_with("---");
    (!is_head).then(|| tests.split('`').skip(1).step_by(2).collect())
}

fn missing(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut missing = Vec::new();
    for line in page.lines() {
        let Some(names) = named(line) else { continue };
        if names.is_empty() {
            missing.push(format!("no test is named: {line}"));
        }
        missing.extend(names.into_iter().filter(|name| !tests.contains(*name)).map(str::to_owned));
    }
    missing
}

#[test]
fn every_test_that_holds_a_threat_exists() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threats.md")).unwrap();
    let tests = tests();
    assert!(tests.len() > 900, "{} tests were found", tests.len());
    assert!(page.lines().filter_map(named).count() > 20, "the page has lost its tables");
    let missing = missing(&page, &tests);
    assert!(missing.is_empty(), "not in the tree:\n{}", missing.join("\n"));
}

#[test]
fn a_line_without_a_test_and_a_test_that_is_gone_are_found() {
    let page = "| threat | answer | test |\n|---|---|---|\n| a | b | `here`, `gone` |\n| c | d | none |\n";
    let tests = BTreeSet::from(["here".to_owned()]);
    assert_eq!(missing(page, &tests), ["gone", "no test is named: | c | d | none |"]);
}
