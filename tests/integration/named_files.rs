//! The documents name files of this tree: each of them is there.

use std::fs;
use std::path::{Path, PathBuf};

/// What a file of the tree ends with; a word with a slash and one of these is a path wherever it begins.
const ENDINGS: [&str; 9] = [".rs", ".py", ".md", ".toml", ".json", ".yml", ".d", ".bt", ".svg"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// The documents for users and contributors. The changelog may name what is gone.
fn documents() -> Vec<PathBuf> {
    let docs = names_in(&root().join("docs")).into_iter().filter(|name| name.ends_with(".md"));
    let mut found: Vec<PathBuf> = docs.map(|name| root().join("docs").join(name)).collect();
    let others = ["README.md", "CONTRIBUTING.md", "recording/FORMAT.md", "routines/README.md"];
    found.extend(others.map(|name| root().join(name)));
    found
}

/// The words of `text` that may be a path of this tree; an absolute one and the rest of an address begin with a slash.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || "_-./*~".contains(c));
    let words = text.split(outside).map(|word| word.trim_end_matches('.'));
    words.filter(|word| word.contains('/') && !word.starts_with(['/', '~']))
}

/// The targets of the links of `text` that are files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

/// Whether `path` is below `place`; a star stands for any part of a file's name.
fn exists(place: &Path, path: &str) -> bool {
    let Some((before, after)) = path.split_once('*') else {
        return place.join(path).exists();
    };
    let (directory, start) = before.rsplit_once('/').unwrap_or(("", before));
    names_in(&place.join(directory)).iter().any(|name| name.starts_with(start) && name.ends_with(after))
}

/// What `text`, a document in `place`, names and the tree does not have.
fn missing(text: &str, place: &Path) -> Vec<String> {
    let top = names_in(root());
    let is_ours = |word: &str| {
        let first = word.split('/').next().unwrap_or(word);
        // `.venv` and `target` come and go.
        let made = [".venv", "target"].contains(&first);
        !made && (top.iter().any(|name| name == first) || ENDINGS.iter().any(|ending| word.ends_with(ending)))
    };
    let words = words(text).filter(|word| is_ours(word) && !exists(root(), word) && !exists(place, word));
    let links = links(text).filter(|link| !exists(place, link));
    words.chain(links).map(str::to_owned).collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut named = 0;
    let mut absent = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let place = document.parent().unwrap();
        named += words(&text).count() + links(&text).count();
        absent.extend(missing(&text, place).into_iter().map(|path| format!("{}: {path}", document.display())));
    }
    assert!(named > 100, "only {named} paths were found");
    assert!(absent.is_empty(), "these files do not exist:\n{}", absent.join("\n"));
}

#[test]
fn a_path_that_is_gone_is_found() {
    let docs = root().join("docs");
    let text = "See `src/gone.rs`, oldcrate/lib.rs and [this](nowhere.md#part), not https://example.org/a/b.rs, \
                /usr/lib/x.py, I/O, ~/a/b.py, tests/python/test_*.py, `src/tests/no_*.rs`, ../README.md or src/lib.rs.";
    let expected = ["src/gone.rs", "oldcrate/lib.rs", "src/tests/no_*.rs", "nowhere.md"];
    assert_eq!(missing(text, &docs), expected);
}
