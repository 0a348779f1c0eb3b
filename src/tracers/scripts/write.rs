//! Each script from its template and from what is to be watched.

use minijinja::value::merge_maps;
use minijinja::{Value, context};
use serde::Serialize;

use super::arguments::{Layout, Source};
use super::target::{Filled, LeftOut, Module};
use super::template::{Spelling, render};
use super::text::{attach_path, literal};
use super::watch::{self, Armed, Request, Watched};
use super::{Made, Script, Tool, manual};
use crate::model::error::Error;

/// Names of the columns of [`Layout`] before the scalar's.
const COLUMNS: [&str; 6] = ["m", "n", "k", "step1", "step2", "step3"];
/// Counts of compare_call_patterns.bt's right column stand above those of the left one in the same number.
const RIGHT: u64 = 1 << 32;
/// Look-ups that one bpftrace program may do: the kernel's verifier follows 8192 open branches, two for each.
const MOST_LOOKUPS: usize = 3072;
/// Files that a D script names callers by: enough for a process with many extensions, and far from what the kernel
/// takes of one clause.
const MOST_MODULES: usize = 48;
/// What Raptors' operation is called in the tables.
const SCALE: &str = "raptors scale";
/// The allocator's functions, each with the arguments that say how much.
const ALLOCATORS: [(&str, &str); 5] = [
    ("malloc", "arg0"),
    ("calloc", "arg0 * arg1"),
    ("realloc", "arg1"),
    ("aligned_alloc", "arg1"),
    ("posix_memalign", "arg2"),
];

/// Writes a script.
///
/// # Errors
/// A fault in a template.
pub fn write(script: Script, tool: Tool, request: &Request) -> Result<Made, Error> {
    let watched = match tool {
        Tool::Dtrace => dtrace_watched(script, request),
        Tool::Bpftrace => watch::bpftrace(script, request),
    };
    let spelling = match tool {
        Tool::Dtrace => Spelling::D,
        Tool::Bpftrace => Spelling::Bpftrace(watched.extensions.clone().unwrap_or_default()),
    };
    let mut left_out = request.filled().map(|filled| filled.left_out.clone()).unwrap_or_default();
    left_out.extend(watched.left_out.iter().cloned());
    let c_library = c_library(request);
    if let (Script::Alloc, Tool::Bpftrace, Err(why)) = (script, tool, &c_library) {
        left_out.push(why.clone());
    }
    let name = script.file_name(tool);
    let told = told(script, tool, request, &watched);
    let clauses = match tool {
        Tool::Dtrace => dtrace(request, &watched),
        Tool::Bpftrace => bpftrace(request, &watched),
    };
    let more = context! { c_library => c_library.ok(), left_out => manual::left_out(&left_out) };
    let values = merge_maps([told, clauses, more]);
    Ok(Made { text: render(&name, spelling, &values)?, name, left_out })
}

/// The manual's parts that differ, and what both languages ask for.
fn told(script: Script, tool: Tool, request: &Request, watched: &Watched) -> Value {
    let filled = request.filled();
    let (a, b) = match pair(request) {
        Some((a, b)) => (format!("pid {a}"), format!("pid {b}")),
        None => ("NumPy".to_owned(), "Raptors".to_owned()),
    };
    let all = |armed: &[Armed]| -> Vec<String> { armed.iter().flat_map(|armed| armed.places.clone()).collect() };
    context! {
        name => script.file_name(tool),
        sample => sample(script, tool),
        filled => filled.is_some(),
        processes => filled.map(|filled| filled.processes.clone()).unwrap_or_default(),
        pair => pair(request).is_some(),
        command => filled.map(|filled| manual::again(script, tool, filled)),
        files => filled.map(|filled| manual::files(filled, script, watched)),
        patterns => manual::patterns(request),
        loop_names => manual::names(&watched.loop_names),
        unsafe => watch::needs_unsafe(request),
        routine_places => all(&watched.routines),
        loop_places => all(&watched.loops),
        a,
        b,
    }
}

/// The two processes, where there are two.
fn pair(request: &Request) -> Option<(u32, u32)> {
    match request.filled()?.processes.as_slice() {
        [a, b, ..] => Some((*a, *b)),
        _ => None,
    }
}

