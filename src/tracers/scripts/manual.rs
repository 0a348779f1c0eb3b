//! The parts of a script's manual that differ: what it arms, what it leaves out.

use std::path::Path;

use super::target::{Filled, LeftOut, Library};
use super::text::{comment, shell};
use super::watch::{self, Request, Watched};
use super::{Script, Tool};

/// Columns of a comment.
const WIDTH: usize = 116;

/// Text as lines of a comment, `indent` spaces in.
fn lines(text: &str, indent: usize) -> String {
    let start = format!(" *{}", " ".repeat(indent));
    let mut out: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match out.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => out.push(format!("{start}{word}")),
        }
    }
    out.join("\n")
}

/// The routines that are asked for, by their patterns.
pub fn patterns(request: &Request) -> String {
    names(&watch::patterns(&request.routines).into_iter().map(|(name, _)| name).collect::<Vec<_>>())
}

/// Names side by side.
pub fn names(names: &[String]) -> String {
    lines(&comment(&names.join(" ")), 3)
}

/// The files of a filled script with what is watched in each.
pub fn files(filled: &Filled, script: Script, watched: &Watched) -> String {
    let mut told = Vec::new();
    let is_left_out = |path: &Path| watched.left_out.iter().any(|left| left.what == path.display().to_string());
    let mut tell = |path: &Path, what: &str| {
        told.push(lines(&comment(&format!("{}: {what}", path.display())), 3));
    };
    if script.watches_routines() {
        for library in filled.libraries.iter().filter(|library| !is_left_out(&library.path)) {
            tell(&library.path, &symbols(library));
        }
    }
    if !watched.loops.is_empty() {
        for path in loop_files(filled) {
            tell(path, "NumPy's loops, those that are asked for");
        }
    }
    for path in filled.extensions.iter().filter(|path| !is_left_out(path)) {
        tell(path, "the probes of Raptors");
    }
    if told.is_empty() {
        told.push(lines("nothing in files of this process", 3));
    }
    told.join("\n")
}

fn symbols(library: &Library) -> String {
    let names = library.routines.iter().map(|exported| exported.symbol.as_str());
    names.collect::<Vec<_>>().join(" ")
}

fn loop_files(filled: &Filled) -> Vec<&Path> {
    let mut files: Vec<&Path> = filled.loops.iter().map(|point| point.path.as_path()).collect();
    files.sort_unstable();
    files.dedup();
    files
}

/// A section for what is left out; empty where nothing is.
pub fn left_out(list: &[LeftOut]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let mut text = String::from(" *\n * LEFT OUT\n");
    for left in list {
        text += &lines(&comment(&format!("{}: {}.", left.what, left.why)), 3);
        text.push('\n');
    }
    text
}

/// How the same script is printed again.
pub fn again(script: Script, tool: Tool, filled: &Filled) -> String {
    let pids: String = filled.processes.iter().map(|pid| format!(" --pid {pid}")).collect();
    let python = filled.python.as_deref().map(|path| format!(" --python {}", shell(path)));
    format!("raptors-trace script {}{pids}{}", script.file_name(tool), python.unwrap_or_default())
}
