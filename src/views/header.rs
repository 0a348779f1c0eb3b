//! The machine and the software in a few lines: the figures depend on them.

use std::path::Path;

use super::escape;
use super::layout::{Page, Tone};
use crate::model::comparison::{Comparison, Machine, Software};
use crate::model::units;

/// Writes the header.
pub fn write(page: &mut Page, comparison: &Comparison) {
    for line in parts(comparison) {
        page.parts(&line, 2, Tone::Plain);
    }
    page.wrapped(&counters(comparison), 2, Tone::Faint);
}

/// The header as lines of any width.
pub fn lines(comparison: &Comparison) -> Vec<String> {
    let joined = |parts: Vec<String>| {
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(" · ")
    };
    let lines = parts(comparison).into_iter().map(joined);
    lines.chain([counters(comparison)]).collect()
}

/// The machine in a line, its memory, the software, and each BLAS; empty parts are left out.
fn parts(comparison: &Comparison) -> Vec<Vec<String>> {
    let (machine_facts, software_facts) = (&comparison.machine, &comparison.software);
    let mut lines = vec![machine(machine_facts), memory(machine_facts, software_facts), software(software_facts)];
    lines.extend(blas(software_facts));
    lines
}

fn machine(machine: &Machine) -> Vec<String> {
    let cores = match (machine.cores, machine.cores_online) {
        (usable, online) if online > usable => format!("{usable} of {online} cores"),
        (1, _) => "1 core".to_owned(),
        (usable, _) => format!("{usable} cores"),
    };
    let memory = machine.memory.map(|size| format!("{} memory", units::bytes(size as f64)));
    let mut parts = vec![escape(&machine.cpu), cores];
    parts.extend(machine.cache_sizes());
    parts.extend(memory);
    parts
}

fn memory(machine: &Machine, software: &Software) -> Vec<String> {
    let limit = |threads: &str| machine.limit_gb_s.get(threads).map(|&gb_s| units::gb_s(gb_s));
    let limit = match (limit("1"), limit("all")) {
        (Some(one), Some(all)) if machine.cores > 1 => {
            format!("memory limit {one} GB/s one thread, {all} GB/s all")
        }
        (Some(one), _) => format!("memory limit {one} GB/s"),
        _ => "memory limit not measured".to_owned(),
    };
    vec![
        limit,
        machine.thp.as_ref().map(|mode| format!("huge pages {}", escape(mode))).unwrap_or_default(),
        software.allocator.as_deref().map(escape).unwrap_or_default(),
        escape(&machine.kernel),
    ]
}

fn software(software: &Software) -> Vec<String> {
    let path = software.python_path.as_ref().map(|path| format!(" ({})", escape(path)));
    vec![
        format!("Python {}{}", escape(&software.python), path.unwrap_or_default()),
        format!("NumPy {}", escape(&software.numpy)),
        software.raptors.as_ref().map(|version| format!("Raptors {}", escape(version))).unwrap_or_default(),
    ]
}

/// One line per library file, with all the extensions that link it.
fn blas(software: &Software) -> Vec<Vec<String>> {
    if software.blas.is_empty() {
        return vec![vec!["BLAS: none is loaded".to_owned()]];
    }
    let mut libraries: Vec<Vec<String>> = Vec::new();
    let mut files: Vec<&str> = Vec::new();
    for blas in &software.blas {
        let user = short_module(&blas.linked_by);
        if let Some(known) = files.iter().position(|file| *file == blas.file) {
            let line = &mut libraries[known][2];
            line.push_str(&format!(", {user}"));
            continue;
        }
        let threads = match blas.threads {
            Some(1) => " (1 thread)".to_owned(),
            Some(threads) => format!(" ({threads} threads)"),
            None => String::new(),
        };
        files.push(&blas.file);
        libraries.push(vec![
            format!("BLAS: {}{threads}", escape(&blas.library)),
            short_file(&blas.file),
            format!("linked by {user}"),
        ]);
    }
    libraries
}

/// A file's name without its directories.
pub fn short_file(path: &str) -> String {
    escape(&Path::new(path).file_name().map_or(path.into(), |name| name.to_string_lossy()))
}

/// An extension's file name without directories and without the interpreter's tag.
fn short_module(path: &str) -> String {
    let file = short_file(path);
    for tag in [".cpython-", ".abi3."] {
        if let Some((name, _)) = file.split_once(tag) {
            return name.to_owned();
        }
    }
    file
}

fn counters(comparison: &Comparison) -> String {
    let mut sides = comparison.cases.iter().flat_map(|case| [&case.sides.a, &case.sides.b]);
    if sides.clone().any(|side| side.counters.is_some()) {
        return "hardware counters: per operation, below".to_owned();
    }
    match sides.find_map(|side| side.counters_why_not.as_deref()) {
        Some(why) => format!("hardware counters: none: {}", escape(why)),
        None => "hardware counters: none on this machine".to_owned(),
    }
}