/// Output of a real run, as lines of a comment.
fn sample(script: Script, tool: Tool) -> &'static str {
    macro_rules! samples {
        ($($variant:ident $name:literal),*) => {
            match (script, tool) {
                $((Script::$variant, Tool::Dtrace) => include_str!(concat!("samples/", $name, ".d.txt")),
                (Script::$variant, Tool::Bpftrace) => include_str!(concat!("samples/", $name, ".bt.txt")),)*
            }
        };
    }
    let text = samples!(
        TraceAccelerateCalls "trace_accelerate_calls",
        CompareCallPatterns "compare_call_patterns",
        ScalePhases "scale_phases",
        PageFaults "page_faults",
        Alloc "alloc",
        ProfileStacks "profile_stacks"
    );
    text.trim_end_matches('\n')
}

/// What a D script watches: for two processes the functions of both. A clause has to have a probe: where there is none,
/// one that is nowhere.
fn dtrace_watched(script: Script, request: &Request) -> Watched {
    let mut watched = watch::dtrace(script, request, "pid$target");
    if let Some((_, b)) = pair(request) {
        let other = watch::dtrace(script, request, &format!("pid{b}"));
        watched.routines.extend(other.routines);
        watched.loops.extend(other.loops);
    }
    let nowhere = Armed {
        name: String::new(),
        places: vec!["pid$target:nothing_to_watch:nothing_to_watch".to_owned()],
        layout: Layout([Source::Absent; 7]),
    };
    let lacks = |armed: &[Armed], needed: bool| needed && armed.is_empty();
    if lacks(&watched.routines, script.watches_routines()) {
        watched.routines.push(nowhere.clone());
    }
    if lacks(&watched.loops, script == Script::PageFaults) {
        watched.loops.push(nowhere);
    }
    watched
}

