//! Several subjects in columns: families, files, and the routines that not all of them import.

use std::collections::{BTreeMap, BTreeSet};

use super::{counted, families, few_lines, files, formats, heading, providers, short_routine};
use crate::analysis::imports::{Family, Import, Subject, SubjectKind};
use crate::model::text::escape;
use crate::views::layout::{Cell, GAP, Page, Tone, lines_of};

/// A narrower column has no room for the name of a library; then subjects are shown one below the other.
const NARROWEST_COLUMN: usize = 18;

/// The widths of the columns of subjects side by side.
pub struct Columns {
    widths: Vec<usize>,
}

impl Columns {
    /// `None` for one subject, or without enough room.
    pub fn of(subjects: &[Subject], width: usize) -> Option<Self> {
        if subjects.len() < 2 {
            return None;
        }
        let labels = subjects.iter().flat_map(|subject| &subject.files);
        let labels = labels.filter(|file| !file.imports.is_empty()).map(|file| stem(&file.path).len() + 2);
        // `only here, LAPACK`, if there is room.
        let least = if width < 80 { 13 } else { 17 };
        let label = labels.max().unwrap_or(0).clamp(least, (width / 3).max(least));
        let column = (width - label) / subjects.len();
        let column = column.checked_sub(GAP).filter(|n| *n >= NARROWEST_COLUMN)?;
        let widths = std::iter::once(label).chain(vec![column; subjects.len()]);
        Some(Self { widths: widths.collect() })
    }

    /// A row whose cells are broken into lines.
    fn row(&self, page: &mut Page, cells: &[Cell]) {
        let broken: Vec<Vec<String>> =
            cells.iter().zip(&self.widths).map(|(cell, width)| lines_of(&cell.text, *width)).collect();
        for line in 0..broken.iter().map(Vec::len).max().unwrap_or(0) {
            let cells: Vec<Cell> = broken
                .iter()
                .zip(cells)
                .map(|(lines, cell)| Cell::new(lines.get(line).cloned().unwrap_or_default(), cell.tone))
                .collect();
            page.row(&cells, &self.widths);
        }
    }

    /// A row of one label and a text for each subject.
    fn labelled(&self, page: &mut Page, label: &str, texts: impl Iterator<Item = String>) {
        let cells = texts.map(|text| {
            let tone = if matches!(text.as_str(), "0" | "–") { Tone::Faint } else { Tone::Plain };
            Cell::new(text, tone)
        });
        let cells: Vec<Cell> = std::iter::once(Cell::plain(label)).chain(cells).collect();
        self.row(page, &cells);
    }
}

/// Subjects in columns: families, files, and the routines that only one of them has.
pub fn side_by_side(page: &mut Page, subjects: &[Subject], columns: &Columns, all: bool) {
    let heads = subjects.iter().map(|subject| Cell::new(heading(subject), Tone::Strong));
    let heads: Vec<Cell> = std::iter::once(Cell::plain("imported")).chain(heads).collect();
    columns.row(page, &heads);
    page.rule(columns.widths.iter().sum::<usize>() + GAP * subjects.len());
    columns.labelled(
        page,
        "",
        subjects.iter().map(|subject| match subject.kind {
            SubjectKind::File => formats(subject),
            _ => format!("{}, {}", files(subject.files.len()), formats(subject)),
        }),
    );
    for family in families(subjects) {
        let cell = |subject: &Subject| {
            let imports = subject.files.iter().flat_map(|file| &file.imports);
            let from = providers(imports, family);
            format!("{}  {from}", subject.imports.of(family)).trim_end().to_owned()
        };
        columns.labelled(page, family.title(), subjects.iter().map(cell));
    }
    by_file(page, subjects, columns);
    if all {
        every_routine(page, subjects, columns);
    } else {
        differences(page, subjects, columns);
    }
}

/// A file's path without what depends on the platform: `numpy/_core/_multiarray_umath`.
fn stem(path: &str) -> &str {
    let (dir, file) = path.rsplit_once('/').map_or((0, path), |(dir, file)| (dir.len() + 1, file));
    let marks = [".cpython-", ".abi3", ".so", ".dylib", ".pypy"];
    let ends = marks.iter().filter_map(|mark| file.find(mark));
    &path[..dir + ends.min().unwrap_or(file.len())]
}

