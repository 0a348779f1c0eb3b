//! Each script from its template and from what is to be watched.

use super::probes::Spelling;
use super::target::LeftOut;
use super::text::{fill_with, keep};
use super::watch::{self, Request, Watched};
use super::{Script, Tool, compare, manual, memory, trace};

/// A script, and what it could not arm.
pub struct Written {
    /// The script.
    pub text: String,
    /// What is left out of it, and why.
    pub left_out: Vec<LeftOut>,
}

/// The values for a template's places.
pub type Values = Vec<(&'static str, String)>;

/// What a script is made of before the manual's common parts are put in.
pub struct Parts {
    /// The template, its lines chosen.
    pub template: String,
    /// What comes into its places.
    pub values: Values,
}

/// Writes a script.
pub fn write(script: Script, tool: Tool, request: &Request) -> Written {
    let watched = match tool {
        Tool::Dtrace => watch::dtrace(script, request, "pid$target"),
        Tool::Bpftrace => watch::bpftrace(script, request),
    };
    let Parts { template, mut values } = match tool {
        Tool::Dtrace => dtrace(script, request, &watched),
        Tool::Bpftrace => bpftrace(script, request, &watched),
    };
    let known = request.filled().map(|filled| filled.left_out.clone());
    let mut left_out = known.unwrap_or_default();
    left_out.extend(watched.left_out.iter().cloned());
    if (script, tool) == (Script::Alloc, Tool::Bpftrace) {
        left_out.extend(memory::alloc_left_out(request));
    }
    values.push(("USAGE", manual::usage(script, tool, request)));
    values.push(("SAMPLE", sample(script, tool).to_owned()));
    values.push(("LEFT_OUT", manual::left_out(&left_out)));
    let spelling = match tool {
        Tool::Dtrace => Spelling::D("$target".into()),
        Tool::Bpftrace => Spelling::Bpftrace(watched.extensions.clone().unwrap_or_default()),
    };
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Written { text: fill_with(&template, &values, &|probe| spelling.spell(probe)), left_out }
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

fn dtrace(script: Script, request: &Request, watched: &Watched) -> Parts {
    let (template, values) = match script {
        Script::TraceAccelerateCalls => return trace::dtrace(request, watched),
        Script::CompareCallPatterns => return compare::dtrace(request, watched),
        Script::PageFaults => return memory::dtrace_faults(watched),
        Script::ScalePhases => (include_str!("templates/scale_phases.d"), Vec::new()),
        Script::Alloc => (include_str!("templates/alloc.d"), Vec::new()),
        Script::ProfileStacks => (include_str!("templates/profile_stacks.d"), Vec::new()),
    };
    Parts { template: template.to_owned(), values }
}

/// A clause of D has to have a probe: one that is nowhere, where there is none.
pub fn some<'a>(places: impl Iterator<Item = &'a String>) -> Vec<String> {
    let places: Vec<String> = places.cloned().collect();
    if places.is_empty() { vec!["pid$target:nothing_to_watch:nothing_to_watch".to_owned()] } else { places }
}

/// How many routines a D script asks for: any of these patterns, or those of the libraries that can be watched.
pub fn asked_for(request: &Request) -> String {
    let armed = |filled: &super::Filled| {
        let libraries = filled.libraries.iter().filter(|library| !library.shifted);
        libraries.map(|library| library.routines.len()).sum()
    };
    request.filled().map_or(request.routines.len(), armed).to_string()
}

fn bpftrace(script: Script, request: &Request, watched: &Watched) -> Parts {
    let (template, says) = match script {
        Script::TraceAccelerateCalls => return trace::bpftrace(request, watched),
        Script::CompareCallPatterns => return compare::bpftrace(request, watched),
        Script::PageFaults => return memory::bpftrace_faults(request, watched),
        Script::Alloc => return memory::bpftrace_alloc(request, watched),
        Script::ScalePhases => (include_str!("templates/scale_phases.bt"), "the probes of Raptors are armed."),
        Script::ProfileStacks => (include_str!("templates/profile_stacks.bt"), ""),
    };
    Parts {
        template: template.to_owned(),
        values: vec![
            ("FILTER", filter(&condition(request))),
            ("BEGIN", begin(request, says)),
            ("ARMED", manual::armed_bt(request, script, watched)),
        ],
    }
}

/// The condition that a process is the right one; empty: every process is.
pub fn condition(request: &Request) -> String {
    let Some(filled) = request.filled() else {
        return "$1 == 0 || pid == $1".to_owned();
    };
    let pids = filled.processes.iter().map(|pid| format!("pid == {pid}"));
    pids.collect::<Vec<_>>().join(" || ")
}

/// A condition as a clause's predicate, with a line break, or nothing.
pub fn filter(condition: &str) -> String {
    if condition.is_empty() { String::new() } else { format!("/{condition}/\n") }
}

/// A condition in front of another one, or nothing.
pub fn and_filter(condition: &str) -> String {
    if condition.is_empty() { String::new() } else { format!("({condition}) && ") }
}

/// The clauses on Raptors' probes, for bpftrace: none where there is no file with them.
pub fn raptors_clauses(template: &str, watched: &Watched, filter: &str, parts: &[(&str, bool)]) -> String {
    let Some(paths) = &watched.extensions else {
        return String::new();
    };
    let spelling = Spelling::Bpftrace(paths.clone());
    let values = [("FILTER", filter)];
    fill_with(&keep(template, parts), &values, &|probe| spelling.spell(probe))
}

/// What a script says when it begins.
pub fn begin(request: &Request, what: &str) -> String {
    match request.filled().map(|filled| filled.processes.as_slice()) {
        None => format!("Process given as first parameter (0: all): {what}\\n"),
        Some([]) => format!("Every process that uses these files: {what}\\n"),
        Some(pids) => {
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            format!("Process {}: {what}\\n", pids.join(" and "))
        }
    }
}