/// Functions of one layout, as the D templates ask for them.
#[derive(Serialize)]
struct Group {
    places: Vec<String>,
    /// Columns with their values, beside the scalar.
    sizes: Vec<(&'static str, String)>,
    scalar: Option<String>,
    /// Some size lies behind a pointer.
    from_memory: bool,
    asks_for_width: bool,
}

impl Group {
    fn of(armed: &Armed) -> Self {
        let [sizes @ .., scalar] = armed.layout.0;
        let spelled = |source: Source| (source != Source::Absent).then(|| source.spelled(Tool::Dtrace));
        let named = COLUMNS.into_iter().zip(sizes).filter_map(|(name, source)| Some((name, spelled(source)?)));
        Self {
            places: armed.places.clone(),
            sizes: named.collect(),
            scalar: spelled(scalar),
            from_memory: sizes.iter().any(|source| matches!(source, Source::Behind(..))),
            asks_for_width: armed.layout.asks_for_width(),
        }
    }
}

fn dtrace(request: &Request, watched: &Watched) -> Value {
    let routines: Vec<Group> = watched.routines.iter().map(Group::of).collect();
    let loops: Vec<Group> = watched.loops.iter().map(Group::of).collect();
    let places_where = |wanted: fn(&&Group) -> bool| -> Vec<&String> {
        routines.iter().chain(&loops).filter(wanted).flat_map(|group| &group.places).collect()
    };
    let pair = pair(request);
    let modules = modules(request).iter().take(MOST_MODULES);
    context! {
        asked => asked_for(request),
        scalar_places => places_where(|group| group.scalar.is_some()),
        memory_places => places_where(|group| group.from_memory),
        routines,
        loops,
        raptors_processes => pair.map_or(vec![None], |(_, b)| vec![None, Some(b)]),
        right => pair.map_or("self->scale > 0".to_owned(), |(_, b)| format!("pid == {b}")),
        modules => modules.map(|module| named(module, &literal(&module.name))).collect::<Vec<_>>(),
    }
}

/// The files that a filled script names callers by.
fn modules(request: &Request) -> &[Module] {
    request.filled().map(|filled| filled.modules.as_slice()).unwrap_or_default()
}

/// `name` is the module's, fit for its place.
fn named(module: &Module, name: &str) -> Value {
    context! { name, start => format!("{:#x}", module.start), end => format!("{:#x}", module.end) }
}

/// How many routines a D script asks for: any of these patterns, or those of the libraries that can be watched.
fn asked_for(request: &Request) -> usize {
    let armed = |filled: &Filled| {
        let libraries = filled.libraries.iter().filter(|library| !library.shifted);
        libraries.map(|library| library.routines.len()).sum()
    };
    request.filled().map_or(request.routines.len(), armed)
}

/// A routine or a loop, as the bpftrace templates ask for it.
#[derive(Serialize)]
struct Function {
    label: String,
    places: Vec<String>,
    values: Vec<String>,
    /// Its row in the table of compare_call_patterns.
    row: usize,
}

fn bpftrace(request: &Request, watched: &Watched) -> Value {
    let condition = condition(request);
    let filter = if condition.is_empty() { String::new() } else { format!("/{condition}/\n") };
    let and_filter = if condition.is_empty() { String::new() } else { format!("({condition}) && ") };
    let rows = Rows::of(watched);
    let functions = |armed: &[Armed]| -> Vec<Function> { armed.iter().map(|armed| rows.function(armed)).collect() };
    let malloc = ALLOCATORS.map(|(function, bytes)| (function, format!("{function:15}"), bytes));
    context! {
        who => who(request),
        filter,
        and_filter,
        raptors => watched.extensions.is_some(),
        routines => functions(&watched.routines),
        loops => functions(&watched.loops),
        modules => modules(request).iter().map(|module| named(module, &label(&module.name))).collect::<Vec<_>>(),
        another_file => label("another file"),
        program_counter => if std::env::consts::ARCH == "aarch64" { "pc" } else { "ip" },
        allocators => if c_library(request).is_ok() { malloc.to_vec() } else { Vec::new() },
        rows => rows.0.iter().map(|row| literal(row)).collect::<Vec<_>>(),
        slots => rows.slots(),
        right_unit => RIGHT,
        right => pair(request).map_or("@in_raptors[tid] > 0".to_owned(), |(_, b)| format!("pid == {b}")),
        scale => context! { row => rows.0.len() - 1, label => label(SCALE) },
    }
}

/// The condition that a process is the right one; empty: every process is.
fn condition(request: &Request) -> String {
    let Some(filled) = request.filled() else {
        return "$1 == 0 || pid == $1".to_owned();
    };
    let pids = filled.processes.iter().map(|pid| format!("pid == {pid}"));
    pids.collect::<Vec<_>>().join(" || ")
}

/// The processes, as a bpftrace script names them when it begins.
fn who(request: &Request) -> String {
    match request.filled().map(|filled| filled.processes.as_slice()) {
        None => "Process given as first parameter (0: all)".to_owned(),
        Some([]) => "Every process that uses these files".to_owned(),
        Some(pids) => {
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            format!("Process {}", pids.join(" and "))
        }
    }
}

/// A name in a key, in quotes. bpftrace 0.17 makes a key's string as long as the literal, and what stands after it has
/// to begin at a multiple of 8, or the kernel refuses the program ("misaligned stack access"). So names are filled up,
/// which also puts the numbers below each other.
fn label(name: &str) -> String {
    const SHORTEST: usize = 31;
    let name = literal(name);
    let length = name.len().max(SHORTEST).next_multiple_of(8);
    let length = if length == name.len() { length + 7 } else { length - 1 };
    format!("\"{name:length$}\"")
}

/// The rows of the table of compare_call_patterns: bpftrace 0.17 cannot print two maps side by side, nor read what
/// `count()` counts, so each row is counted for each processor on its own and summed up by hand. The last one is
/// Raptors' operation.
struct Rows<'a>(Vec<&'a str>);

impl<'a> Rows<'a> {
    fn of(watched: &'a Watched) -> Self {
        let mut rows: Vec<&str> = Vec::new();
        let named = watched.routines.iter().chain(&watched.loops).map(|armed| armed.name.as_str());
        for name in named.chain([SCALE]) {
            if !rows.contains(&name) {
                rows.push(name);
            }
        }
        Self(rows)
    }

    fn function(&self, armed: &Armed) -> Function {
        Function {
            label: label(&armed.name),
            places: armed.places.clone(),
            values: armed.layout.0.iter().map(|source| source.spelled(Tool::Bpftrace)).collect(),
            row: self.0.iter().position(|row| *row == armed.name).unwrap_or_default(),
        }
    }

    /// For how many processors counts are kept, a power of two: as many as the verifier lets pass.
    fn slots(&self) -> usize {
        let most = (MOST_LOOKUPS / self.0.len()).clamp(1, 64);
        if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }
    }
}

/// The C library's path in quotes, or its name for bpftrace to find.
fn c_library(request: &Request) -> Result<String, LeftOut> {
    match request.filled().map(|filled| filled.libc.as_deref()) {
        None => Ok("libc".to_owned()),
        Some(None) => {
            Err(LeftOut { what: "malloc and its like".into(), why: "no C library was found among the files".into() })
        }
        Some(Some(path)) => attach_path(path).map_err(|why| LeftOut { what: path.display().to_string(), why }),
    }
}
