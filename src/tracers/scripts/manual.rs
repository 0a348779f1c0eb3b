//! The parts of a script's manual that differ: how it is started, what it arms, what it leaves out.

use std::path::Path;

use super::target::{Filled, LeftOut, Library};
use super::text::{comment, shell};
use super::watch::{Request, Watched, patterns};
use super::{Script, Tool};

/// Columns of a comment.
const WIDTH: usize = 116;

/// Text as lines of a comment, `indent` spaces in.
pub fn lines(text: &str, indent: usize) -> String {
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

/// The commands that start a script, first of all.
pub fn usage(script: Script, tool: Tool, request: &Request) -> String {
    let name = script.file_name(tool);
    let text = match (tool, request.filled()) {
        (Tool::Dtrace, None) => format!(
            " *   sudo dtrace -s dtrace/{name} -p PID      a running process; Ctrl-C ends it\n \
             *   sudo dtrace -s dtrace/{name} -c 'CMD'    a command, for what it is linked to"
        ),
        (Tool::Dtrace, Some(filled)) => {
            let pids = match filled.processes.as_slice() {
                [] => "-p PID".to_owned(),
                pids => pids.iter().map(|pid| format!("-p {pid}")).collect::<Vec<_>>().join(" "),
            };
            format!(" *   sudo dtrace -s {name} {pids}\n{SAVED}")
        }
        (Tool::Bpftrace, None) => generic_bpftrace(script, &name),
        (Tool::Bpftrace, Some(filled)) => filled_bpftrace(filled, &name, request),
    };
    match request.filled() {
        Some(filled) => format!("{text}\n{}", again(script, tool, filled)),
        None => text,
    }
}

const SAVED: &str = " *\n * with the name of the file that you saved this in; Ctrl-C ends it.";

fn generic_bpftrace(script: Script, name: &str) -> String {
    let files = match script {
        Script::ProfileStacks => "",
        Script::ScalePhases | Script::Alloc => " EXTENSION",
        Script::PageFaults => " EXTENSION UMATH",
        Script::TraceAccelerateCalls | Script::CompareCallPatterns => " EXTENSION UMATH BLAS",
    };
    let mut text = format!(" *   sudo bpftrace -p PID dtrace/{name} PID{files}");
    if script == Script::CompareCallPatterns {
        text += &format!("\n *   sudo bpftrace dtrace/{name} PID_A{files} PID_B      two processes, one side each");
    }
    text += "\n *\n";
    if files.is_empty() {
        return text
            + &lines(
                "PID twice: bpftrace 0.17 ends with the process of -p, but does not keep to it. 0 is every process.",
                1,
            );
    }
    let told = "EXTENSION is Raptors' extension module, UMATH NumPy's _multiarray_umath, BLAS the library it calls: the paths \
        are in /proc/PID/maps (grep -E 'raptors|umath|blas'). For a file that the process lacks give any other one of it. \
        PID twice: bpftrace 0.17 ends with the process of -p, but does not keep to it. PID 0 is every process.";
    let filled = format!(
        "`raptors-trace script {name} --pid PID` prints this script with the paths filled in, and then it also sees the \
         loops of a stripped NumPy, by the offsets in its live ufunc tables."
    );
    text + &lines(told, 1) + "\n" + &lines(&filled, 1)
}

fn filled_bpftrace(filled: &Filled, name: &str, request: &Request) -> String {
    let option = if super::watch::needs_unsafe(request) { "--unsafe " } else { "" };
    let with = match filled.processes.as_slice() {
        [pid] => format!("-p {pid} "),
        _ => String::new(),
    };
    let mut text = format!(" *   sudo bpftrace {option}{with}{name}\n{SAVED}");
    if filled.processes.is_empty() {
        text += "\n *\n * It watches every process that uses these files; start it before or after them.";
    }
    if !option.is_empty() {
        text += "\n *\n";
        text += &lines(
            "--unsafe: some loops have no symbol in a stripped file, so bpftrace cannot check where they begin. Their places were \
             read from NumPy's live tables.",
            1,
        );
    }
    text
}

/// The routines that are asked for, by their patterns.
pub fn armed_patterns(request: &Request) -> String {
    let all: Vec<_> = request.routines.iter().collect();
    let names: Vec<String> = patterns(&all).into_iter().map(|(name, _)| name).collect();
    lines(&names.join(" "), 3)
}

/// What DTrace scripts arm: patterns and where they are looked for, or the files of a filled one.
pub fn armed_d(request: &Request, script: Script, watched: &Watched) -> String {
    let told = match request.filled() {
        None => format!("{}\n{}\n{}", armed_patterns(request), lines("in these libraries:", 1), looked_for()),
        Some(filled) => files(filled, script, watched),
    };
    let more = "Every other routine of the catalogue: raptors-trace script NAME.d --routine ROUTINE,ROUTINE. DTrace for Linux opens \
        a file for each probe, two for a routine (raise `ulimit -n` where it says \"Bad file descriptor\"), and takes about \
        0.2 s for each to withdraw after its report: do not kill it, its probes would stay.";
    format!("{told}\n{}", lines(more, 1))
}

fn looked_for() -> String {
    lines(
        "macOS: libBLAS.dylib, libLAPACK.dylib, libvDSP.dylib, libvMisc.dylib (vForce), with the spellings of the new \
             LAPACK ($NEWLAPACK, $NEWLAPACK$ILP64). Linux: libopenblas, libblas, libcblas, liblapack, libblis, libmkl_*, with \
             and without the suffix 64_.",
        3,
    )
}

/// What bpftrace scripts arm: in words, and in a filled one the files.
pub fn armed_bt(request: &Request, script: Script, watched: &Watched) -> String {
    let told = lines(what_is_armed(script), 1);
    match request.filled() {
        Some(_) if script == Script::ProfileStacks => told,
        Some(filled) => format!("{told}\n{}", files(filled, script, watched)),
        None if script.watches_routines() => format!("{told}\n{}", armed_patterns(request)),
        None => told,
    }
}

fn what_is_armed(script: Script) -> &'static str {
    match script {
        Script::ProfileStacks => "A sample of every running thread of the process, 199 a second on each processor.",
        Script::ScalePhases => {
            "The probes of the provider `raptors` (probes/provider.d) in EXTENSION; NumPy's side is not in it."
        }
        Script::Alloc => {
            "malloc, calloc, realloc, aligned_alloc and posix_memalign of the C library for blocks of 64 KiB and more, the \
             system calls mmap, munmap and madvise, and the probes of the Raptors kernel in EXTENSION."
        }
        Script::PageFaults => {
            "Page faults of the process, the probes of the Raptors kernel in EXTENSION, and in UMATH the usual float32 and \
             float64 loops of NumPy: by their symbols, which wheels have and distributions' builds have not, or by their \
             places where the script is filled in."
        }
        Script::TraceAccelerateCalls | Script::CompareCallPatterns => {
            "In BLAS the routines below under all spellings, those that it has; in UMATH the usual float32 and float64 loops of \
             NumPy: by their symbols, which wheels have and distributions' builds have not, or by their places where the \
             script is filled in; in EXTENSION the probes of the Raptors kernel."
        }
    }
}

/// The files of a filled script with what is watched in each.
fn files(filled: &Filled, script: Script, watched: &Watched) -> String {
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
fn again(script: Script, tool: Tool, filled: &Filled) -> String {
    let pids: String = filled.processes.iter().map(|pid| format!(" --pid {pid}")).collect();
    let python = filled.python.as_deref().map(|path| format!(" --python {}", shell(path)));
    let command = format!("raptors-trace script {}{pids}{}", script.file_name(tool), python.unwrap_or_default());
    format!(" *\n * Printed by: {command}")
}
