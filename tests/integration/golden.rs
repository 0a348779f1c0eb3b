//! The tables against their golden files.

use std::path::PathBuf;

use raptors_trace::model::comparison::Comparison;
use raptors_trace::views::{Part, TextOptions, text};
use unicode_width::UnicodeWidthStr;

use crate::fixtures;

const PLAIN: TextOptions = TextOptions { width: 110, color: false, unicode: true, part: Part::All };

/// Compares with `tests/golden/NAME.txt` and shows what differs line by line.
fn golden(name: &str, comparison: &Comparison, options: &TextOptions) {
    let shown = text(comparison, options);
    well_formed(&shown, options);
    hold(&format!("{name}.txt"), &shown.replace('\u{1b}', "\\e"));
}

/// Compares a text with the file `tests/golden/FILE` and shows what differs line by line.
fn hold(file: &str, shown: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, shown).unwrap();
        return;
    }
    let expected =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; BLESS=1 writes it", path.display()));
    if shown != expected {
        let difference = similar::TextDiff::from_lines(&expected[..], shown);
        let difference = difference.unified_diff().context_radius(2).header("golden", "now").to_string();
        panic!("{} differs; if that is meant, BLESS=1 writes it anew\n{difference}", path.display());
    }
}

/// What holds of every table: it fits, it has no control characters but its own colours, no blanks at line ends.
fn well_formed(shown: &str, options: &TextOptions) {
    assert!(shown.ends_with('\n'));
    for line in shown.lines() {
        let bare = anstream::adapter::strip_str(line).to_string();
        assert!(bare.width() <= options.width, "{} columns of {}: {line:?}", bare.width(), options.width);
        assert!(!bare.chars().any(char::is_control), "control character in {line:?}");
        assert!(options.color || bare == line, "colour in {line:?}");
        assert!(options.unicode || line.is_ascii(), "not ASCII: {line:?}");
        assert_eq!(bare.trim_end(), bare, "blanks at the end");
    }
}

#[test]
fn wide() {
    golden("wide", &fixtures::whole(), &PLAIN);
}

#[test]
fn narrow() {
    golden("narrow", &fixtures::whole(), &TextOptions { width: 60, ..PLAIN });
}

#[test]
fn ascii() {
    golden("ascii", &fixtures::single(), &TextOptions { unicode: false, ..PLAIN });
}

#[test]
fn color() {
    golden("color", &fixtures::single(), &TextOptions { color: true, ..PLAIN });
}

#[test]
fn no_difference_failed_control_and_warnings() {
    golden("troubled", &fixtures::troubled(), &PLAIN);
    golden("troubled_narrow", &fixtures::troubled(), &TextOptions { width: 60, ..PLAIN });
}

#[test]
fn names_and_statements_with_escapes() {
    golden("hostile", &fixtures::hostile(), &PLAIN);
    golden("hostile_narrow", &fixtures::hostile(), &TextOptions { width: 60, unicode: false, ..PLAIN });
}

#[test]
fn many_patterns_nested_calls_and_counters() {
    golden("many_calls", &fixtures::many_calls(), &PLAIN);
}

#[test]
fn held_against_an_earlier_run() {
    // What stands above is that of other files.
    let alone = |options: &TextOptions| {
        let shown = text(&fixtures::held(), options);
        well_formed(&shown, options);
        let from = shown.find("what changed since").unwrap();
        shown[from..].to_owned()
    };
    hold("against.txt", &alone(&PLAIN));
    let narrow = TextOptions { width: 60, ..PLAIN };
    hold("against_narrow.txt", &alone(&narrow));
}

#[test]
fn a_gap_that_was_explained() {
    let comparison = fixtures::found();
    let shown = |options: &TextOptions| {
        let shown = raptors_trace::views::explain::text(&comparison, options);
        well_formed(&shown, options);
        shown
    };
    hold("explained.txt", &shown(&PLAIN));
    let narrow = TextOptions { width: 60, ..PLAIN };
    hold("explained_narrow.txt", &shown(&narrow));
    // A run that is shown again has it as well.
    assert!(text(&comparison, &PLAIN).contains("the gap as a sum"));
}

#[test]
fn parts() {
    golden("phases", &fixtures::single(), &TextOptions { part: Part::Phases, ..PLAIN });
    golden("calls", &fixtures::many_calls(), &TextOptions { part: Part::Calls, ..PLAIN });
}

#[test]
fn every_width_fits() {
    let all = [
        fixtures::whole(),
        fixtures::troubled(),
        fixtures::hostile(),
        fixtures::many_calls(),
        fixtures::held(),
        fixtures::found(),
    ];
    for width in (40..140).step_by(3) {
        for comparison in &all {
            for part in [Part::All, Part::Phases, Part::Calls] {
                let options = TextOptions { width, part, ..PLAIN };
                well_formed(&text(comparison, &options), &options);
            }
        }
    }
}

/// Compares a Markdown document with `tests/golden/NAME.md`.
fn golden_markdown(name: &str, comparison: &Comparison) -> String {
    let shown = raptors_trace::views::markdown::text(comparison);
    for line in shown.lines() {
        assert!(!line.chars().any(char::is_control), "control character in {line:?}");
    }
    hold(&format!("{name}.md"), &shown);
    shown
}

#[test]
fn markdown() {
    golden_markdown("whole", &fixtures::whole());
    golden_markdown("found", &fixtures::found());
    golden_markdown("troubled", &fixtures::troubled());
    golden_markdown("nothing", &Comparison::default());
}

#[test]
fn markdown_of_names_that_are_markup() {
    let shown = golden_markdown("markup", &fixtures::markup());
    let rows: Vec<&str> = shown.lines().filter(|line| line.starts_with('|')).collect();
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    // Rows of one table have equally many cells, whatever the names are.
    assert_eq!(cells(rows[0]), cells(rows[2]), "{shown}");
    let fences: Vec<&str> = shown.lines().filter(|line| line.starts_with("```")).collect();
    assert_eq!(fences, ["````sh", "````"], "a fence is longer than what is in it");
}
