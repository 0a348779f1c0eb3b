//! page_faults and alloc: what both sides do to memory.

use super::target::LeftOut;
use super::text::{attach_path, comment, fill, keep};
use super::watch::{ArmedLoop, Request, Watched};
use super::write::{Parts, and_filter, begin, condition, filter, raptors_clauses, some};
use super::{Script, bt, d, manual};

/// page_faults for DTrace.
pub fn dtrace_faults(watched: &Watched) -> Parts {
    let places = some(watched.loop_places());
    let labels: Vec<&str> = watched.loops.iter().map(|armed| armed.label.as_str()).collect();
    Parts {
        template: include_str!("templates/page_faults.d").to_owned(),
        values: vec![
            ("ARMED", manual::lines(&comment(&labels.join(" ")), 3)),
            ("LOOP_ENTRY", d::probes(places.iter(), "entry")),
            ("LOOP_RETURN", d::probes(places.iter(), "return")),
        ],
    }
}

/// page_faults for bpftrace.
pub fn bpftrace_faults(request: &Request, watched: &Watched) -> Parts {
    let filter = filter(&condition(request));
    let (loops, raptors) = (!watched.loops.is_empty(), watched.extensions.is_some());
    // A map that is read has to be written somewhere.
    let parts = [("operations", loops || raptors), ("no_loops", !loops), ("no_raptors", !raptors)];
    let clauses = raptors_clauses(include_str!("templates/fault_raptors.bt"), watched, &filter, &parts);
    Parts {
        template: keep(include_str!("templates/page_faults.bt"), &parts),
        values: vec![
            ("BEGIN", begin(request, "page faults are counted.")),
            ("ARMED", manual::armed_bt(request, Script::PageFaults, watched)),
            ("LOOP_CLAUSES", fault_loops(&watched.loops, &filter)),
            ("RAPTORS_CLAUSES", clauses),
            ("FILTER", filter),
        ],
    }
}

/// The loops that count faults inside themselves.
fn fault_loops(loops: &[ArmedLoop], filter: &str) -> String {
    if loops.is_empty() {
        return String::new();
    }
    let entry = |armed: &ArmedLoop| {
        let (places, label) = (bt::probes(armed.places.iter(), "uprobe"), bt::label(&armed.label));
        let values = [("PLACES", places.as_str()), ("FILTER", filter), ("LABEL", &label)];
        fill(include_str!("templates/fault_loop.bt"), &values)
    };
    let entries: String = loops.iter().map(entry).collect();
    let places = bt::probes(loops.iter().flat_map(|armed| &armed.places), "uretprobe");
    entries + &fill(include_str!("templates/fault_loop_return.bt"), &[("PLACES", &places)])
}

/// alloc for bpftrace.
pub fn bpftrace_alloc(request: &Request, watched: &Watched) -> Parts {
    let condition = condition(request);
    let (filter, and) = (filter(&condition), and_filter(&condition));
    let malloc = malloc_clauses(request, &and);
    let raptors = watched.extensions.is_some();
    let parts = [("malloc", !malloc.is_empty()), ("raptors", raptors), ("no_raptors", !raptors)];
    let clauses = raptors_clauses(include_str!("templates/alloc_raptors.bt"), watched, &filter, &parts);
    Parts {
        template: keep(include_str!("templates/alloc.bt"), &parts),
        values: vec![
            ("BEGIN", begin(request, "blocks of 64 KiB and more are counted.")),
            ("ARMED", manual::armed_bt(request, Script::Alloc, watched)),
            ("MALLOC_CLAUSES", malloc),
            ("RAPTORS_CLAUSES", clauses),
            ("FILTER", filter),
            ("AND_FILTER", and),
        ],
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

/// The allocator's functions, each with the arguments that say how much.
fn malloc_clauses(request: &Request, and_filter: &str) -> String {
    let Ok(library) = c_library(request) else {
        return String::new();
    };
    let functions = [
        ("malloc", "arg0"),
        ("calloc", "arg0 * arg1"),
        ("realloc", "arg1"),
        ("aligned_alloc", "arg1"),
        ("posix_memalign", "arg2"),
    ];
    let clause = |(name, bytes): (&str, &str)| {
        let padded = format!("{name:15}");
        let values = [
            ("LIBRARY", library.as_str()),
            ("NAME", name),
            ("PADDED", &padded),
            ("BYTES", bytes),
            ("AND_FILTER", and_filter),
        ];
        fill(include_str!("templates/alloc_malloc.bt"), &values)
    };
    functions.map(clause).concat()
}

/// What alloc cannot watch beside the files of Raptors.
pub fn alloc_left_out(request: &Request) -> Option<LeftOut> {
    c_library(request).err()
}
