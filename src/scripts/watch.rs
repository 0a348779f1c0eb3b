//! What a script puts its probes on: the request, and from it the places in D's and in bpftrace's words.

use raptors_routines::{Family, Routine, Width};

use super::select::{self, Layout};
use super::target::{Filled, LeftOut, LoopPoint, Target};
use super::text::{attach_path, probe_part};

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
    "multiply", "add", "subtract", "divide", "negative", "absolute", "square", "sqrt", "exp",
    "log", "maximum", "minimum", "power", "matmul", "vecdot",
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
    fn loops(&self) -> impl Iterator<Item = &LoopPoint> {
        let usual = |point: &&LoopPoint| {
            let floats = point.types.chars().all(|c| "fd->".contains(c));
            floats && !point.types.contains("df") && !point.types.contains("fd")
        };
        let wanted = move |point: &&LoopPoint| match self.ufuncs.as_slice() {
            [] => UFUNCS.contains(&point.ufunc.as_str()) && usual(point),
            [all] if all == "all" => true,
            names => names.contains(&point.ufunc),
        };
        self.filled()
            .into_iter()
            .flat_map(|filled| &filled.loops)
            .filter(wanted)
    }
}

/// Registers that hold integer arguments on every processor a script may run on: x86-64 has six, and DTrace reads the
/// two after them from the stack.
const BPFTRACE_REGISTERS: u8 = 6;
const DTRACE_REGISTERS: u8 = 8;

/// The routines in bpftrace's words, one entry for each routine and width, and what cannot be named.
pub fn bpftrace_routines(request: &Request) -> (Vec<Armed>, Vec<LeftOut>) {
    let mut armed: Vec<Armed> = Vec::new();
    let mut left_out = Vec::new();
    let mut add = |routine: &'static Routine, width, places: Vec<String>| {
        let same = |known: &&mut Armed| known.label == routine.name && known.width == Some(width);
        match armed.iter_mut().find(same) {
            Some(known) => known.places.extend(places),
            None => armed.push(Armed {
                label: routine.name,
                places,
                layout: select::layout(routine, BPFTRACE_REGISTERS),
                width: Some(width),
            }),
        }
    };
    let Some(filled) = request.filled() else {
        for routine in &request.routines {
            for width in [Width::Lp64, Width::Ilp64] {
                let places = generic_names(routine, width);
                if !places.is_empty() {
                    add(
                        routine,
                        width,
                        places.iter().map(|name| format!("$4:{name}")).collect(),
                    );
                }
            }
        }
        return (armed, left_out);
    };
    for library in &filled.libraries {
        match attach_path(&library.path) {
            Err(why) => left_out.push(LeftOut {
                what: library.path.display().to_string(),
                why,
            }),
            Ok(path) => {
                for exported in &library.routines {
                    let place = format!("{path}:{}", exported.symbol);
                    add(exported.routine, exported.width, vec![place]);
                }
            }
        }
    }
    (armed, left_out)
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

