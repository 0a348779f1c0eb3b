//! The contents of an ELF or Mach-O file. Pure: it reads bytes.

use object::macho::{FatArch32, FatArch64, MachHeader32, MachHeader64};
use object::read::macho::{FatArch, MachOFatFile};
use object::{Endianness, ReadRef};

use super::model::{FileKind, Format};
use super::{elf, macho};

/// More slices than any fat file has; a Java class, which begins with the same four bytes, has 45 here.
const MOST_SLICES: usize = 16;

/// The reason that a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub(super) String);

impl From<object::Error> for Unreadable {
    fn from(error: object::Error) -> Self {
        Self(format!("it is damaged or cut off: {error}"))
    }
}

/// An image's tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// ELF or Mach-O.
    pub format: Format,
    /// `x86_64`, `aarch64`, …
    pub architecture: String,
    /// Width of its addresses.
    pub bits: u32,
    /// The kind of file.
    pub kind: FileKind,
    /// SONAME or install name.
    pub identity: Option<String>,
    /// The needed libraries, by their names in the file.
    pub needed: Vec<String>,
    /// The imported symbols, without Mach-O's underscore; C++'s are left out.
    pub imports: Vec<(String, Source)>,
    /// The exported symbols; C++'s are left out.
    pub exports: Vec<String>,
    /// The visible local symbols; C++'s are left out.
    pub locals: Vec<String>,
    /// Whether there is a table for local symbols.
    pub local_symbols: bool,
}

impl Image {
    /// An image without its tables.
    pub fn empty(format: Format, architecture: String, bits: u32, kind: FileKind) -> Self {
        Self {
            format,
            architecture,
            bits,
            kind,
            identity: None,
            needed: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            locals: Vec::new(),
            local_symbols: false,
        }
    }
}

/// The source of an imported symbol, as far as the file shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The library at this place in `needed`.
    Needed(usize),
    /// The first needed library that has it.
    AnyNeeded,
    /// Any library that the process has loaded.
    Process,
}

/// The format of a file by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magic {
    /// ELF or Mach-O, to be read.
    Native,
    /// A wheel or another zip archive.
    Zip,
    /// A library of object files.
    StaticLibrary,
    /// A program or library of Windows.
    Windows,
    /// None of these.
    Other,
}

impl Magic {
    /// The number of bytes that are read.
    pub const BYTES: usize = 8;

    /// Classifies the first bytes of a file.
    pub fn of(bytes: &[u8]) -> Self {
        let slices = |bytes: &[u8]| {
            let count = bytes.get(4..8).and_then(|n| n.try_into().ok());
            count.is_some_and(|n| u32::from_be_bytes(n) as usize <= MOST_SLICES)
        };
        match bytes {
            [0x7f, b'E', b'L', b'F', ..] => Self::Native,
            [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => Self::Native,
            [0xca, 0xfe, 0xba, 0xbe | 0xbf, ..] if slices(bytes) => Self::Native,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Self::StaticLibrary,
            [b'M', b'Z', ..] => Self::Windows,
            _ => Self::Other,
        }
    }
}

/// Reads a file: an image for each architecture in it.
pub fn read<'data, R: ReadRef<'data>>(data: R) -> Result<Vec<Image>, Unreadable> {
    let first = data.len().unwrap_or(0).min(Magic::BYTES as u64);
    let magic = data.read_bytes_at(0, first).unwrap_or_default();
    if Magic::of(magic) != Magic::Native {
        return Err(Unreadable(not_native(magic).to_owned()));
    }
    match magic {
        [0xca, 0xfe, 0xba, 0xbe, ..] => fat::<FatArch32, R>(data),
        [0xca, 0xfe, 0xba, 0xbf, ..] => fat::<FatArch64, R>(data),
        _ => Ok(vec![thin(magic, data)?]),
    }
}

/// Reads a file of one architecture.
fn thin<'data, R: ReadRef<'data>>(magic: &[u8], data: R) -> Result<Image, Unreadable> {
    match magic {
        [0x7f, _, _, _, 1, ..] => elf::read::<object::elf::FileHeader32<Endianness>, R>(data),
        [0x7f, _, _, _, 2, ..] => elf::read::<object::elf::FileHeader64<Endianness>, R>(data),
        [0x7f, ..] => Err(Unreadable("it is an ELF file of neither 32 nor 64 bits".into())),
        [0xce, ..] | [_, _, _, 0xce, ..] => macho::read::<MachHeader32<Endianness>, R>(data),
        _ => macho::read::<MachHeader64<Endianness>, R>(data),
    }
}

/// Reads every slice. Slices that overlap would let a small file claim any amount of memory.
fn fat<'data, Arch: FatArch, R: ReadRef<'data>>(data: R) -> Result<Vec<Image>, Unreadable> {
    let file = MachOFatFile::<Arch>::parse(data)?;
    let size = |arch: &Arch| arch.size().into();
    let claimed = file.arches().iter().fold(0_u64, |sum, arch| sum.saturating_add(size(arch)));
    if claimed > data.len().unwrap_or(0) {
        return Err(Unreadable("it is damaged or cut off: its slices are larger than the file".into()));
    }
    let slice = |arch: &Arch| {
        let bytes = arch.data(data)?;
        match Magic::of(bytes) {
            Magic::Native if bytes.first() != Some(&0xca) => thin(bytes, bytes),
            _ => Err(Unreadable(format!("a slice of it is damaged: {}", not_native(bytes)))),
        }
    };
    file.arches().iter().map(slice).collect()
}

/// A description of a file in another format.
pub fn not_native(magic: &[u8]) -> &'static str {
    match Magic::of(magic) {
        Magic::StaticLibrary => "it is a static library: the final link decides what it calls",
        Magic::Windows => "it is a Windows file; only ELF and Mach-O are read",
        Magic::Zip => "it is a zip archive inside an archive",
        _ if magic.is_empty() => "it is empty",
        _ => "it is neither ELF nor Mach-O",
    }
}

/// Whether this is a mangled name of C++ or Rust: no routine has such a name, and a large library has a million of
/// them.
pub fn is_mangled(name: &[u8]) -> bool {
    name.is_empty() || name.starts_with(b"_Z") || name.starts_with(b"_R")
}
