//! Facts that imports do not show: hints at other calls, and files that could not be read.

use std::collections::BTreeSet;

use super::counted;
use crate::analysis::imports::{File, Subject, is_doubtful};
use crate::model::text::escape;
use crate::views::layout::Tone;

/// Hints at calls that are not imports, and files that could not be read.
pub fn remarks(subject: &Subject) -> Vec<(String, Tone)> {
    let mut remarks = Vec::new();
    for file in subject.files.iter().filter(|file| file.defines.total() > 0) {
        let sentence = format!("{} itself provides {}.", escape(&file.path), counted(&file.defines));
        remarks.push((sentence, Tone::Plain));
    }
    let holding: Vec<String> = subject
        .files
        .iter()
        .filter(|file| file.defines.total() == 0 && file.holds.total() > 0)
        .map(|file| format!("{} ({})", escape(&file.path), counted(&file.holds)))
        .collect();
    if !holding.is_empty() {
        let sentence = format!(
            "Routines that are not exported, from a static library or with the same names: {}.",
            first_of(&holding)
        );
        remarks.push((sentence, Tone::Alarm));
    }
    let looking: Vec<&File> = subject.files.iter().filter(|file| !file.looks_up.is_empty()).collect();
    remarks.push((looking_up(&looking, subject.files.len()), Tone::Plain));
    remarks.extend(stripped(subject).map(|sentence| (sentence, Tone::Plain)));
    remarks.extend(doubtful(subject).map(|sentence| (sentence, Tone::Plain)));
    remarks.extend(subject.unread.iter().map(|unread| {
        let (path, why) = (escape(&unread.path), escape(&unread.why));
        (format!("warning: {path} was not read: {why}"), Tone::Alarm)
    }));
    remarks
}

/// Files in which a static library would be invisible.
fn stripped(subject: &Subject) -> Option<String> {
    let count = subject.files.iter().filter(|file| !file.local_symbols).count();
    match (count, subject.files.len()) {
        (0, _) => None,
        (_, 1) => Some("It is stripped, so a statically linked library would not show.".to_owned()),
        (n, all) => {
            let are = if n == 1 { "is" } else { "are" };
            Some(format!("{n} of {all} files {are} stripped, so a statically linked library would not show there."))
        }
    }
}

/// Fortran names that may mean something else.
fn doubtful(subject: &Subject) -> Option<String> {
    let symbols = subject.files.iter().flat_map(|file| &file.imports);
    let names: BTreeSet<String> =
        symbols.filter(|import| is_doubtful(&import.symbol)).map(|import| escape(&import.symbol)).collect();
    let names: Vec<String> = names.into_iter().collect();
    (!names.is_empty()).then(|| {
        format!("Fortran names without an underscore may be functions of the program itself: {}.", first_of(&names))
    })
}

/// A few names, and the number of further ones.
fn first_of(names: &[String]) -> String {
    const FEW: usize = 4;
    let shown = names[..names.len().min(FEW)].join(", ");
    match names.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn looking_up(looking: &[&File], of: usize) -> String {
    let names = looking.iter().flat_map(|file| &file.looks_up);
    let names: BTreeSet<String> = names.map(|name| escape(name)).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(" and ");
    match (looking, of) {
        ([], 1) => "It imports neither dlsym nor dlopen.".to_owned(),
        ([], _) => "No file imports dlsym or dlopen.".to_owned(),
        ([_], 1) => format!("It imports {names}, so it may find more at run time."),
        ([one], _) => format!("{} imports {names}, so it may find more at run time.", escape(&one.path)),
        (many, _) => {
            let paths: Vec<String> = many.iter().map(|file| escape(&file.path)).collect();
            let count = many.len();
            format!("{count} files import {names}, so they may find more at run time: {}.", first_of(&paths))
        }
    }
}