/// The loops in bpftrace's words, and what cannot be named.
pub fn bpftrace_loops(request: &Request) -> (Vec<ArmedLoop>, Vec<LeftOut>) {
    if request.filled().is_none() {
        return (
            generic_loops(|name| {
                let (most, last) = name.split_at(name.len() - 1);
                let patterns = [
                    format!("{most}*{last}"),
                    format!("{name}_X86_V*"),
                    format!("{name}_A*"),
                    format!("{name}_N*"),
                ];
                patterns.map(|name| format!("$3:{name}")).to_vec()
            }),
            Vec::new(),
        );
    }
    let (mut armed, mut left_out) = (Vec::new(), Vec::new());
    for point in request.loops() {
        match attach_path(&point.path) {
            Err(why) => left_out.push(LeftOut {
                what: point.name(),
                why,
            }),
            // bpftrace takes a number for an address where a symbol covers it, and for a file offset elsewhere.
            Ok(path) => armed.push(ArmedLoop {
                label: point.name(),
                places: vec![match point.symbol {
                    Some(_) => format!("{path}:{:#x}", point.address),
                    None => format!("{path}:{:#x}", point.offset),
                }],
                operands: point.operands,
                core_dimensions: point.core_dimensions,
            }),
        }
    }
    (armed, left_out)
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

/// The loops in D's words: only those whose file DTrace places right and whose symbol is there.
pub fn dtrace_loops(request: &Request, provider: &str) -> (Vec<ArmedLoop>, Vec<LeftOut>) {
    if request.filled().is_none() {
        let module = "_multiarray_umath*";
        return (
            generic_loops(|name| {
                let names = [name.to_owned(), format!("{name}_[XAN]*")];
                names
                    .map(|name| format!("{provider}:{module}:{}", optional(&name)))
                    .to_vec()
            }),
            Vec::new(),
        );
    }
    let (mut armed, mut left_out) = (Vec::new(), Vec::new());
    for point in request.loops() {
        let file = point.path.file_name().unwrap_or_default().to_string_lossy();
        let why = match &point.symbol {
            None => Some(
                "its file is stripped, and DTrace names functions by symbol; the .bt twin takes offsets",
            ),
            Some(_) if point.shifted => Some(SHIFTED),
            Some(_) => None,
        };
        match (why, &point.symbol) {
            (None, Some(symbol)) => armed.push(ArmedLoop {
                label: point.name(),
                places: vec![format!(
                    "{provider}:{}:{}",
                    probe_part(&file),
                    probe_part(symbol)
                )],
                operands: point.operands,
                core_dimensions: point.core_dimensions,
            }),
            (why, _) => left_out.push(LeftOut {
                what: point.name(),
                why: why.unwrap_or_default().into(),
            }),
        }
    }
    (armed, left_out)
}

const SHIFTED: &str = "its addresses differ from its file offsets (PT_LOAD), and DTrace for Linux takes one for the other: its probes would \
     never fire or damage other code; the .bt twin can watch it";

/// The routines in D's words, and what cannot be watched.
pub fn dtrace_routines(request: &Request, provider: &str) -> (Vec<Armed>, Vec<LeftOut>) {
    let Some(filled) = request.filled() else {
        let groups = select::by_layout(&request.routines, |routine| {
            select::layout(routine, DTRACE_REGISTERS)
        });
        let armed = groups.into_iter().map(|(layout, routines)| Armed {
            label: "",
            places: generic_places(&routines, provider),
            layout,
            width: None,
        });
        return (armed.collect(), Vec::new());
    };
    let mut left_out = Vec::new();
    let mut found = Vec::new();
    for library in &filled.libraries {
        let file = library
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        if library.shifted {
            left_out.push(LeftOut {
                what: library.path.display().to_string(),
                why: SHIFTED.into(),
            });
            continue;
        }
        for exported in &library.routines {
            let place = format!(
                "{provider}:{}:{}",
                probe_part(&file),
                probe_part(&exported.symbol)
            );
            found.push((exported, place));
        }
    }
    let mut armed: Vec<Armed> = Vec::new();
    for (exported, place) in found {
        let layout = select::layout(exported.routine, DTRACE_REGISTERS);
        let same =
            |known: &&mut Armed| known.layout == layout && known.width == Some(exported.width);
        match armed.iter_mut().find(same) {
            Some(known) => known.places.push(place),
            None => armed.push(Armed {
                label: "",
                places: vec![place],
                layout,
                width: Some(exported.width),
            }),
        }
    }
    (armed, left_out)
}

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
            Family::Cblas | Family::BlasExtension => &[
                ("libBLAS.dylib", ""),
                ("libBLAS.dylib", "?NEWLAPACK*"),
                (LINUX_MODULES, ""),
                (LINUX_MODULES, "64_"),
            ],
        };
        let names = spelled
            .iter()
            .map(|(module, suffix)| (module, optional(&format!("{name}{suffix}"))));
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
    let mut groups: Vec<(&str, &str, String, Family)> = Vec::new();
    for routine in routines {
        let at = select::letter(routine);
        let (before, letter, after) = match at {
            Some(at) => (
                &routine.name[..at],
                &routine.name[at..=at],
                &routine.name[at + 1..],
            ),
            None => (routine.name, "", ""),
        };
        let same = |group: &&mut (&str, &str, String, Family)| {
            at.is_some() && group.0 == before && group.1 == after
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.2.push_str(letter),
            None => groups.push((before, after, letter.to_owned(), routine.family)),
        }
    }
    groups
        .into_iter()
        .map(|(before, after, letters, family)| {
            let letters = if letters.len() > 1 {
                format!("[{letters}]")
            } else {
                letters
            };
            (format!("{before}{letters}{after}"), family)
        })
        .collect()
}
