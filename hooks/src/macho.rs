//! The symbol pointers of Mach-O images: the addresses that a macOS program or library imports.
//!
//! Pure: it reads bytes, of a file or of a loaded image, and depends on no operating system. Pointers in data (tables
//! of functions, as f2py makes them) are not symbol pointers and are not found.

use object::endian::{BigEndian, LittleEndian as LE, U32};
use object::macho::{self, IndirectSymbol, MachHeader64, Nlist64, Section64, SegmentCommand64};
use object::pod::{Pod, from_bytes, slice_from_bytes};
use std::ops::Range;

/// The defect of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a sound 64-bit Mach-O image: {0}")]
pub struct Malformed(String);

/// One pointer that the dynamic linker fills with an imported symbol's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolPointer {
    /// The symbol as C spells it, without Mach-O's underscore: `cblas_sgemm$NEWLAPACK$ILP64`.
    pub symbol: String,
    /// The address of the pointer in the image's own numbering (before the slide).
    pub address: u64,
    /// `__la_symbol_ptr`, `__got`, `__auth_got`.
    pub section: String,
    /// Filled at the first call; until then it points into the image itself.
    pub lazy: bool,
    /// The library that the linker looks in, as the image names it. `None` where it looks in more than one.
    pub library: Option<String>,
    /// Signed for the processor (arm64e): a plain pointer stored here would crash.
    pub authenticated: bool,
}

/// A segment as the image describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// `__TEXT`, `__DATA_CONST`, …
    pub name: String,
    /// Its addresses, before the slide.
    pub addresses: Range<u64>,
    /// The offset of its bytes in the file.
    pub file_offset: u64,
    /// Made read-only once the linker has filled it (`SG_READ_ONLY`).
    pub read_only: bool,
}

/// The part of a Mach-O header that symbol pointers need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// All segments in order.
    pub segments: Vec<Segment>,
    /// Whether this is a program, not a library.
    pub program: bool,
    /// Whether it is part of the shared cache, whose pointers are not the image's own.
    pub in_shared_cache: bool,
    /// Whether every imported symbol names its library.
    two_level: bool,
    /// The libraries in the order of their numbers, the first of which is 1.
    libraries: Vec<String>,
    sections: Vec<Pointers>,
    symbols: (u64, u64),
    strings: (u64, u64),
    indirect: (u64, u64),
}

/// A section of symbol pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pointers {
    name: String,
    address: u64,
    count: u64,
    first: u64,
    lazy: bool,
}

/// The symbol pointers of a whole file (not a fat one: pass the slice of one architecture).
///
/// # Errors
/// Bytes that are not a 64-bit little-endian Mach-O image, or one whose tables reach outside it.
pub fn symbol_pointers(file: &[u8]) -> Result<Vec<SymbolPointer>, Malformed> {
    let layout = Layout::parse(file)?;
    layout.symbol_pointers(|offset, length| {
        let start = usize::try_from(offset).ok()?;
        file.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    })
}

/// Bytes of header and load commands together, from the header's first 32 bytes.
///
/// # Errors
/// Another kind of file.
pub fn header_size(bytes: &[u8]) -> Result<usize, Malformed> {
    let header = header(bytes)?;
    Ok(size_of::<MachHeader64<LE>>() + header.sizeofcmds.get(LE) as usize)
}

fn header(bytes: &[u8]) -> Result<&MachHeader64<LE>, Malformed> {
    let (header, _) = take::<MachHeader64<LE>>(bytes, "the header")?;
    if header.magic.get(BigEndian) != macho::MH_CIGAM_64 {
        return Err(Malformed("it does not begin with the magic number".into()));
    }
    Ok(header)
}

fn take<'a, T: Pod>(bytes: &'a [u8], what: &str) -> Result<(&'a T, &'a [u8]), Malformed> {
    from_bytes(bytes).map_err(|()| Malformed(format!("{what} is cut off")))
}

