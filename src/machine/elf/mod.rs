//! What tracers and their scripts have to know of an ELF file: its functions, where its bytes are loaded, and which
//! USDT probes it carries. Nothing is run or mapped, and the file may be damaged.

use std::path::Path;

use object::read::{ReadCache, ReadRef};
use object::{
    BinaryFormat, Endianness, Object, ObjectSection, ObjectSegment, ObjectSymbol, SegmentFlags, SymbolKind, elf,
};

use crate::machine::files::open_regular;
use crate::model::error::Error;

/// A function that a file defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its symbol, without a version.
    pub name: String,
    /// Its address in the file's own numbering.
    pub address: u64,
    /// Its length in bytes; 0 where the file does not say.
    pub size: u64,
    /// Whether other files can link to it.
    pub exported: bool,
}

/// The facts of one ELF file.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The functions it defines, in the order of their addresses.
    pub functions: Vec<Function>,
    /// The name that other files load it by (DT_SONAME).
    pub soname: Option<String>,
    /// It has `.symtab`, so functions that are not exported have names too.
    pub has_symtab: bool,
    segments: Vec<Segment>,
    probes: Vec<Probe>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    address: u64,
    offset: u64,
    length: u64,
    executable: bool,
}

impl Segment {
    fn of<'data, S: ObjectSegment<'data>>(segment: &S) -> Self {
        let (offset, length) = segment.file_range();
        let executable = matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.0 & elf::PF_X.0 != 0);
        Self { address: segment.address(), offset, length, executable }
    }

    /// How much further from its beginning it lies in memory than in the file.
    fn shift(&self) -> u64 {
        self.address.wrapping_sub(self.offset)
    }
}

/// A USDT probe.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Probe {
    provider: String,
    name: String,
    address: u64,
}

impl Image {
    /// Reads a file's headers, symbols and notes.
    ///
    /// # Errors
    /// When it cannot be read or is no ELF file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |what: &str| Error::new(format!("{} {what}", path.display()));
        let file = open_regular(path).map_err(|e| failed("cannot be opened").caused_by(e))?;
        let cache = ReadCache::new(file);
        let file = object::File::parse(&cache).map_err(|e| failed("is not a readable object file").caused_by(e))?;
        if file.format() != BinaryFormat::Elf {
            return Err(failed("is no ELF file"));
        }
        Ok(Self {
            functions: all_functions(&file),
            soname: soname(&file),
            has_symtab: file.section_by_name(".symtab").is_some(),
            segments: file.segments().map(|s| Segment::of(&s)).collect(),
            probes: probes(&file),
        })
    }

    /// Whether a segment with code lies elsewhere in the file than in memory, both counted from the file's beginning.
    /// DTrace for Linux and `perf probe` take the one for the other: in such a file (lld's layout, files rewritten by
    /// patchelf) their probes land at wrong places. bpftrace reads the program headers and is right in either case.
    pub fn is_shifted(&self) -> bool {
        // The lowest segment takes the base of programs that are not position-independent away: DTrace 2.0.7 counts
        // rightly in one that begins at 0x400000.
        let lowest = self.segments.iter().min_by_key(|segment| segment.address);
        let base = lowest.map_or(0, Segment::shift);
        self.segments.iter().any(|segment| segment.executable && segment.shift() != base)
    }

    /// The address of a byte of the file, in the file's own numbering.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let holds = |s: &&Segment| offset.checked_sub(s.offset).is_some_and(|d| d < s.length);
        let segment = self.segments.iter().find(holds)?;
        Some(segment.address.wrapping_add(offset - segment.offset))
    }

    /// The function at an address: exactly there, or one that reaches over it.
    pub fn function_at(&self, address: u64) -> Option<&Function> {
        let exact = self.functions.iter().find(|f| f.address == address);
        exact.or_else(|| self.functions.iter().find(|f| f.address <= address && address - f.address < f.size))
    }

    /// The function of this symbol; one that is exported before others.
    pub fn function(&self, symbol: &str) -> Option<&Function> {
        let named = self.functions.iter().filter(|f| f.name == symbol);
        named.max_by_key(|f| f.exported)
    }

    /// The address of a USDT probe's site in the file's own numbering; the first of several.
    pub fn probe(&self, provider: &str, name: &str) -> Option<u64> {
        let is_it = |probe: &&Probe| probe.provider == provider && probe.name == name;
        Some(self.probes.iter().find(is_it)?.address)
    }

    /// Whether it carries USDT probes of this provider.
    pub fn has_usdt(&self, provider: &str) -> bool {
        self.probes.iter().any(|probe| probe.provider == provider)
    }
}

