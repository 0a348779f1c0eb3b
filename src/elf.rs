//! What a tracer has to know of an ELF file before it puts probes into it: how it is laid out, whether its functions
//! still have names, and which USDT providers it carries. Nothing is run or mapped, and the file may be damaged.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use object::read::{ReadCache, ReadRef};
use object::{BinaryFormat, Endianness, Object, ObjectSection, ObjectSegment, SegmentFlags, elf};

use crate::error::Error;

/// What [`layout`] tells of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Every segment with code lies in the file as far from its beginning as it lies in memory from the file's base.
    /// DTrace for Linux and `perf probe` take the one for the other: where they differ (lld's layout, files rewritten by
    /// patchelf), their probes land at wrong places. bpftrace reads the program headers and is right in either case.
    pub vaddr_equals_offset: bool,
    /// It has `.symtab`, so functions that are not exported have names too.
    pub has_symtab: bool,
    /// The providers of its USDT probes, from its SystemTap notes.
    pub usdt_providers: BTreeSet<String>,
}

impl Layout {
    /// Whether it carries USDT probes of this provider.
    pub fn has_usdt(&self, provider: &str) -> bool {
        self.usdt_providers.contains(provider)
    }
}

/// Reads a file's headers and notes.
///
/// # Errors
/// When it cannot be read or is no ELF file.
pub fn layout(path: &Path) -> Result<Layout, Error> {
    let failed = |what: &str| Error::new(format!("{} {what}", path.display()));
    let file = File::open(path).map_err(|e| failed("cannot be opened").caused_by(e))?;
    let cache = ReadCache::new(file);
    let parsed = object::File::parse(&cache)
        .map_err(|e| failed("is no object file that can be read").caused_by(e))?;
    if parsed.format() != BinaryFormat::Elf {
        return Err(failed("is no ELF file"));
    }
    Ok(Layout {
        vaddr_equals_offset: code_is_where_the_file_says(&parsed),
        has_symtab: parsed.section_by_name(".symtab").is_some(),
        usdt_providers: usdt_providers(&parsed),
    })
}

/// Compared relative to the lowest segment, which takes the base of programs that are not position-independent away.
fn code_is_where_the_file_says<'data, R: ReadRef<'data>>(file: &object::File<'data, R>) -> bool {
    let distance = |segment: &object::Segment<'data, '_, R>| {
        segment.address().wrapping_sub(segment.file_range().0)
    };
    let Some(base) = file.segments().min_by_key(ObjectSegment::address) else {
        return true;
    };
    let base = distance(&base);
    file.segments()
        .filter(|segment| match segment.flags() {
            SegmentFlags::Elf { p_flags, .. } => p_flags.0 & elf::PF_X.0 != 0,
            _ => false,
        })
        .all(|segment| distance(&segment) == base)
}

fn usdt_providers<'data, R: ReadRef<'data>>(file: &object::File<'data, R>) -> BTreeSet<String> {
    let wide = if file.is_64() { 8 } else { 4 };
    file.sections()
        .filter(|section| section.name() == Ok(".note.stapsdt"))
        .filter_map(|section| section.data().ok())
        .flat_map(|notes| providers_in(notes, file.endianness(), wide))
        .collect()
}

/// The providers in a section of SystemTap notes: name size, description size and type in 4 bytes each, the name
/// `stapsdt`, then three addresses, provider, probe and arguments. What is cut off ends the list.
fn providers_in(mut notes: &[u8], endianness: Endianness, wide: usize) -> Vec<String> {
    const NAME: &[u8] = b"stapsdt\0";
    let number = |bytes: [u8; 4]| match endianness {
        Endianness::Little => u32::from_le_bytes(bytes) as usize,
        Endianness::Big => u32::from_be_bytes(bytes) as usize,
    };
    let mut take = |size: usize| {
        // Name and description are padded to 4 bytes each; the last one may lack its padding.
        let taken = notes.get(..size)?;
        notes = notes
            .get(size.checked_next_multiple_of(4)?..)
            .unwrap_or_default();
        Some(taken)
    };
    let mut next = || {
        let header = take(12)?;
        let size = |at: usize| Some(number(header.get(at..at + 4)?.try_into().ok()?));
        let (name_size, description_size) = (size(0)?, size(4)?);
        let name = take(name_size)?;
        let description = take(description_size)?;
        let strings = description.get(3 * wide..).filter(|_| name == NAME);
        let provider = strings.and_then(|strings| strings.split(|&byte| byte == 0).next());
        Some(provider.map(|name| String::from_utf8_lossy(name).into_owned()))
    };
    std::iter::from_fn(&mut next).flatten().collect()
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;