impl Layout {
    /// Reads the header and its load commands; `bytes` need to hold no more than these.
    ///
    /// # Errors
    /// As for [`symbol_pointers`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = header(bytes)?;
        let flags = header.flags.get(LE);
        let mut layout = Layout {
            segments: Vec::new(),
            program: header.filetype.get(LE) == macho::MH_EXECUTE,
            in_shared_cache: flags.contains(macho::MH_DYLIB_IN_CACHE),
            two_level: flags.contains(macho::MH_TWOLEVEL) && !flags.contains(macho::MH_FORCE_FLAT),
            libraries: Vec::new(),
            sections: Vec::new(),
            symbols: (0, 0),
            strings: (0, 0),
            indirect: (0, 0),
        };
        let commands = bytes
            .get(size_of::<MachHeader64<LE>>()..header_size(bytes)?)
            .ok_or_else(|| Malformed("its load commands are cut off".into()))?;
        layout.read_commands(commands, header.ncmds.get(LE))?;
        Ok(layout)
    }

    fn read_commands(&mut self, mut rest: &[u8], count: u32) -> Result<(), Malformed> {
        for index in 0..count {
            let what = format!("load command {index}");
            let (command, _) = take::<macho::LoadCommand<LE>>(rest, &what)?;
            let size = command.cmdsize.get(LE) as usize;
            if size < size_of::<macho::LoadCommand<LE>>() || size > rest.len() {
                return Err(Malformed(format!("{what} claims {size} bytes")));
            }
            let (body, after) = rest.split_at(size);
            match command.cmd.get(LE) {
                macho::LC_SEGMENT_64 => self.read_segment(body, &what)?,
                macho::LC_SYMTAB => {
                    let (table, _) = take::<macho::SymtabCommand<LE>>(body, &what)?;
                    self.symbols = (table.symoff.get(LE).into(), table.nsyms.get(LE).into());
                    self.strings = (table.stroff.get(LE).into(), table.strsize.get(LE).into());
                }
                macho::LC_DYSYMTAB => {
                    let (table, _) = take::<macho::DysymtabCommand<LE>>(body, &what)?;
                    self.indirect = (table.indirectsymoff.get(LE).into(), table.nindirectsyms.get(LE).into());
                }
                macho::LC_LOAD_DYLIB
                | macho::LC_LOAD_WEAK_DYLIB
                | macho::LC_REEXPORT_DYLIB
                | macho::LC_LAZY_LOAD_DYLIB
                | macho::LC_LOAD_UPWARD_DYLIB => self.libraries.push(library(body, &what)?),
                _ => {}
            }
            rest = after;
        }
        Ok(())
    }

    fn read_segment(&mut self, body: &[u8], what: &str) -> Result<(), Malformed> {
        let (segment, rest) = take::<SegmentCommand64<LE>>(body, what)?;
        let start = segment.vmaddr.get(LE);
        self.segments.push(Segment {
            name: text(&segment.segname),
            addresses: start..start.saturating_add(segment.vmsize.get(LE)),
            file_offset: segment.fileoff.get(LE),
            read_only: segment.flags.get(LE).contains(macho::SG_READ_ONLY),
        });
        let count = segment.nsects.get(LE) as usize;
        let (sections, _) = slice_from_bytes::<Section64<LE>>(rest, count)
            .map_err(|()| Malformed(format!("{what} claims {count} sections")))?;
        for section in sections {
            let kind = section.flags.get(LE).typ();
            if kind == macho::S_LAZY_SYMBOL_POINTERS || kind == macho::S_NON_LAZY_SYMBOL_POINTERS {
                self.sections.push(Pointers {
                    name: text(&section.sectname),
                    address: section.addr.get(LE),
                    count: section.size.get(LE) / 8,
                    first: section.reserved1.get(LE).into(),
                    lazy: kind == macho::S_LAZY_SYMBOL_POINTERS,
                });
            }
        }
        Ok(())
    }

    /// The segment of this name.
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|s| s.name == name)
    }

    /// The pointers to symbols of other images. `at` returns a number of bytes at an offset of the file.
    ///
    /// # Errors
    /// A table that `at` does not have, or an index outside its table.
    pub fn symbol_pointers<'a>(
        &self,
        at: impl Fn(u64, u64) -> Option<&'a [u8]>,
    ) -> Result<Vec<SymbolPointer>, Malformed> {
        let table = |(offset, count): (u64, u64), size: usize, what: &str| {
            at(offset, count.saturating_mul(size as u64)).ok_or_else(|| Malformed(format!("its {what} lies outside")))
        };
        let symbols = plain::<Nlist64<LE>>(table(self.symbols, size_of::<Nlist64<LE>>(), "symbol table")?);
        let indirect = plain::<U32<LE, IndirectSymbol>>(table(self.indirect, 4, "table of indirect symbols")?);
        let strings = table(self.strings, 1, "string table")?;
        let mut found = Vec::new();
        for section in &self.sections {
            let entries = range(section.first, section.count, indirect.len())
                .ok_or_else(|| Malformed(format!("section {} has more pointers than symbols", section.name)))?;
            for (place, entry) in indirect[entries].iter().enumerate() {
                let Some(symbol) = imported(symbols, entry.get(LE))? else {
                    continue;
                };
                found.push(SymbolPointer {
                    symbol: name(strings, symbol)?,
                    address: section.address.wrapping_add(8 * place as u64),
                    section: section.name.clone(),
                    lazy: section.lazy,
                    library: self.library_of(symbol),
                    authenticated: section.name.starts_with("__auth"),
                });
            }
        }
        Ok(found)
    }

    /// The library of an imported symbol; the special numbers (the image itself, the program, all images) are above
    /// those of libraries, or 0.
    fn library_of(&self, symbol: &Nlist64<LE>) -> Option<String> {
        let number = usize::from(symbol.n_desc.get(LE).library().0);
        let library = self.libraries.get(number.checked_sub(1)?);
        library.filter(|_| self.two_level && number <= usize::from(macho::MAX_LIBRARY_ORDINAL)).cloned()
    }
}

