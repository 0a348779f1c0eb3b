//! The result in the form that `--json` prints. Fields are added, never renamed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the form.
pub const SCHEMA: &str = "raptors-trace/imports/1";

/// The routines that all subjects can call.
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
    /// Its name: a file name or the name of a package.
    pub name: String,
    /// Its kind.
    pub kind: SubjectKind,
    /// Its path.
    pub path: String,
    /// The version of a wheel or an installed package, if it is known.
    pub version: Option<String>,
    /// The interpreter that gave the path of the package.
    pub interpreter: Option<String>,
    /// The number of different routines that all files together import.
    pub imports: Counts,
    /// The ELF and Mach-O files that were read, in the order of their paths.
    pub files: Vec<File>,
    /// The files that looked like ELF or Mach-O and could not be read.
    pub unread: Vec<Unread>,
}

/// The kind of a subject.
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
    /// Its path inside its subject.
    pub path: String,
    /// ELF or Mach-O.
    pub format: Format,
    /// `x86_64`, `aarch64`, …
    pub architecture: String,
    /// Width of its addresses.
    pub bits: u32,
    /// The kind of file.
    pub kind: FileKind,
    /// The name under which others need it: ELF's SONAME, Mach-O's install name.
    pub identity: Option<String>,
    /// The libraries that it needs, in its order.
    pub libraries: Vec<Library>,
    /// The imported routines, and other known imports from a math library, by name.
    pub imports: Vec<Import>,
    /// The number of `imports` of each family.
    pub counts: Counts,
    /// The number of exported symbols that have the names of routines of the catalogue.
    pub defines: Counts,
    /// The number of local symbols that have the names of routines of the catalogue which the file does not import: a
    /// wrapper that passes a call on has the routine's name, too.
    pub holds: Counts,
    /// Whether local symbols could be seen; a stripped file has none, and `holds` is then meaningless.
    pub local_symbols: bool,
    /// The imported functions that find others by name: `dlsym`, `dlopen`, …
    pub looks_up: Vec<String>,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Linux and other systems.
    Elf,
    /// macOS.
    MachO,
}

/// The kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A shared library or a loadable module (ELF does not distinguish them).
    Library,
    /// A loadable module of Mach-O, which cannot be linked against.
    Bundle,
    /// A program.
    Program,
}

/// A library that a file needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Library {
    /// Its name in the file.
    pub name: String,
    /// The file of the same subject with this name.
    pub file: Option<String>,
}

/// A symbol that a file imports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// The file's spelling, without Mach-O's leading underscore: `cblas_sgemm$NEWLAPACK$ILP64`.
    pub symbol: String,
    /// The routine's own name: `cblas_sgemm`. For a symbol that is not in the catalogue, the symbol without its
    /// mangling.
    pub routine: String,
    /// Its family.
    pub family: Family,
    /// Whether the catalogue has it; otherwise the family comes from its name and its library.
    pub in_catalogue: bool,
    /// Width of the interface's integers, if the symbol or the library's name shows it.
    pub integer_bits: Option<u32>,
    /// The libraries that may provide it; one if it is known.
    pub libraries: Vec<String>,
    /// The file of the same subject that provides it.
    pub file: Option<String>,
    /// The certainty of `libraries`.
    pub binding: Binding,
}

/// The source of the knowledge about a symbol's library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The file names it (Mach-O's two-level namespace).
    Exact,
    /// A needed library was read and defines it.
    Defined,
    /// A needed library has the name of one that provides such symbols.
    ByName,
    /// One of the needed libraries.
    OneOf,
    /// No needed library; any library that the process has loaded by then.
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
    /// The extensions of the BLAS in OpenBLAS and Accelerate, in either convention.
    BlasExtension,
    /// LAPACK, under its Fortran names or LAPACKE's.
    Lapack,
    /// Apple's vDSP.
    Vdsp,
    /// Apple's vForce.
    Vforce,
    /// Anything else from a math library: its number of threads, BNNS, vImage.
    Other,
}

impl Family {
    /// All families, in the order of the tables.
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

/// A number for each family; zeros are included.
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

    /// Adds one to a family.
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

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    /// Its path inside its subject.
    pub path: String,
    /// The reason.
    pub why: String,
}
