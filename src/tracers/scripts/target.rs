//! What a script is made for: any process, or one interpreter with its libraries.

use std::path::PathBuf;

use raptors_routines::{Routine, Width};

/// What a script is made for.
#[derive(Clone, Debug)]
pub enum Target {
    /// Any process: the scripts that are committed.
    Generic,
    /// One interpreter or running process, with the real paths and names.
    Filled(Box<Filled>),
}

/// What was found of an interpreter or a running process.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// The processes to watch, one or two; none: every process that uses these files.
    pub processes: Vec<u32>,
    /// The interpreter that was asked, where it was not a process.
    pub python: Option<PathBuf>,
    /// The libraries with routines of the catalogue.
    pub libraries: Vec<Library>,
    /// NumPy's inner loops.
    pub loops: Vec<LoopPoint>,
    /// The files with the probes of the provider `raptors`.
    pub extensions: Vec<PathBuf>,
    /// The C library, for its allocator.
    pub libc: Option<PathBuf>,
    /// Where a single process has the code of its files, to name callers by.
    pub modules: Vec<Module>,
    /// What could not be armed, and why.
    pub left_out: Vec<LeftOut>,
}

/// Where a process has the code of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The file's name, without its directory.
    pub name: String,
    /// The first address.
    pub start: u64,
    /// The address after the last one.
    pub end: u64,
}

/// Something that a script does not watch.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// What: a path, or a loop.
    pub what: String,
    /// Why.
    pub why: String,
}

/// A library with routines of the catalogue.
#[derive(Clone, Debug)]
pub struct Library {
    /// Where it is.
    pub path: PathBuf,
    /// The name that others load it by, where it says so.
    pub soname: Option<String>,
    /// Its routines that a script may watch.
    pub routines: Vec<Exported>,
    /// Its addresses differ from its file offsets, which DTrace for Linux confuses.
    pub shifted: bool,
}

impl Library {
    /// The names that it may be loaded by: its soname and its file's name.
    pub fn names(&self) -> Vec<String> {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let soname = self.soname.iter().filter(|soname| **soname != file).cloned();
        soname.chain([file.clone()]).collect()
    }
}

/// A routine as one library exports it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The library's symbol.
    pub symbol: String,
    /// What it is.
    pub routine: &'static Routine,
    /// How wide its integers are.
    pub width: Width,
}

/// One inner loop of a ufunc: where its code is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopPoint {
    /// The ufunc's name, `multiply`.
    pub ufunc: String,
    /// The types it takes and gives, `ff->f`.
    pub types: String,
    /// Other ufuncs that run the same code, and cannot be told apart from this one.
    pub shared_with: Vec<String>,
    /// How many arrays it is handed: inputs and outputs.
    pub operands: usize,
    /// How many dimensions beside the outer one it is handed: 3 for `matmul`, 0 for an elementwise one.
    pub core_dimensions: usize,
    /// The file with its code.
    pub path: PathBuf,
    /// The code's offset in the file.
    pub offset: u64,
    /// The code's address in the file's own numbering.
    pub address: u64,
    /// The symbol that names it, where the file is not stripped of it.
    pub symbol: Option<String>,
    /// The file's addresses differ from its offsets.
    pub shifted: bool,
}

impl LoopPoint {
    /// As the tables write it: `np.multiply[ff->f]`, `np.hypot[ff->f] +1` where another ufunc runs the same code.
    pub fn name(&self) -> String {
        let name = format!("np.{}[{}]", self.ufunc, self.types);
        match self.shared_with.len() {
            0 => name,
            others => format!("{name} +{others}"),
        }
    }

    /// Whether it is a loop of this ufunc.
    pub fn serves(&self, ufunc: &str) -> bool {
        self.ufunc == ufunc || self.shared_with.iter().any(|other| other == ufunc)
    }
}
