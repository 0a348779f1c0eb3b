//! The imports of files as text: one subject file by file, several side by side.

mod columns;
mod remarks;

use std::collections::{BTreeMap, BTreeSet};

use self::columns::{Columns, side_by_side};
use self::remarks::remarks;
use super::layout::{Cell, GAP, Page, Tone, lines_of};
use super::{NARROWEST, TextOptions, WIDEST, escape};
use crate::analysis::imports::{Binding, Counts, Family, File, Format, Import, Imports, Subject, SubjectKind};

/// The largest number of lines for names of routines, without --all.
const LINES_OF_NAMES: usize = 4;
/// Families whose absence is an answer.
const ALWAYS: [Family; 5] = [Family::Cblas, Family::Blas, Family::Lapack, Family::Vdsp, Family::Vforce];

/// The result as text; every line ends in a newline, and no line is wider than the terminal. `all` lists every symbol.
pub fn text(imports: &Imports, options: &TextOptions, all: bool) -> String {
    let width = options.width.clamp(NARROWEST, WIDEST);
    let mut page = Page::new(width, options.color, options.unicode);
    let subjects = &imports.subjects;
    if let Some(python) = subjects.iter().find_map(|subject| subject.interpreter.as_ref()) {
        page.wrapped(&format!("packages of {}", escape(python)), 2, Tone::Faint);
        page.gap();
    }
    match Columns::of(subjects, width) {
        Some(columns) => side_by_side(&mut page, subjects, &columns, all),
        None => subjects.iter().for_each(|subject| {
            page.gap();
            section(&mut page, subject, all);
        }),
    }
    page.gap();
    for subject in subjects {
        let mut remarks = remarks(subject);
        if let Some((first, _)) = remarks.first_mut().filter(|_| subjects.len() > 1) {
            *first = format!("{}: {first}", heading(subject));
        }
        for (i, (remark, tone)) in remarks.iter().enumerate() {
            let indent = if i > 0 && subjects.len() > 1 { "  " } else { "" };
            page.wrapped_indented(&format!("{indent}{remark}"), *tone);
        }
    }
    page.wrapped(CAVEAT, 2, Tone::Faint);
    page.into_text()
}

/// The meaning of a zero.
const CAVEAT: &str = "Imports show the calls that are possible by name. They do not show a library that was linked \
    statically, found with dlsym or passed as a pointer (as scipy.linalg.cython_blas does).";

/// One subject: its families, then its files.
fn section(page: &mut Page, subject: &Subject, all: bool) {
    page.wrapped(&heading(subject), 2, Tone::Strong);
    page.parts(&about(subject), 2, Tone::Plain);
    page.gap();
    let one = subject.files.len() == 1;
    for family in families(std::slice::from_ref(subject)) {
        let imports = || subject.files.iter().flat_map(|file| &file.imports);
        let count = subject.imports.of(family);
        count_row(page, "", family, count, &providers(imports(), family));
        if one {
            list(page, imports().filter(|import| import.family == family), all);
        }
    }
    for file in subject.files.iter().filter(|file| !one && !file.imports.is_empty()) {
        page.gap();
        one_file(page, file, all);
    }
    page.gap();
    let silent: Vec<String> =
        subject.files.iter().filter(|file| file.imports.is_empty()).map(|file| escape(&file.path)).collect();
    silent_files(page, &silent, subject.files.len(), all);
}

/// The files without such imports.
fn silent_files(page: &mut Page, silent: &[String], of: usize, all: bool) {
    let sentence = match (silent.len(), of) {
        (0, _) => return,
        (1, 1) => "It imports none of these.".to_owned(),
        (n, all) if n == all => format!("None of the {n} files imports any of these."),
        (1, _) => "One other file imports none of these.".to_owned(),
        (n, _) => format!("{n} other files import none of these."),
    };
    page.wrapped(&sentence, 2, Tone::Plain);
    if all && of > 1 {
        for path in silent {
            page.wrapped_indented(&format!("  {path}"), Tone::Faint);
        }
    }
}

/// The name of a subject; for a wheel, the parts of its name that distinguish wheels.
fn heading(subject: &Subject) -> String {
    let name = escape(&subject.name);
    let version = subject.version.as_deref().map(escape).unwrap_or_default();
    match subject.kind {
        SubjectKind::Wheel => {
            let stem = name.strip_suffix(".whl").unwrap_or(&name);
            let parts: Vec<&str> = stem.split('-').collect();
            let [name, version, .., python, _abi, platforms] = parts.as_slice() else {
                return name;
            };
            // Tags for several platforms mean the same file: the last is the newest.
            let platform = platforms.rsplit('.').next().unwrap_or(platforms);
            format!("{name} {version} {python} {platform}")
        }
        SubjectKind::Package => format!("{name} {version}").trim_end().to_owned(),
        SubjectKind::File | SubjectKind::Directory => name,
    }
}

