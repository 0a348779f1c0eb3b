//! What a script puts its probes on: the request, and from it the places in D's and in bpftrace's words.

use std::path::Path;

use raptors_routines::{Family, Routine};

use super::arguments::Layout;
use super::target::{Filled, LeftOut, Library, LoopPoint, Target};
use super::text::{attach_path, attach_symbol, probe_part};
use super::{Script, select};

/// What a script is to watch.
#[derive(Clone, Debug)]
pub struct Request {
    /// The process or interpreter.
    pub target: Target,
    /// The routines.
    pub routines: Vec<&'static Routine>,
    /// The ufuncs whose loops are watched, all types; empty: the usual ones on float32 and float64.
    pub ufuncs: Vec<String>,
}

/// What is watched unless somebody asks for more.
pub const UFUNCS: [&str; 15] = [
    "multiply", "add", "subtract", "divide", "negative", "absolute", "square", "sqrt", "exp", "log", "maximum",
    "minimum", "power", "matmul", "vecdot",
];

/// Functions that one clause is for.
#[derive(Clone, Debug)]
pub struct Armed {
    /// The routine's or the loop's name in bpftrace's tables; empty for D, whose tables have the function's own name.
    pub name: String,
    /// Places without the word that says entry or return.
    pub places: Vec<String>,
    /// Where sizes stand.
    pub layout: Layout,
}

impl Request {
    /// What was found of the target, if it is one.
    pub fn filled(&self) -> Option<&Filled> {
        match &self.target {
            Target::Generic => None,
            Target::Filled(filled) => Some(filled),
        }
    }

    /// The loops of a filled target that are asked for.
    pub fn loops(&self) -> impl Iterator<Item = &LoopPoint> {
        let usual = |point: &&LoopPoint| {
            let floats = point.types.chars().all(|c| "fd->".contains(c));
            floats && !point.types.contains("df") && !point.types.contains("fd")
        };
        let wanted = move |point: &&LoopPoint| match self.ufuncs.as_slice() {
            [] => UFUNCS.contains(&point.ufunc.as_str()) && usual(point),
            [all] if all == "all" => true,
            names => names.iter().any(|name| point.serves(name)),
        };
        self.filled().into_iter().flat_map(|filled| &filled.loops).filter(wanted)
    }
}

/// All that a script watches, in one tool's words.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Routines of math libraries.
    pub routines: Vec<Armed>,
    /// NumPy's inner loops.
    pub loops: Vec<Armed>,
    /// What these loops are called.
    pub loop_names: Vec<String>,
    /// For bpftrace the quoted paths of the files with Raptors' probes, none for a parameter of the script; `None`
    /// where the target has no such file.
    pub extensions: Option<Vec<String>>,
    /// What cannot be watched, and why.
    pub left_out: Vec<LeftOut>,
}

impl Watched {
    fn leave_out(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        self.left_out.push(LeftOut { what, why });
    }

    /// A path in quotes, or `None` and the reason among what is left out.
    fn path(&mut self, path: &Path) -> Option<String> {
        let quoted = attach_path(path);
        quoted.map_err(|why| self.leave_out(path.display().to_string(), why)).ok()
    }

    fn add_loop(&mut self, point: &LoopPoint, name: &str, place: String) {
        let layout = match point.core_dimensions {
            0 => Layout::of_loop(point.operands, false),
            dimensions => Layout::of_loop(dimensions, true),
        };
        self.loop_names.push(point.name());
        add(&mut self.loops, name, layout, vec![place]);
    }
}

/// Adds places to the entry of the same name and layout, or as a new one.
fn add(all: &mut Vec<Armed>, name: &str, layout: Layout, places: Vec<String>) {
    match all.iter_mut().find(|known| known.name == name && known.layout == layout) {
        Some(known) => known.places.extend(places),
        None => all.push(Armed { name: name.to_owned(), places, layout }),
    }
}

/// What a script watches, in bpftrace's words. Only a filled one watches routines and loops: a probe needs a file's
/// path.
pub fn bpftrace(script: Script, request: &Request) -> Watched {
    let mut watched = Watched::default();
    let Some(filled) = request.filled() else {
        watched.extensions = Some(Vec::new());
        return watched;
    };
    if script.watches_routines() {
        for library in &filled.libraries {
            let Some(path) = watched.path(&library.path) else {
                continue;
            };
            for exported in &library.routines {
                let layout = Layout::of_routine(exported.routine, Some(exported.width));
                let place = format!("{path}:{}", attach_symbol(&exported.symbol));
                add(&mut watched.routines, exported.routine.name, layout, vec![place]);
            }
        }
    }
    if script.watches_loops() {
        bpftrace_loops(request, &mut watched);
    }
    let paths: Vec<String> = filled.extensions.iter().filter_map(|path| watched.path(path)).collect();
    watched.extensions = (!paths.is_empty()).then_some(paths);
    watched
}

