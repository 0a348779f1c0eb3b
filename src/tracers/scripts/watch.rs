//! What a script puts its probes on: the request, and from it the places in D's and in bpftrace's words.

use std::path::Path;

use raptors_routines::{Family, Routine, Width};

use super::Script;
use super::select::{self, Layout};
use super::target::{Filled, LeftOut, Library, LoopPoint, Target};
use super::text::{attach_path, attach_symbol, probe_part};

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

/// The places of one routine, or of several with the same layout.
#[derive(Clone, Debug)]
pub struct Armed {
    /// The routine's name in the tables; in D the function's own name is taken.
    pub label: &'static str,
    /// Places without the word that says entry or return.
    pub places: Vec<String>,
    /// Where sizes stand.
    pub layout: Layout,
    /// How wide integers are; `None`: the function's name tells.
    pub width: Option<Width>,
}

/// The places of one inner loop.
#[derive(Clone, Debug)]
pub struct ArmedLoop {
    /// Its name in the tables.
    pub label: String,
    /// Places without the word that says entry or return.
    pub places: Vec<String>,
    /// Arrays it is handed.
    pub operands: usize,
    /// Dimensions beside the outer one.
    pub core_dimensions: usize,
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

/// Registers that hold integer arguments on every processor a script may run on: x86-64 has six, and DTrace reads the
/// two after them from the stack.
const BPFTRACE_REGISTERS: u8 = 6;
const DTRACE_REGISTERS: u8 = 8;

/// All that a script watches, in one tool's words.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Routines: for bpftrace one entry for each and its width, for D one for each layout.
    pub routines: Vec<Armed>,
    /// NumPy's inner loops.
    pub loops: Vec<ArmedLoop>,
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

    /// Adds places to the entry that `same` finds, or to a new one.
    fn add(&mut self, armed: Armed, same: impl Fn(&Armed) -> bool) {
        match self.routines.iter_mut().find(|known| same(known)) {
            Some(known) => known.places.extend(armed.places),
            None => self.routines.push(armed),
        }
    }

    fn add_named(&mut self, routine: &'static Routine, width: Width, places: Vec<String>) {
        let armed = Armed {
            label: routine.name,
            places,
            layout: select::layout(routine, BPFTRACE_REGISTERS),
            width: Some(width),
        };
        self.add(armed, |known| known.label == routine.name && known.width == Some(width));
    }

    fn add_loop(&mut self, point: &LoopPoint, place: String) {
        self.loops.push(ArmedLoop {
            label: point.name(),
            places: vec![place],
            operands: point.operands,
            core_dimensions: point.core_dimensions,
        });
    }

    /// The places of all routines.
    pub fn routine_places(&self) -> impl Iterator<Item = &String> {
        self.routines.iter().flat_map(|armed| &armed.places)
    }

    /// The places of all loops.
    pub fn loop_places(&self) -> impl Iterator<Item = &String> {
        self.loops.iter().flat_map(|armed| &armed.places)
    }
}

/// What a script watches, in bpftrace's words.
pub fn bpftrace(script: Script, request: &Request) -> Watched {
    let mut watched = Watched::default();
    let Some(filled) = request.filled() else {
        if script.watches_routines() {
            generic_bpftrace_routines(request, &mut watched);
        }
        if script.watches_loops() {
            watched.loops = generic_loops(bpftrace_loop_names);
        }
        watched.extensions = Some(Vec::new());
        return watched;
    };
    if script.watches_routines() {
        for library in &filled.libraries {
            let Some(path) = watched.path(&library.path) else {
                continue;
            };
            for exported in &library.routines {
                let place = format!("{path}:{}", attach_symbol(&exported.symbol));
                watched.add_named(exported.routine, exported.width, vec![place]);
            }
        }
    }
    if script.watches_loops() {
        filled_bpftrace_loops(request, &mut watched);
    }
    let paths: Vec<String> = filled.extensions.iter().filter_map(|path| watched.path(path)).collect();
    watched.extensions = (!paths.is_empty()).then_some(paths);
    watched
}

