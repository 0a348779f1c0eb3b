//! What the file of a loaded library tells a tracer: where its functions lie, and how its segments are laid out.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSegment, ObjectSymbol};

use crate::error::Error;

/// The file of a loaded library.
pub struct Image {
    symbols: HashMap<String, u64>,
    segments: Vec<Segment>,
    notes: HashMap<(String, String), u64>,
}

/// A loadable segment.
struct Segment {
    address: u64,
    size: u64,
    offset: u64,
}

impl Image {
    /// Reads a file's headers, symbols and probes.
    ///
    /// # Errors
    /// A file that cannot be read, or is no 64-bit ELF file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |what: &str| Error::new(format!("`{}` {what}", path.display()));
        let bytes = fs::read(path).map_err(|error| failed("cannot be read").caused_by(error))?;
        let file = ElfFile64::<Endianness>::parse(&*bytes)
            .map_err(|error| failed("is no 64-bit ELF file").caused_by(error))?;
        let functions = file.symbols().chain(file.dynamic_symbols());
        let named = functions
            .filter(|symbol| symbol.is_definition() && symbol.address() != 0)
            .filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.address())));
        let segment = |segment: object::read::elf::ElfSegment64<'_, '_, Endianness>| Segment {
            address: segment.address(),
            size: segment.size(),
            offset: segment.file_range().0,
        };
        let notes = file
            .section_by_name(".note.stapsdt")
            .and_then(|section| section.data().ok())
            .map(probes)
            .unwrap_or_default();
        Ok(Self {
            symbols: named.collect(),
            segments: file.segments().map(segment).collect(),
            notes,
        })
    }

    /// The address of a function, in the file's own numbering.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        self.symbols.get(name).copied()
    }

    /// The address of a probe's site (SystemTap notes).
    pub fn probe(&self, provider: &str, name: &str) -> Option<u64> {
        let key = (provider.to_owned(), name.to_owned());
        self.notes.get(&key).copied()
    }

    /// Whether code at `address` lies at the same offset in the file. Where it does not, DTrace 2 on Linux puts its
    /// `pid` probes at the wrong place.
    pub fn address_is_offset(&self, address: u64) -> bool {
        let holds = |segment: &&Segment| {
            (segment.address..segment.address + segment.size).contains(&address)
        };
        let segment = self.segments.iter().find(holds);
        segment.is_some_and(|segment| segment.address == segment.offset)
    }
}

/// The probes in a `.note.stapsdt` section: provider and name, and the address of the site.
///
/// Layout: <https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation>.
fn probes(section: &[u8]) -> HashMap<(String, String), u64> {
    const STAPSDT: u32 = 3;
    let word = |at: usize| -> Option<u32> {
        let bytes = section.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let mut found = HashMap::new();
    let mut at = 0;
    while let (Some(name), Some(size), Some(kind)) = (word(at), word(at + 4), word(at + 8)) {
        let padded = |n: u32| (n as usize).next_multiple_of(4);
        let start = at + 12 + padded(name);
        let next = start + padded(size);
        if let Some(note) = section.get(start..start + size as usize)
            && kind == STAPSDT
        {
            found.extend(probe(note));
        }
        at = next;
    }
    found
}

/// One note: three addresses, then provider, name and arguments, each ended by a zero.
fn probe(note: &[u8]) -> Option<((String, String), u64)> {
    let address = u64::from_le_bytes(note.get(..8)?.try_into().ok()?);
    let mut texts = note.get(24..)?.split(|&byte| byte == 0);
    let mut text = || Some(String::from_utf8_lossy(texts.next()?).into_owned());
    Some(((text()?, text()?), address))
}