fn bpftrace_loops(request: &Request, watched: &mut Watched) {
    for point in request.loops() {
        match attach_path(&point.path) {
            Err(why) => watched.leave_out(point.name(), why),
            // bpftrace takes a number for an address where a symbol covers it, and for a file offset elsewhere.
            Ok(path) => {
                let number = if point.symbol.is_some() { point.address } else { point.offset };
                watched.add_loop(point, &point.name(), format!("{path}:{number:#x}"));
            }
        }
    }
}

/// Whether bpftrace has to be told that probes without a symbol are meant.
pub fn needs_unsafe(request: &Request) -> bool {
    request.loops().any(|point| point.symbol.is_none())
}

/// What a script watches, in D's words, of one process: `pid$target` or `pid` and a number.
pub fn dtrace(script: Script, request: &Request, provider: &str) -> Watched {
    let mut watched = Watched::default();
    // The .bt twin of trace_accelerate_calls has the loops: there they need no symbol.
    let loops = script.watches_loops() && script != Script::TraceAccelerateCalls;
    match request.filled() {
        None => {
            if script.watches_routines() {
                watched.routines = routines_of_any_process(&request.routines, provider);
            }
            if loops {
                usual_loops(provider, &mut watched);
            }
        }
        Some(filled) => {
            for library in filled.libraries.iter().filter(|_| script.watches_routines()) {
                dtrace_library(library, provider, &mut watched);
            }
            for point in request.loops().filter(|_| loops) {
                dtrace_loop(point, provider, &mut watched);
            }
        }
    }
    watched
}

/// DTrace calls a library by the name that it was loaded by: its soname, or its file's name.
fn dtrace_library(library: &Library, provider: &str, watched: &mut Watched) {
    if let Some(why) = dtrace_refuses(&library.path, library.shifted) {
        return watched.leave_out(library.path.display().to_string(), why);
    }
    for exported in &library.routines {
        let symbol = probe_part(&exported.symbol);
        let names = library.names().into_iter();
        let places = names.map(|name| format!("{provider}:{}:{symbol}", probe_part(&name))).collect();
        let layout = Layout::of_routine(exported.routine, Some(exported.width));
        add(&mut watched.routines, "", layout, places);
    }
}

/// Only a loop whose file DTrace places right and whose symbol is there.
fn dtrace_loop(point: &LoopPoint, provider: &str, watched: &mut Watched) {
    const STRIPPED: &str = "its file is stripped, and DTrace names functions by symbol; the .bt twin takes offsets";
    let file = point.path.file_name().unwrap_or_default().to_string_lossy();
    match (&point.symbol, dtrace_refuses(&point.path, point.shifted)) {
        (None, _) => watched.leave_out(point.name(), STRIPPED),
        (Some(_), Some(why)) => watched.leave_out(point.name(), why),
        (Some(symbol), None) => {
            let place = format!("{provider}:{}:{}", probe_part(file.as_bytes()), probe_part(symbol));
            watched.add_loop(point, "", place);
        }
    }
}

/// Why DTrace for Linux cannot put probes into a file, if so.
fn dtrace_refuses(path: &Path, shifted: bool) -> Option<&'static str> {
    const BLANK: &str = "DTrace for Linux reads a path in the process map only up to a blank, and finds no function \
                         in it; the .bt twin can watch it";
    let blank = path.to_string_lossy().contains([' ', '\t']);
    shifted.then_some(SHIFTED).or(blank.then_some(BLANK))
}

const SHIFTED: &str = "its addresses differ from its file offsets (PT_LOAD), and DTrace for Linux takes one for the \
                       other: its probes would never fire or damage other code; the .bt twin can watch it";