/// `wheel`, `21 files`, `Mach-O arm64`, and the path.
fn about(subject: &Subject) -> Vec<String> {
    let kind = match subject.kind {
        SubjectKind::File => "file",
        SubjectKind::Directory => "directory",
        SubjectKind::Wheel => "wheel",
        SubjectKind::Package => "installed package",
    };
    let mut parts = vec![kind.to_owned()];
    if subject.kind != SubjectKind::File {
        parts.push(files(subject.files.len()));
    }
    parts.push(formats(subject));
    if subject.kind == SubjectKind::Package {
        parts.push(escape(&subject.path));
    }
    parts
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Every format and architecture that occurs.
fn formats(subject: &Subject) -> String {
    let all: BTreeSet<String> = subject.files.iter().map(format).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

/// `Mach-O arm64`: the architecture under its name on that system.
fn format(file: &File) -> String {
    match (file.format, file.architecture.as_str()) {
        (Format::MachO, "aarch64") => "Mach-O arm64".to_owned(),
        (Format::MachO, other) => format!("Mach-O {}", escape(other)),
        (Format::Elf, other) => format!("ELF {}", escape(other)),
    }
}

/// The families that occur, and those whose absence is an answer.
fn families(subjects: &[Subject]) -> impl Iterator<Item = Family> {
    let occurs = move |family: &Family| {
        ALWAYS.contains(family) || subjects.iter().any(|subject| subject.imports.of(*family) > 0)
    };
    Family::ALL.into_iter().filter(occurs)
}

/// `CBLAS  22  Accelerate with 64-bit integers`.
fn count_row(page: &mut Page, indent: &str, family: Family, count: u64, from: &str) {
    let tone = if count == 0 { Tone::Faint } else { Tone::Plain };
    let title = format!("{indent}{:<10}  {count:>5}", family.title());
    let room = page.width.saturating_sub(title.len() + GAP).max(1);
    for (i, line) in lines_or_empty(from, room).into_iter().enumerate() {
        let first = if i == 0 { title.clone() } else { " ".repeat(title.len()) };
        page.row(&[Cell::new(first, tone), Cell::plain(line)], &[title.len()]);
    }
}

fn lines_or_empty(text: &str, room: usize) -> Vec<String> {
    let lines = lines_of(text, room);
    if lines.is_empty() { vec![String::new()] } else { lines }
}

/// The library of a family's imports: `Accelerate with 64-bit integers`.
fn providers<'a>(imports: impl Iterator<Item = &'a Import>, family: Family) -> String {
    let mut seen: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for import in imports.filter(|import| import.family == family) {
        seen.entry(provider(import)).or_default().extend(import.integer_bits);
    }
    let each: Vec<String> = seen
        .into_iter()
        .map(|(from, bits)| match bits.len() {
            0 => from,
            _ => {
                let bits: Vec<String> = bits.iter().map(u32::to_string).collect();
                format!("{from} with {}-bit integers", bits.join("- and "))
            }
        })
        .collect();
    each.join(" · ")
}

/// The library of one import, with its certainty.
fn provider(import: &Import) -> String {
    let names: Vec<String> = import.libraries.iter().map(|name| short(name)).collect();
    match import.binding {
        Binding::Exact | Binding::Defined => names.join(""),
        Binding::ByName => format!("{} (by its name)", names.join(" or ")),
        Binding::OneOf => format!("one of {}", names.join(", ")),
        Binding::Process => "whatever the process has loaded".to_owned(),
    }
}

/// The last part of a library's name.
fn short(name: &str) -> String {
    escape(name.rsplit('/').next().unwrap_or(name))
}

/// A file with its imports.
fn one_file(page: &mut Page, file: &File, all: bool) {
    let title = format!("{}  ({})", escape(&file.path), format(file));
    page.wrapped(&title, 2, Tone::Strong);
    for family in Family::ALL {
        let imports = || file.imports.iter().filter(move |import| import.family == family);
        if imports().next().is_none() {
            continue;
        }
        count_row(page, "  ", family, file.counts.of(family), &providers(imports(), family));
        list(page, imports(), all);
    }
}

/// Routines of one family, below its row.
fn list<'a>(page: &mut Page, imports: impl Iterator<Item = &'a Import>, all: bool) {
    if all {
        imports.for_each(|import| symbol(page, import));
    } else {
        names(page, imports);
    }
}

/// One symbol in the file's spelling, with the whole name of its library.
fn symbol(page: &mut Page, import: &Import) {
    let libraries: Vec<String> = import.libraries.iter().map(|name| escape(name)).collect();
    let width = (page.width / 2).min(40);
    let cells =
        [Cell::plain(format!("      {}", escape(&import.symbol))), Cell::new(libraries.join(", "), Tone::Faint)];
    page.row(&cells, &[width]);
}

/// The names of routines in a few lines.
fn names<'a>(page: &mut Page, imports: impl Iterator<Item = &'a Import>) {
    const INDENT: usize = 6;
    let names: Vec<String> = imports.map(short_routine).collect();
    for line in few_lines(&names, page.width - INDENT) {
        let line = format!("{}{line}", " ".repeat(INDENT));
        page.row(&[Cell::new(line, Tone::Faint)], &[]);
    }
}

/// `sgemm` for `cblas_sgemm`: the family is in the heading.
fn short_routine(import: &Import) -> String {
    let name = &import.routine;
    let prefix = match import.family {
        Family::Cblas => "cblas_",
        Family::Vdsp => "vDSP_",
        _ => "",
    };
    escape(name.strip_prefix(prefix).unwrap_or(name))
}

/// Names one after the other; names beyond [`LINES_OF_NAMES`] are counted.
fn few_lines(names: &[String], room: usize) -> Vec<String> {
    let all = lines_of(&names.join(" "), room);
    if all.len() <= LINES_OF_NAMES {
        return all;
    }
    let first = |count: usize| {
        let more = names.len() - count;
        let text = format!("{} … and {more} more (--all)", names[..count].join(" "));
        lines_of(text.trim_start(), room)
    };
    let fits = |count: &usize| first(*count).len() <= LINES_OF_NAMES;
    let most = (1..names.len()).take_while(fits).last().unwrap_or(0);
    first(most)
}

/// `22 CBLAS`, `4 BLAS, 31 LAPACK`.
fn counted(counts: &Counts) -> String {
    let occurring = Family::ALL.into_iter().filter(|family| counts.of(*family) > 0);
    let each: Vec<String> = occurring.map(|family| format!("{} {}", counts.of(family), family.title())).collect();
    if each.is_empty() { "0".to_owned() } else { each.join(", ") }
}