fn generic_bpftrace_routines(request: &Request, watched: &mut Watched) {
    for routine in &request.routines {
        for width in [Width::Lp64, Width::Ilp64] {
            let places: Vec<String> = generic_names(routine, width).iter().map(|name| format!("$4:{name}")).collect();
            if !places.is_empty() {
                watched.add_named(routine, width, places);
            }
        }
    }
}

fn filled_bpftrace_loops(request: &Request, watched: &mut Watched) {
    for point in request.loops() {
        match attach_path(&point.path) {
            Err(why) => watched.leave_out(point.name(), why),
            // bpftrace takes a number for an address where a symbol covers it, and for a file offset elsewhere.
            Ok(path) => {
                let number = if point.symbol.is_some() { point.address } else { point.offset };
                watched.add_loop(point, format!("{path}:{number:#x}"));
            }
        }
    }
}

/// Patterns for a routine's symbols. A star that can only stand for nothing makes bpftrace take it lightly when the
/// library lacks the function.
fn generic_names(routine: &Routine, width: Width) -> Vec<String> {
    let name = routine.name;
    match (routine.family, width) {
        (Family::Cblas, Width::Lp64) => vec![format!("*{name}")],
        (Family::Cblas, Width::Ilp64) => vec![format!("*{name}64_")],
        (Family::Lapack, _) => {
            let suffix = if width == Width::Lp64 { "_" } else { "_64_" };
            // `*sgesv_` would be dsgesv_ as well.
            let starred = format!("{}*{}{suffix}", &name[..3], &name[3..]);
            vec![starred.clone(), format!("scipy_{starred}")]
        }
        _ => Vec::new(),
    }
}

/// Patterns for a loop's symbols in NumPy's file: without and with the CPU target that its source is compiled for.
fn bpftrace_loop_names(name: &str) -> Vec<String> {
    let (most, last) = name.split_at(name.len() - 1);
    let patterns = [format!("{most}*{last}"), format!("{name}_X86_V*"), format!("{name}_A*"), format!("{name}_N*")];
    patterns.map(|name| format!("$3:{name}")).to_vec()
}

/// Whether bpftrace has to be told that probes without a symbol are meant.
pub fn needs_unsafe(request: &Request) -> bool {
    request.loops().any(|point| point.symbol.is_none())
}

/// The usual loops by the names that NumPy's source gives them.
fn generic_loops(places: impl Fn(&str) -> Vec<String>) -> Vec<ArmedLoop> {
    let mut armed = Vec::new();
    for ufunc in UFUNCS {
        let (operands, core_dimensions) = match ufunc {
            "negative" | "absolute" | "square" | "sqrt" | "exp" | "log" => (2, 0),
            "matmul" => (3, 3),
            "vecdot" => (3, 1),
            _ => (3, 0),
        };
        for (letter, word) in [("f", "FLOAT"), ("d", "DOUBLE")] {
            let inputs = letter.repeat(operands - 1);
            armed.push(ArmedLoop {
                label: format!("np.{ufunc}[{inputs}->{letter}]"),
                places: places(&format!("{word}_{ufunc}")),
                operands,
                core_dimensions,
            });
        }
    }
    armed
}

/// What a script watches, in D's words, of one process: `pid$target` or a number.
pub fn dtrace(script: Script, request: &Request, provider: &str) -> Watched {
    let mut watched = Watched::default();
    // The .bt twin of trace_accelerate_calls has the loops: there they need no symbol.
    let loops = script.watches_loops() && script != Script::TraceAccelerateCalls;
    let Some(filled) = request.filled() else {
        if script.watches_routines() {
            generic_dtrace_routines(request, provider, &mut watched);
        }
        if loops {
            watched.loops = generic_loops(|name| dtrace_loop_names(provider, name));
        }
        return watched;
    };
    if script.watches_routines() {
        for library in &filled.libraries {
            dtrace_library(library, provider, &mut watched);
        }
    }
    if loops {
        for point in request.loops() {
            dtrace_loop(point, provider, &mut watched);
        }
    }
    watched
}