fn all_functions<'data, F: Object<'data>>(file: &F) -> Vec<Function> {
    let mut all = functions(file.symbols(), false);
    all.extend(functions(file.dynamic_symbols(), true));
    all.sort_by(|a, b| (a.address, &a.name, b.exported).cmp(&(b.address, &b.name, a.exported)));
    all.dedup_by(|later, earlier| (later.address, &later.name) == (earlier.address, &earlier.name));
    all
}

fn functions<'data>(symbols: impl Iterator<Item = impl ObjectSymbol<'data>>, exported: bool) -> Vec<Function> {
    symbols
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .filter_map(|symbol| {
            let name = symbol.name().ok()?;
            Some(Function {
                name: name.split('@').next().unwrap_or(name).to_owned(),
                address: symbol.address(),
                size: symbol.size(),
                exported,
            })
        })
        .collect()
}

fn soname<'data, R: ReadRef<'data>>(file: &object::File<'data, R>) -> Option<String> {
    let object::File::Elf64(file) = file else {
        return None;
    };
    let sections = file.elf_section_table();
    let table = sections.dynamic_table(file.endian(), file.data()).ok()?;
    let entry = table.iter().find(|entry| entry.tag == elf::DT_SONAME)?;
    let name = table.string(entry).ok()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

fn probes<'data, F: Object<'data>>(file: &F) -> Vec<Probe> {
    let wide = if file.is_64() { 8 } else { 4 };
    file.sections()
        .filter(|section| section.name() == Ok(".note.stapsdt"))
        .filter_map(|section| section.data().ok())
        .flat_map(|notes| probes_in(notes, file.endianness(), wide))
        .collect()
}

/// The probes in a section of SystemTap notes: name size, description size and type in 4 bytes each, the name
/// `stapsdt`, then three addresses (the site's first), provider, probe and arguments. What is cut off ends the list.
///
/// Layout: <https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation>.
fn probes_in(mut notes: &[u8], endianness: Endianness, wide: usize) -> Vec<Probe> {
    const NAME: &[u8] = b"stapsdt\0";
    const STAPSDT: u64 = 3;
    let number = |bytes: &[u8]| -> u64 {
        let add = |sum, &byte| sum << 8 | u64::from(byte);
        match endianness {
            Endianness::Little => bytes.iter().rev().fold(0, add),
            Endianness::Big => bytes.iter().fold(0, add),
        }
    };
    let mut take = |size: u64| {
        // Name and description are padded to 4 bytes each; the last one may lack its padding.
        let size = usize::try_from(size).ok()?;
        let taken = notes.get(..size)?;
        notes = notes.get(size.checked_next_multiple_of(4)?..).unwrap_or_default();
        Some(taken)
    };
    let mut next = || {
        let header = take(12)?;
        let name = take(number(&header[..4]))?;
        let description = take(number(&header[4..8]))?;
        let is_probe = name == NAME && number(&header[8..]) == STAPSDT;
        Some(is_probe.then(|| probe(description, number, wide)).flatten())
    };
    std::iter::from_fn(&mut next).flatten().collect()
}

fn probe(description: &[u8], number: impl Fn(&[u8]) -> u64, wide: usize) -> Option<Probe> {
    let mut texts = description.get(3 * wide..)?.split(|&byte| byte == 0);
    let mut text = || Some(String::from_utf8_lossy(texts.next()?).into_owned());
    Some(Probe { provider: text()?, name: text()?, address: number(&description[..wide]) })
}

#[cfg(test)]
mod tests;
