//! Each script from its template and from what is to be watched.

use super::target::{LeftOut, Module};
use super::text::{attach_path, comment, fill};
use super::watch::{self, Armed, ArmedLoop, Request};
use super::{Script, Tool, bt, compare, d, manual, probes};

/// A script, and what it could not arm.
pub struct Written {
    /// The script.
    pub text: String,
    /// What is left out of it, and why.
    pub left_out: Vec<LeftOut>,
}

/// Writes a script.
pub fn write(script: Script, tool: Tool, request: &Request) -> Written {
    let mut left_out = request
        .filled()
        .map(|filled| filled.left_out.clone())
        .unwrap_or_default();
    let (template, mut values) = match tool {
        Tool::Dtrace => dtrace(script, request, &mut left_out),
        Tool::Bpftrace => bpftrace(script, request, &mut left_out),
    };
    values.push(("USAGE", manual::usage(script, tool, request)));
    values.push(("SAMPLE", sample(script, tool).to_owned()));
    values.push(("LEFT_OUT", manual::left_out(&left_out)));
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Written {
        text: fill(&template, &values),
        left_out,
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

type Values = Vec<(&'static str, String)>;

fn dtrace(script: Script, request: &Request, left_out: &mut Vec<LeftOut>) -> (String, Values) {
    let target = "$target";
    let template = match script {
        Script::TraceAccelerateCalls => include_str!("templates/trace_accelerate_calls.d"),
        Script::CompareCallPatterns => return compare::dtrace(request, left_out),
        Script::ScalePhases => include_str!("templates/scale_phases.d"),
        Script::PageFaults => include_str!("templates/page_faults.d"),
        Script::Alloc => include_str!("templates/alloc.d"),
        Script::ProfileStacks => include_str!("templates/profile_stacks.d"),
    };
    let values = match script {
        Script::TraceAccelerateCalls => d_trace(request, left_out),
        Script::PageFaults => {
            let (loops, left) = watch::dtrace_loops(request, "pid$target");
            left_out.extend(left);
            let places = || {
                some(
                    loops
                        .iter()
                        .flat_map(|armed| &armed.places)
                        .cloned()
                        .collect(),
                )
            };
            vec![
                ("ARMED", manual::lines(&comment(&labels(&loops)), 3)),
                ("LOOP_ENTRY", d::probes(places().iter(), "entry")),
                ("LOOP_RETURN", d::probes(places().iter(), "return")),
            ]
        }
        _ => Vec::new(),
    };
    (probes::fill_d(template, target), values)
}

fn labels(loops: &[ArmedLoop]) -> String {
    loops
        .iter()
        .map(|armed| armed.label.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A clause has to have a probe: one that is nowhere, where there is none.
fn some(places: Vec<String>) -> Vec<String> {
    if places.is_empty() {
        vec!["pid$target:nothing_to_watch:nothing_to_watch".to_owned()]
    } else {
        places
    }
}

fn d_trace(request: &Request, left_out: &mut Vec<LeftOut>) -> Values {
    let (armed, left) = watch::dtrace_routines(request, "pid$target");
    left_out.extend(left);
    let places = some(
        armed
            .iter()
            .flat_map(|group| &group.places)
            .cloned()
            .collect(),
    );
    let shapes = d::shape_clauses(&armed, "", &|key| format!("@shapes[{key}] = count();"));
    let shapes = if shapes.is_empty() {
        format!(
            "{}\n{{\n\t@shapes[probefunc, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0] = count();\n}}\n\n",
            d::probes(places.iter(), "entry")
        )
    } else {
        shapes
    };
    vec![
        ("ROUTINES", asked_for(request)),
        ("ARMED", manual::armed_d(request)),
        ("ENTRY", d::probes(places.iter(), "entry")),
        ("RETURN", d::probes(places.iter(), "return")),
        ("SHAPES", shapes.trim_end_matches('\n').to_owned() + "\n"),
    ]
}

/// How many routines a D script asks for: any of these patterns, or those of the libraries that can be watched.
pub fn asked_for(request: &Request) -> String {
    let armed = |filled: &super::Filled| {
        let libraries = filled.libraries.iter().filter(|library| !library.shifted);
        libraries.map(|library| library.routines.len()).sum()
    };
    request
        .filled()
        .map_or(request.routines.len(), armed)
        .to_string()
}

/// The condition on the process, as a predicate of its own and as the beginning of another.
pub struct Filter {
    /// `/pid == 4711/` and a line break, or nothing.
    pub alone: String,
    /// `pid == 4711 && `, or nothing.
    pub and: String,
}

/// The filter for a request.
pub fn filter(request: &Request) -> Filter {
    let condition = match request.filled() {
        None => "$1 == 0 || pid == $1".to_owned(),
        Some(filled) => filled
            .processes
            .iter()
            .map(|pid| format!("pid == {pid}"))
            .collect::<Vec<_>>()
            .join(" || "),
    };
    filter_of(&condition)
}

/// The filter for a condition, `pid == 4711`; empty: every process.
pub fn filter_of(condition: &str) -> Filter {
    if condition.is_empty() {
        return Filter {
            alone: String::new(),
            and: String::new(),
        };
    }
    Filter {
        alone: format!("/{condition}/\n"),
        and: format!("({condition}) && "),
    }
}

/// The quoted paths of the files with Raptors' probes; `None` where the target has none.
pub fn extensions(request: &Request, left_out: &mut Vec<LeftOut>) -> Option<Vec<String>> {
    let Some(filled) = request.filled() else {
        return Some(Vec::new());
    };
    let mut paths = Vec::new();
    for path in &filled.extensions {
        match attach_path(path) {
            Ok(path) => paths.push(path),
            Err(why) => left_out.push(LeftOut {
                what: path.display().to_string(),
                why,
            }),
        }
    }
    (!paths.is_empty()).then_some(paths)
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

fn bpftrace(script: Script, request: &Request, left_out: &mut Vec<LeftOut>) -> (String, Values) {
    let Filter { alone, and } = filter(request);
    let mut values: Values = vec![("FILTER", alone.clone()), ("AND_FILTER", and)];
    let say = |values: &mut Values, what: &str| values.push(("BEGIN", begin(request, what)));
    let extensions = extensions(request, left_out);
    let paths = extensions.clone().unwrap_or_default();
    let with_raptors = |clauses: &str| match &extensions {
        Some(paths) => probes::fill_bt(clauses, paths).replace("@FILTER@", &alone),
        None => String::new(),
    };
    let template = match script {
        Script::TraceAccelerateCalls => return bt_trace(request, left_out),
        Script::CompareCallPatterns => return compare::bpftrace(request, left_out),
        Script::ScalePhases => {
            say(&mut values, "the probes of Raptors are armed.");
            include_str!("templates/scale_phases.bt")
        }
        Script::PageFaults => {
            say(&mut values, "page faults are counted.");
            let (loops, left) = watch::bpftrace_loops(request);
            left_out.extend(left);
            let clauses = with_raptors(FAULTS_RAPTORS);
            let report = !loops.is_empty() || !clauses.is_empty();
            let declared = [
                (
                    clauses.is_empty(),
                    "\t@backend[tid] = 0;\n\t@alloc[tid] = 0;\n\t@scale[tid] = 0;\n",
                ),
                (
                    loops.is_empty(),
                    "\t@loop[tid] = 0;\n\t@before[tid] = 0;\n\t@name[tid] = \"\";\n",
                ),
            ];
            let declared = declared
                .iter()
                .filter(|(missing, _)| *missing)
                .map(|(_, text)| *text)
                .collect();
            values.push(("LOOP_CLAUSES", fault_loops(&loops, &alone)));
            values.push(("DECLARED", declared));
            values.push(("RAPTORS_CLAUSES", clauses));
            values.push((
                "REPORT",
                if report {
                    FAULTS_REPORT.into()
                } else {
                    String::new()
                },
            ));
            include_str!("templates/page_faults.bt")
        }
        Script::Alloc => {
            say(&mut values, "blocks of 64 KiB and more are counted.");
            values.push(("MALLOC_CLAUSES", malloc_clauses(request, left_out)));
            let clauses = with_raptors(ALLOC_RAPTORS);
            let report = if clauses.is_empty() { "" } else { ALLOC_REPORT };
            values.push((
                "DECLARED",
                if clauses.is_empty() {
                    "\t@raptors[tid] = 0;\n".into()
                } else {
                    String::new()
                },
            ));
            values.push(("RAPTORS_CLAUSES", clauses));
            values.push(("REPORT", report.to_owned()));
            include_str!("templates/alloc.bt")
        }
        Script::ProfileStacks => {
            include_str!("templates/profile_stacks.bt")
        }
    };
    values.push(("ARMED", manual::armed_files(request, script)));
    (probes::fill_bt(template, &paths), values)
}

const FAULTS_RAPTORS: &str = include_str!("templates/page_faults_raptors.bt");
const FAULTS_REPORT: &str = "\tprintf(\"\\noperations: calls, faults a call, faults\\n\");\n\tprint(@faults_per_operation);\n\
                             \tclear(@faults_per_operation);\n";
const ALLOC_RAPTORS: &str = include_str!("templates/alloc_raptors.bt");
const ALLOC_REPORT: &str = "\tprintf(\"\\nRaptors' results: 1 recycled or 0 fresh pages, bytes of each\\n\");\n\
                            \tprint(@raptors_memory);\n\tclear(@raptors_memory);\n";
/// The loops that count faults inside themselves.
fn fault_loops(loops: &[ArmedLoop], filter: &str) -> String {
    let entries = loops.iter().map(|armed| {
        format!(
            "{}\n{filter}{{\n\t@loop[tid]++;\n\t@before[tid] = @fault[tid];\n\t@name[tid] = {};\n}}\n\n",
            bt::probes(armed.places.iter(), "uprobe"),
            bt::label(&armed.label),
        )
    });
    let mut text: String = entries.collect();
    let places: Vec<&String> = loops.iter().flat_map(|armed| &armed.places).collect();
    if places.is_empty() {
        return text;
    }
    text += &bt::probes(places.into_iter(), "uretprobe");
    text += "\n/@loop[tid] > 0/\n{\n\t@loop[tid]--;\n\t@faults_per_operation[@name[tid]] = stats(@fault[tid] - @before[tid]);\n}\n\n";
    text
}

/// The allocator's functions, each with the number of the argument that says how much.
fn malloc_clauses(request: &Request, left_out: &mut Vec<LeftOut>) -> String {
    let library = match request.filled().map(|filled| filled.libc.as_deref()) {
        None => "libc".to_owned(),
        Some(None) => return String::new(),
        Some(Some(path)) => match attach_path(path) {
            Ok(path) => path,
            Err(why) => {
                left_out.push(LeftOut {
                    what: path.display().to_string(),
                    why,
                });
                return String::new();
            }
        },
    };
    let Filter { and, .. } = filter(request);
    let functions = [
        ("malloc", "arg0"),
        ("calloc", "arg0 * arg1"),
        ("realloc", "arg1"),
        ("aligned_alloc", "arg1"),
        ("posix_memalign", "arg2"),
    ];
    let clause = |(name, bytes): (&str, &str)| {
        let side = |side: &str| {
            format!(
                "\t\t@blocks[\"{side:7}\", \"{name:15}\", (uint64)({bytes})] = count();\n\
                 \t\t@bytes[\"{side:7}\", \"asked of malloc\"] = sum({bytes});\n"
            )
        };
        format!(
            "uprobe:{library}:{name}\n/{and}{bytes} >= 65536/\n{{\n\t@seen = 1;\n\tif (@raptors[tid] > 0) {{\n{}\t}} else {{\n{}\t}}\n}}\n\n",
            side("Raptors"),
            side("others")
        )
    };
    functions.map(clause).concat()
}

/// trace_accelerate_calls for bpftrace.
fn bt_trace(request: &Request, left_out: &mut Vec<LeftOut>) -> (String, Values) {
    let Filter { alone, .. } = filter(request);
    let (routines, left) = watch::bpftrace_routines(request);
    left_out.extend(left);
    let (loops, left) = watch::bpftrace_loops(request);
    left_out.extend(left);
    let extensions = extensions(request, left_out);
    let has_routines = !routines.is_empty();
    let modules = request
        .filled()
        .map(|filled| filled.modules.as_slice())
        .unwrap_or_default();
    let mut raptors = String::new();
    let mut report = Report::default();
    if has_routines || !loops.is_empty() {
        report.section("routines and loops: calls, average, total ns", &["time_ns"]);
    }
    if has_routines {
        report.section("calls from inside another routine", &["nested"]);
        report.section("shapes: routine, m, n, k, steps, scalar", &["shapes"]);
        report.section("callers: routine, where it returned to", &["callers"]);
        if !modules.is_empty() {
            report.section("callers by file: routine, file", &["modules"]);
        }
        report.forget(&["named", "depth", "began", "name", "blas"]);
    }
    if !loops.is_empty() {
        report.section("loops: loop, n, strides", &["loops"]);
        report.forget(&["loop_began", "loop_name"]);
    }
    if has_routines && !loops.is_empty() {
        report.section(
            "routines called inside each loop: calls of the loop, average, total",
            &["blas_in_loop"],
        );
        report.forget(&["loop_blas"]);
    }
    if let Some(paths) = &extensions {
        raptors = probes::fill_bt(include_str!("templates/trace_raptors.bt"), paths)
            .replace("@FILTER@", &alone);
        let what = "Raptors: n, item size; backend, reason, threads; calls, average, total ns";
        report.section(what, &["scales", "dispatched", "scale_ns"]);
        report.forget(&["scale_began"]);
        if has_routines {
            report.section(
                "routines called inside each scale: scales, average, total",
                &["blas_in_scale"],
            );
            report.forget(&["scale_blas"]);
        } else {
            raptors = raptors
                .lines()
                .filter(|line| !line.contains("blas"))
                .map(|line| format!("{line}\n"))
                .collect();
        }
    }
    if has_routines || !loops.is_empty() {
        report.section(
            "threads, and the times of the calls, ns",
            &["threads", "histogram_ns"],
        );
    }
    let report = report.text();
    let what = format!(
        "{} routines, {} loops and {} are armed.",
        routines.len(),
        loops.len(),
        if extensions.is_some() {
            "Raptors' probes"
        } else {
            "no probes of Raptors"
        }
    );
    let what = if request.filled().is_some() {
        what
    } else {
        "the routines of BLAS, the loops of UMATH and the probes of EXTENSION are armed, where the files have them.".into()
    };
    let values = vec![
        ("BEGIN", begin(request, &what)),
        (
            "ARMED",
            manual::armed_files(request, Script::TraceAccelerateCalls),
        ),
        (
            "ROUTINE_CLAUSES",
            routine_clauses(&routines, modules, &alone),
        ),
        ("LOOP_CLAUSES", loop_clauses(&loops, &alone, has_routines)),
        ("RAPTORS_CLAUSES", raptors),
        ("REPORT", report),
    ];
    (
        include_str!("templates/trace_accelerate_calls.bt").to_owned(),
        values,
    )
}

/// What is printed at the end, and which maps are emptied after all of it, so that bpftrace does not print them again.
/// bpftrace 0.17 prints a map as empty where another was cleared before it in the same clause.
#[derive(Default)]
struct Report {
    prints: String,
    clears: Vec<&'static str>,
}

impl Report {
    fn section(&mut self, title: &str, maps: &[&'static str]) {
        self.prints += &format!("\tprintf(\"\\n{title}\\n\");\n");
        for map in maps {
            self.prints += &format!("\tprint(@{map});\n");
        }
        self.forget(maps);
    }

    fn forget(&mut self, maps: &[&'static str]) {
        self.clears.extend(maps);
    }

    fn text(&self) -> String {
        let clears = self.clears.iter().map(|map| format!("\tclear(@{map});\n"));
        self.prints.clone() + &clears.collect::<String>()
    }
}

fn routine_clauses(routines: &[Armed], modules: &[Module], filter: &str) -> String {
    if routines.is_empty() {
        return String::new();
    }
    let entry = |armed: &Armed| {
        format!(
            "{}\n{filter}{{\n\t@seen = 1;\n\t@depth[tid]++;\n\t@began[tid, @depth[tid]] = nsecs;\n\
             \t@name[tid, @depth[tid]] = {label};\n\t@shapes[{}] = count();\n\
             \tif (@depth[tid] == 1) {{\n\t\t@blas[tid]++;\n\t}} else {{\n\t\t@nested[{label}] = count();\n\t}}\n}}\n\n",
            bt::probes(armed.places.iter(), "uprobe"),
            bt::shape_key(armed),
            label = bt::label(armed.label),
        )
    };
    let places = routines.iter().flat_map(|armed| &armed.places);
    let returns = bt::probes(places, "uretprobe");
    let entries: String = routines.iter().map(entry).collect();
    format!(
        "{entries}{returns}\n{}",
        include_str!("templates/trace_return.bt").replace("@MODULES@", &module_of_caller(modules))
    )
}

/// Counts a call for the file that its return address lies in. Said by address, so it holds for stripped files and after
/// the process has ended.
fn module_of_caller(modules: &[Module]) -> String {
    if modules.is_empty() {
        return String::new();
    }
    let register = if std::env::consts::ARCH == "aarch64" {
        "pc"
    } else {
        "ip"
    };
    let mut text = format!("\t$to = reg(\"{register}\");\n\t");
    for module in modules {
        let Module { name, start, end } = module;
        text += &format!(
            "if ($to >= {start:#x} && $to < {end:#x}) {{\n\t\t@modules[@name[tid, $depth], {}] = count();\n\t}} else ",
            bt::label(name)
        );
    }
    text + &format!(
        "{{\n\t\t@modules[@name[tid, $depth], {}] = count();\n\t}}\n",
        bt::label("no file")
    )
}

fn loop_clauses(loops: &[ArmedLoop], filter: &str, has_routines: bool) -> String {
    if loops.is_empty() {
        return String::new();
    }
    let blas = if has_routines {
        "\t@loop_blas[tid] = @blas[tid];\n"
    } else {
        ""
    };
    let entry = |armed: &ArmedLoop| {
        format!(
            "{}\n{filter}{{\n\t@seen = 1;\n\t@loop_began[tid] = nsecs;\n\t@loop_name[tid] = {};\n{blas}\t@loops[{}] = count();\n}}\n\n",
            bt::probes(armed.places.iter(), "uprobe"),
            bt::label(&armed.label),
            bt::loop_key(armed),
        )
    };
    let places = loops.iter().flat_map(|armed| &armed.places);
    let returns = bt::probes(places, "uretprobe");
    let entries: String = loops.iter().map(entry).collect();
    let blas = if has_routines {
        "\t@blas_in_loop[@loop_name[tid]] = stats(@blas[tid] - @loop_blas[tid]);\n"
    } else {
        ""
    };
    format!(
        "{entries}{returns}\n/@loop_began[tid] > 0/\n{{\n\t$ns = nsecs - @loop_began[tid];\n\t@time_ns[@loop_name[tid]] = stats($ns);\n\
         \t@histogram_ns[@loop_name[tid]] = hist($ns);\n\t@threads[@loop_name[tid], tid] = count();\n{blas}\
         \tdelete(@loop_began[tid]);\n\tdelete(@loop_name[tid]);\n}}\n\n"
    )
}
