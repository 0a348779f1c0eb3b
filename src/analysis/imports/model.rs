//! What was read, in the form that `--json` prints. Fields are added, never renamed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the form.
pub const SCHEMA: &str = "raptors-trace/imports/1";

/// What all subjects can call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Imports {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// In the order of the command line.
    pub subjects: Vec<Subject>,
}

/// A file, a directory, a wheel or an installed package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// What it is called: a file name or the name of a package.
    pub name: String,
    /// What it is.
    pub kind: SubjectKind,
    /// Where it is.
    pub path: String,
    /// The version of a wheel or an installed package, where it is known.
    pub version: Option<String>,
    /// The interpreter that was asked where the package is.
    pub interpreter: Option<String>,
    /// How many different routines all files together import.
    pub imports: Counts,
    /// The ELF and Mach-O files that were read, in the order of their paths.
    pub files: Vec<File>,
    /// What looked like such a file and could not be read.
    pub unread: Vec<Unread>,
}

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// One file.
    File,
    /// All files under a directory.
    Directory,
    /// The members of a wheel or another zip archive.
    Wheel,
    /// An installed package, with the directory of libraries beside it.
    Package,
}

/// An ELF file, a Mach-O file, or one architecture of a fat Mach-O file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct File {
    /// Where it is inside its subject.
    pub path: String,
    /// ELF or Mach-O.
    pub format: Format,
    /// `x86_64`, `aarch64`, …
    pub architecture: String,
    /// Width of its addresses.
    pub bits: u32,
    /// What kind of file.
    pub kind: FileKind,
    /// The name by which others need it: ELF's SONAME, Mach-O's install name.
    pub identity: Option<String>,
    /// The libraries that it needs, in its order.
    pub libraries: Vec<Library>,
    /// The routines that it imports and whatever else it is known to import from a math library, by name.
    pub imports: Vec<Import>,
    /// How many of `imports` are of which family.
    pub counts: Counts,
    /// How many symbols that it exports are named like routines of the catalogue.
    pub defines: Counts,
    /// How many symbols that it keeps to itself are named like routines of the catalogue which it does not import: a
    /// wrapper that hands a call on is named like the routine, too.
    pub holds: Counts,
    /// Whether symbols that it keeps to itself could be seen; a stripped file has none, and `holds` says nothing then.
    pub local_symbols: bool,
    /// The imported functions that find others by name: `dlsym`, `dlopen`, …
    pub looks_up: Vec<String>,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Of Linux and others.
    Elf,
    /// Of macOS.
    MachO,
}

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A shared library or a loadable module (ELF does not tell one from the other).
    Library,
    /// A loadable module of Mach-O, which nobody can link against.
    Bundle,
    /// A program.
    Program,
}

/// A library that a file needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Library {
    /// As the file names it.
    pub name: String,
    /// The file of the same subject that goes by this name.
    pub file: Option<String>,
}

/// A symbol that a file imports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// As the file spells it, without Mach-O's leading underscore: `cblas_sgemm$NEWLAPACK$ILP64`.
    pub symbol: String,
    /// The routine's own name: `cblas_sgemm`. For what the catalogue does not know, the symbol without its mangling.
    pub routine: String,
    /// Where it belongs.
    pub family: Family,
    /// Whether the catalogue knows it; otherwise the family was told from its name and its library.
    pub in_catalogue: bool,
    /// Width of the interface's integers, where the symbol or the library's name says it.
    pub integer_bits: Option<u32>,
    /// The libraries that may provide it; one where that is known.
    pub libraries: Vec<String>,
    /// The file of the same subject that provides it.
    pub file: Option<String>,
    /// How far `libraries` can be trusted.
    pub binding: Binding,
}

/// How it is known which library provides a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The file says so (Mach-O's two-level namespace).
    Exact,
    /// A needed library was read and defines it.
    Defined,
    /// A needed library is named like one that provides such symbols.
    ByName,
    /// One of the needed libraries.
    OneOf,
    /// Nothing that the file needs; whatever the process has loaded by then.
    Process,
}

/// The families of routines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The C interface to the BLAS.
    Cblas,
    /// The BLAS under its Fortran names.
    Blas,
    /// What OpenBLAS and Accelerate add to the BLAS, in either convention.
    BlasExtension,
    /// LAPACK, under its Fortran names or LAPACKE's.
    Lapack,
    /// Apple's vDSP.
    Vdsp,
    /// Apple's vForce.
    Vforce,
    /// Anything else of a math library: its number of threads, BNNS, vImage.
    Other,
}

impl Family {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 7] =
        [Self::Cblas, Self::Blas, Self::BlasExtension, Self::Lapack, Self::Vdsp, Self::Vforce, Self::Other];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cblas => "CBLAS",
            Self::Blas => "BLAS",
            Self::BlasExtension => "extensions",
            Self::Lapack => "LAPACK",
            Self::Vdsp => "vDSP",
            Self::Vforce => "vForce",
            Self::Other => "other",
        }
    }
}

impl From<raptors_routines::Family> for Family {
    fn from(family: raptors_routines::Family) -> Self {
        use raptors_routines::Family as Catalogue;
        match family {
            Catalogue::Cblas => Self::Cblas,
            Catalogue::Fortran => Self::Blas,
            Catalogue::Lapack => Self::Lapack,
            Catalogue::Vdsp => Self::Vdsp,
            Catalogue::Vforce => Self::Vforce,
            Catalogue::BlasExtension => Self::BlasExtension,
        }
    }
}

/// A number for each family; a zero is said as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Of [`Family::Cblas`].
    pub cblas: u64,
    /// Of [`Family::Blas`].
    pub blas: u64,
    /// Of [`Family::BlasExtension`].
    pub blas_extension: u64,
    /// Of [`Family::Lapack`].
    pub lapack: u64,
    /// Of [`Family::Vdsp`].
    pub vdsp: u64,
    /// Of [`Family::Vforce`].
    pub vforce: u64,
    /// Of [`Family::Other`].
    pub other: u64,
}

impl Counts {
    /// The number of a family.
    pub fn of(&self, family: Family) -> u64 {
        match family {
            Family::Cblas => self.cblas,
            Family::Blas => self.blas,
            Family::BlasExtension => self.blas_extension,
            Family::Lapack => self.lapack,
            Family::Vdsp => self.vdsp,
            Family::Vforce => self.vforce,
            Family::Other => self.other,
        }
    }

    /// One more of a family.
    pub fn add(&mut self, family: Family) {
        let count = match family {
            Family::Cblas => &mut self.cblas,
            Family::Blas => &mut self.blas,
            Family::BlasExtension => &mut self.blas_extension,
            Family::Lapack => &mut self.lapack,
            Family::Vdsp => &mut self.vdsp,
            Family::Vforce => &mut self.vforce,
            Family::Other => &mut self.other,
        };
        *count += 1;
    }

    /// Of all families.
    pub fn total(&self) -> u64 {
        Family::ALL.iter().map(|family| self.of(*family)).sum()
    }
}

impl FromIterator<Family> for Counts {
    fn from_iter<T: IntoIterator<Item = Family>>(families: T) -> Self {
        let mut counts = Self::default();
        families.into_iter().for_each(|family| counts.add(family));
        counts
    }
}

/// What could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    /// Where it is inside its subject.
    pub path: String,
    /// Why not.
    pub why: String,
}