fn generic_dtrace_routines(request: &Request, provider: &str, watched: &mut Watched) {
    let layout = |routine: &&'static Routine| select::layout(routine, DTRACE_REGISTERS);
    for (layout, routines) in select::by_layout(&request.routines, layout) {
        watched.routines.push(Armed { label: "", places: generic_places(&routines, provider), layout, width: None });
    }
}

/// DTrace calls a library by the name that it was loaded by: its soname, or its file's name.
fn dtrace_library(library: &Library, provider: &str, watched: &mut Watched) {
    if let Some(why) = dtrace_refuses(&library.path, library.shifted) {
        return watched.leave_out(library.path.display().to_string(), why);
    }
    for exported in &library.routines {
        let symbol = probe_part(&exported.symbol);
        let names = library.names().into_iter();
        let places = names.map(|name| format!("{provider}:{}:{symbol}", probe_part(&name)));
        let armed = Armed {
            label: "",
            places: places.collect(),
            layout: select::layout(exported.routine, DTRACE_REGISTERS),
            width: Some(exported.width),
        };
        let (layout, width) = (armed.layout, armed.width);
        watched.add(armed, |known| known.layout == layout && known.width == width);
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
            watched.add_loop(point, place);
        }
    }
}

/// Why DTrace for Linux cannot put probes into a file, if so.
fn dtrace_refuses(path: &Path, shifted: bool) -> Option<&'static str> {
    const BLANK: &str = "DTrace for Linux reads a path in the process map only up to a blank, and finds no function in it; the .bt \
         twin can watch it";
    let blank = path.to_string_lossy().contains([' ', '\t']);
    shifted.then_some(SHIFTED).or(blank.then_some(BLANK))
}

fn dtrace_loop_names(provider: &str, name: &str) -> Vec<String> {
    let names = [name.to_owned(), format!("{name}_[XAN]*")];
    names.map(|name| format!("{provider}:_multiarray_umath*:{}", optional(&name))).to_vec()
}

const SHIFTED: &str = "its addresses differ from its file offsets (PT_LOAD), and DTrace for Linux takes one for the other: its probes would \
     never fire or damage other code; the .bt twin can watch it";

/// Where BLAS and LAPACK are on Linux: libblas, libcblas, liblapack, libblis, libmkl_…, libopenblas…, and not the
/// libscipy_openblas of the wheels, which DTrace cannot watch.
pub const LINUX_MODULES: &str = "lib[bclmo]*";

/// Routines under all their spellings, those that differ in the letter of the element type as one.
fn generic_places(routines: &[&&'static Routine], provider: &str) -> Vec<String> {
    let mut places = Vec::new();
    for (name, family) in patterns(routines) {
        let spelled: &[(&str, &str)] = match family {
            Family::Vdsp => &[("libvDSP.dylib", "")],
            Family::Vforce => &[("libvMisc.dylib", "")],
            Family::Lapack | Family::Fortran => &[
                ("libLAPACK.dylib", "_"),
                ("libLAPACK.dylib", "?NEWLAPACK*"),
                (LINUX_MODULES, "_"),
                (LINUX_MODULES, "_64_"),
            ],
            Family::Cblas | Family::BlasExtension => {
                &[("libBLAS.dylib", ""), ("libBLAS.dylib", "?NEWLAPACK*"), (LINUX_MODULES, ""), (LINUX_MODULES, "64_")]
            }
        };
        let names = spelled.iter().map(|(module, suffix)| (module, optional(&format!("{name}{suffix}"))));
        places.extend(names.map(|(module, name)| format!("{provider}:{module}:{name}")));
    }
    places
}

/// A name that D may miss in a loaded library: even with `zdefs` it refuses a plain one, but not a pattern.
fn optional(name: &str) -> String {
    match name.char_indices().next_back() {
        Some((at, last)) if !name.contains(['[', '?', '*']) => format!("{}[{last}]", &name[..at]),
        _ => name.to_owned(),
    }
}

/// Names, with `[sd]` for letters that differ: `cblas_[sd]scal`.
pub fn patterns(routines: &[&&'static Routine]) -> Vec<(String, Family)> {
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