/// The number of imports of each file of each subject.
fn by_file(page: &mut Page, subjects: &[Subject], columns: &Columns) {
    let mut stems: BTreeSet<&str> = BTreeSet::new();
    for subject in subjects.iter().filter(|subject| subject.kind != SubjectKind::File) {
        let importing = subject.files.iter().filter(|file| !file.imports.is_empty());
        stems.extend(importing.map(|file| stem(&file.path)));
    }
    if stems.is_empty() {
        return;
    }
    page.gap();
    columns.labelled(page, "by file", std::iter::empty());
    for wanted in stems {
        let cell = |subject: &Subject| {
            let alike = subject.files.iter().filter(|file| stem(&file.path) == wanted);
            let counts: BTreeSet<String> = alike.map(|file| counted(&file.counts)).collect();
            match counts.len() {
                0 => "–".to_owned(),
                _ => counts.into_iter().collect::<Vec<_>>().join(" · "),
            }
        };
        let label = tail(&escape(wanted), columns.widths[0] - 2, page.unicode);
        columns.labelled(page, &format!("  {label}"), subjects.iter().map(cell));
    }
}

/// The end of a path in that many columns: it distinguishes files.
fn tail(path: &str, room: usize, unicode: bool) -> String {
    let mut shown = path.to_owned();
    while Cell::plain(&shown).width() > room {
        shown = shown.chars().skip(2).collect();
        shown.insert(0, if unicode { '…' } else { '~' });
    }
    shown
}

/// The routines of a subject by family and name, with a spelling of each.
fn routines(subject: &Subject) -> BTreeMap<(Family, &str), &Import> {
    let imports = subject.files.iter().flat_map(|file| &file.imports);
    imports.map(|import| ((import.family, import.routine.as_str()), import)).collect()
}

/// The number of routines that all subjects import, and the routines that not all import.
fn differences(page: &mut Page, subjects: &[Subject], columns: &Columns) {
    let each: Vec<_> = subjects.iter().map(routines).collect();
    let mut union: BTreeMap<(Family, &str), &Import> = BTreeMap::new();
    union.extend(each.iter().flatten());
    let everywhere = |key: &(Family, &str)| each.iter().all(|routines| routines.contains_key(key));
    let common = union.keys().filter(|key| everywhere(key)).count();
    page.gap();
    match (common, union.len()) {
        (0, 0) => page.wrapped("None of them imports any of these.", 2, Tone::Plain),
        (n, all) if n == all => {
            page.wrapped(&format!("All of them import the same {n} routines."), 2, Tone::Plain);
        }
        (n, _) => columns.labelled(page, "in all", std::iter::once(n.to_string())),
    }
    // With two subjects, the list of what the other lacks is shorter.
    let two = subjects.len() == 2;
    for family in Family::ALL {
        let lists: Vec<Vec<String>> = each
            .iter()
            .map(|routines| {
                let told = |key: &(Family, &str)| routines.contains_key(key) == two && !everywhere(key);
                let of_family = union.iter().filter(|(key, _)| key.0 == family && told(key));
                of_family.map(|(_, import)| short_routine(import)).collect()
            })
            .collect();
        if lists.iter().any(|names| !names.is_empty()) {
            let what = if two { "only here" } else { "not here" };
            let cells = lists.iter().map(|names| lone_names(names, columns.widths[1]));
            columns.labelled(page, &format!("{what}, {}", family.title()), cells);
        }
    }
}

fn lone_names(names: &[String], room: usize) -> String {
    match names.len() {
        0 => "–".to_owned(),
        n => format!("{n}  {}", few_lines(names, room.saturating_sub(4).max(8)).join(" ")),
    }
}

/// Every routine on its own line, in each subject's spelling.
fn every_routine(page: &mut Page, subjects: &[Subject], columns: &Columns) {
    let each: Vec<_> = subjects.iter().map(routines).collect();
    let mut all: BTreeSet<(Family, &str)> = BTreeSet::new();
    all.extend(each.iter().flat_map(BTreeMap::keys));
    let mut family = None;
    for key in all {
        if family != Some(key.0) {
            page.gap();
            columns.labelled(page, key.0.title(), std::iter::empty());
            family = Some(key.0);
        }
        let cell = |routines: &BTreeMap<_, &Import>| {
            let import = routines.get(&key);
            import.map_or("–".to_owned(), |import| escape(&import.symbol))
        };
        columns.labelled(page, &format!("  {}", escape(key.1)), each.iter().map(cell));
    }
}