/// The name in a load command of a library.
fn library(body: &[u8], what: &str) -> Result<String, Malformed> {
    let (command, _) = take::<macho::DylibCommand<LE>>(body, what)?;
    let start = command.dylib.name.offset.get(LE) as usize;
    let name = body.get(start..).and_then(|rest| rest.split(|b| *b == 0).next());
    let name = name.ok_or_else(|| Malformed(format!("{what} has its name at {start} of {}", body.len())))?;
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// As many complete elements as the bytes hold; all types used here have alignment 1.
fn plain<T: Pod>(bytes: &[u8]) -> &[T] {
    slice_from_bytes(bytes, bytes.len() / size_of::<T>()).map_or(&[], |(all, _)| all)
}

fn range(first: u64, count: u64, len: usize) -> Option<Range<usize>> {
    let (first, end) = (usize::try_from(first).ok()?, usize::try_from(first.checked_add(count)?).ok()?);
    (end <= len).then_some(first..end)
}

/// The symbol behind an entry of the indirect table, if it is imported from another image.
fn imported(symbols: &[Nlist64<LE>], entry: IndirectSymbol) -> Result<Option<&Nlist64<LE>>, Malformed> {
    // Local and absolute symbols have no index.
    let Some(index) = entry.index() else {
        return Ok(None);
    };
    let symbol = symbols
        .get(index as usize)
        .ok_or_else(|| Malformed(format!("a pointer is of symbol {index} of {}", symbols.len())))?;
    let kind = symbol.n_type;
    let undefined = !kind.is_stab() && kind.is_ext() && kind.typ() == macho::N_UNDF;
    Ok(undefined.then_some(symbol))
}

fn name(strings: &[u8], symbol: &Nlist64<LE>) -> Result<String, Malformed> {
    let start = symbol.n_strx.get(LE) as usize;
    let bytes = strings
        .get(start..)
        .and_then(|rest| rest.split(|b| *b == 0).next())
        .ok_or_else(|| Malformed(format!("a symbol's name is at {start} of {}", strings.len())))?;
    let name = String::from_utf8_lossy(bytes);
    Ok(raptors_routines::strip_mach_o_underscore(&name).to_owned())
}

/// A name in a field of 16 bytes.
fn text(field: &[u8; 16]) -> String {
    let used = field.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(used).into_owned()
}