/// The usual loops by the names that NumPy's source gives them, without and with the CPU target they are compiled for.
fn usual_loops(provider: &str, watched: &mut Watched) {
    for ufunc in UFUNCS {
        let (inputs, layout) = match ufunc {
            "negative" | "absolute" | "square" | "sqrt" | "exp" | "log" => (1, Layout::of_loop(2, false)),
            "matmul" => (2, Layout::of_loop(3, true)),
            "vecdot" => (2, Layout::of_loop(1, true)),
            _ => (2, Layout::of_loop(3, false)),
        };
        for (letter, word) in [("f", "FLOAT"), ("d", "DOUBLE")] {
            let name = format!("{word}_{ufunc}");
            let places = [optional(&name), format!("{name}_[XAN]*")];
            let places = places.map(|name| format!("{provider}:_multiarray_umath*:{name}"));
            watched.loop_names.push(format!("np.{ufunc}[{}->{letter}]", letter.repeat(inputs)));
            add(&mut watched.loops, "", layout, places.into());
        }
    }
}

/// Routines by their layouts, in whatever library of a process has them.
fn routines_of_any_process(routines: &[&'static Routine], provider: &str) -> Vec<Armed> {
    let mut groups: Vec<(Layout, Vec<&'static Routine>)> = Vec::new();
    for routine in routines {
        let layout = Layout::of_routine(routine, None);
        match groups.iter_mut().find(|(known, _)| *known == layout) {
            Some((_, group)) => group.push(routine),
            None => groups.push((layout, vec![routine])),
        }
    }
    let armed = |(layout, group): (Layout, Vec<&'static Routine>)| {
        let places = generic_places(&group, provider);
        Armed { name: String::new(), places, layout }
    };
    groups.into_iter().map(armed).collect()
}

/// The libraries with BLAS and LAPACK: libBLAS.dylib and libLAPACK.dylib of macOS; libblas, libcblas, liblapack,
/// libblis, libmkl_…, libopenblas… of Linux, and not the libscipy_openblas of the wheels, which DTrace for Linux cannot
/// watch.
const BLAS_MODULES: &str = "lib[BLbclmo]*";

/// Routines under all their spellings, those that differ in the letter of the element type as one: `cblas_sgemm`,
/// `cblas_sgemm64_`, `cblas_sgemm$NEWLAPACK`, `cblas_sgemm$NEWLAPACK$ILP64`, and not `cblas_sgemm_batch` or
/// `cblas_sgemmt`.
fn generic_places(routines: &[&'static Routine], provider: &str) -> Vec<String> {
    let spelled = |(name, family): (String, Family)| {
        let (module, names) = match family {
            Family::Vdsp => ("libvDSP.dylib", vec![name]),
            Family::Vforce => ("libvMisc.dylib", vec![name]),
            Family::Lapack | Family::Fortran => (BLAS_MODULES, vec![format!("{name}_"), format!("{name}?[6N]*")]),
            Family::Cblas | Family::BlasExtension => (BLAS_MODULES, vec![name.clone(), format!("{name}?[4N]*")]),
        };
        names.into_iter().map(move |name| format!("{provider}:{module}:{}", optional(&name)))
    };
    patterns(routines).into_iter().flat_map(spelled).collect()
}

/// A name that D may miss in a loaded library: even with `zdefs` it refuses a plain one, but not a pattern.
fn optional(name: &str) -> String {
    match name.char_indices().next_back() {
        Some((at, last)) if !name.contains(['[', '?', '*']) => format!("{}[{last}]", &name[..at]),
        _ => name.to_owned(),
    }
}

/// Names, with `[sd]` for letters that differ: `cblas_[sd]scal`.
pub fn patterns(routines: &[&'static Routine]) -> Vec<(String, Family)> {
    let mut groups: Vec<Group> = Vec::new();
    for routine in routines {
        let at = select::letter(routine);
        let (before, letter, after) = match at {
            Some(at) => (&routine.name[..at], &routine.name[at..=at], &routine.name[at + 1..]),
            None => (routine.name, "", ""),
        };
        let same = |group: &&mut Group| at.is_some() && (group.before, group.after) == (before, after);
        match groups.iter_mut().find(same) {
            Some(group) => group.letters.push_str(letter),
            None => groups.push(Group { before, letters: letter.to_owned(), after, family: routine.family }),
        }
    }
    groups.iter().map(|group| (group.pattern(), group.family)).collect()
}

/// Names that differ in one letter.
struct Group {
    before: &'static str,
    letters: String,
    after: &'static str,
    family: Family,
}

impl Group {
    fn pattern(&self) -> String {
        let Self { before, letters, after, .. } = self;
        if letters.len() > 1 { format!("{before}[{letters}]{after}") } else { format!("{before}{letters}{after}") }
    }
}
