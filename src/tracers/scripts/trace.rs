//! trace_accelerate_calls: routines and loops, how often, how long, with what.

use super::d::Unread;
use super::target::Module;
use super::text::{fill, keep, literal};
use super::watch::{Armed, ArmedLoop, Request, Watched};
use super::write::{Parts, asked_for, begin, condition, filter, raptors_clauses, some};
use super::{Script, bt, d, manual};

/// For DTrace.
pub fn dtrace(request: &Request, watched: &Watched) -> Parts {
    let places = some(watched.routine_places());
    let entry = d::probes(places.iter(), "entry");
    let mut shapes =
        d::shape_clauses(&watched.routines, &|key| format!("@shapes[{key}] = count();"), &|what, key| match what {
            Unread::Scalar => format!("@no_scalar[{key}] = count();"),
            Unread::Shape => format!("@no_shape[{key}] = count();"),
        });
    if shapes.is_empty() {
        let nothing = "(int64_t)0, ".repeat(6);
        shapes = format!("{entry}\n{{\n\t@shapes[probefunc, {nothing}(int64_t)0] = count();\n}}\n\n");
    }
    Parts {
        template: include_str!("templates/trace_accelerate_calls.d").to_owned(),
        values: vec![
            ("ROUTINES", asked_for(request)),
            ("ARMED", manual::armed_d(request, Script::TraceAccelerateCalls, watched)),
            ("CALLER", dtrace_caller(modules(request))),
            ("UNREAD", d::unread_rows(&watched.routines, &[], &unread_row)),
            ("RETURN", d::probes(places.iter(), "return")),
            ("SHAPES", shapes.trim_end_matches('\n').to_owned() + "\n"),
            ("ENTRY", entry),
        ],
    }
}

/// A row of the table of shapes with dashes for what could not be read.
fn unread_row(what: Unread) -> String {
    let dashes = format!("{:>18} %@7d\\n", "-");
    match what {
        Unread::Scalar => format!("printa(\"%-32s{} {dashes}\", @no_scalar);", " %7d".repeat(6)),
        Unread::Shape => format!("printa(\"%-32s{} {dashes}\", @no_shape);", "       -".repeat(6)),
    }
}

/// The files that a filled script names callers by.
fn modules(request: &Request) -> &[Module] {
    request.filled().map(|filled| filled.modules.as_slice()).unwrap_or_default()
}

/// The calling file in D: by address where the process is known, else what D makes of it while the process lives.
fn dtrace_caller(modules: &[Module]) -> String {
    /// Enough for a process with many extensions, and far from what the kernel takes of one clause.
    const MOST: usize = 48;
    if modules.is_empty() {
        return "umod(this->from)".into();
    }
    let mut text = String::new();
    for Module { name, start, end } in modules.iter().take(MOST) {
        let name = literal(name);
        text += &format!("\n\t    this->from >= {start:#x} && this->from < {end:#x} ? \"{name}\" :");
    }
    text + " \"another file\""
}

/// For bpftrace.
pub fn bpftrace(request: &Request, watched: &Watched) -> Parts {
    let filter = filter(&condition(request));
    let modules = modules(request);
    let (routines, loops) = (!watched.routines.is_empty(), !watched.loops.is_empty());
    let parts = [
        ("routines", routines),
        ("loops", loops),
        ("calls", routines || loops),
        ("modules", !modules.is_empty()),
        ("raptors", watched.extensions.is_some()),
    ];
    let raptors = include_str!("templates/trace_raptors.bt");
    Parts {
        template: keep(include_str!("templates/trace_accelerate_calls.bt"), &parts),
        values: vec![
            ("BEGIN", begin(request, &says(request, watched))),
            ("ARMED", manual::armed_bt(request, Script::TraceAccelerateCalls, watched)),
            ("ROUTINE_CLAUSES", routine_clauses(&watched.routines, modules, &filter)),
            ("LOOP_CLAUSES", loop_clauses(&watched.loops, &filter, &parts)),
            ("RAPTORS_CLAUSES", raptors_clauses(raptors, watched, &filter, &parts)),
        ],
    }
}

/// What is armed, as the script says it when it begins.
fn says(request: &Request, watched: &Watched) -> String {
    if request.filled().is_none() {
        return "the routines of BLAS, the loops of UMATH and the probes of EXTENSION are armed, where the files have them."
            .into();
    }
    let raptors = if watched.extensions.is_some() { "Raptors' probes" } else { "no probes of Raptors" };
    let (routines, loops) = (watched.routines.len(), watched.loops.len());
    format!("{routines} routines, {loops} loops and {raptors} are armed.")
}

fn routine_clauses(routines: &[Armed], modules: &[Module], filter: &str) -> String {
    if routines.is_empty() {
        return String::new();
    }
    let entry = |armed: &Armed| {
        let (places, label) = (bt::probes(armed.places.iter(), "uprobe"), bt::label(armed.label));
        let key = bt::shape_key(armed);
        let values = [("PLACES", places.as_str()), ("FILTER", filter), ("LABEL", &label), ("KEY", &key)];
        fill(include_str!("templates/trace_routine.bt"), &values)
    };
    let entries: String = routines.iter().map(entry).collect();
    let places = bt::probes(routines.iter().flat_map(|armed| &armed.places), "uretprobe");
    let modules = module_of_caller(modules);
    entries + &fill(include_str!("templates/trace_return.bt"), &[("PLACES", &places), ("MODULES", &modules)])
}

/// Counts a call for the file that its return address lies in. Said by address, so it holds for stripped files and after
/// the process has ended.
fn module_of_caller(modules: &[Module]) -> String {
    if modules.is_empty() {
        return String::new();
    }
    let register = if std::env::consts::ARCH == "aarch64" { "pc" } else { "ip" };
    let count = |name: &str| format!("{{\n\t\t@modules[@name[tid, $depth], {}] = count();\n\t}}", bt::label(name));
    let mut text = format!("\t$to = reg(\"{register}\");\n\t");
    for Module { name, start, end } in modules {
        text += &format!("if ($to >= {start:#x} && $to < {end:#x}) {} else ", count(name));
    }
    text + &count("another file") + "\n"
}

fn loop_clauses(loops: &[ArmedLoop], filter: &str, parts: &[(&str, bool)]) -> String {
    if loops.is_empty() {
        return String::new();
    }
    let template = keep(include_str!("templates/trace_loop.bt"), parts);
    let entry = |armed: &ArmedLoop| {
        let (places, label) = (bt::probes(armed.places.iter(), "uprobe"), bt::label(&armed.label));
        let key = bt::loop_key(armed);
        fill(&template, &[("PLACES", &places), ("FILTER", filter), ("LABEL", &label), ("KEY", &key)])
    };
    let entries: String = loops.iter().map(entry).collect();
    let places = bt::probes(loops.iter().flat_map(|armed| &armed.places), "uretprobe");
    let returns = keep(include_str!("templates/trace_loop_return.bt"), parts);
    entries + &fill(&returns, &[("PLACES", &places)])
}
