//! The relocations of a loaded ELF object for imported symbols.

use std::ffi::CStr;
use std::ops::Range;

/// A loaded object, as its program headers describe it.
pub(crate) struct Image {
    /// The file; empty for the program.
    pub path: String,
    /// Added to every address in the file.
    pub bias: usize,
    /// The object's segments in memory.
    loads: Vec<Segment>,
    dynamic: Range<usize>,
    relro: Option<Range<usize>>,
}

struct Segment {
    range: Range<usize>,
    readable: bool,
}

/// One place in an object that holds, or will hold, an imported function's address.
pub(crate) struct Import {
    /// The symbol's name.
    pub name: String,
    /// The address of the pointer.
    pub slot: usize,
    /// Whether the slot may still point to the object's own stub, which asks the loader at the first call.
    pub lazy: bool,
    /// The version of the symbol that the object was linked with. A version that its tables do not explain is empty,
    /// which no library has.
    pub(super) version: Option<String>,
    /// The reason that no plain pointer may be stored there; never set on Linux.
    pub closed: Option<&'static str>,
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const PF_R: u32 = 4;

const DT_NEEDED: i64 = 1;
const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_STRSZ: i64 = 10;
const DT_SONAME: i64 = 14;
const DT_PLTREL: i64 = 20;
const DT_JMPREL: i64 = 23;
const DT_VERSYM: i64 = 0x6fff_fff0;
const DT_VERDEFNUM: i64 = 0x6fff_fffd;
const DT_VERNEED: i64 = 0x6fff_fffe;

/// Relocation types whose result is a symbol's address: slots of the procedure linkage table, entries of the global
/// offset table, pointers in data.
#[cfg(target_arch = "x86_64")]
const JUMP_SLOT: u32 = 7;
#[cfg(target_arch = "x86_64")]
const POINTERS: [u32; 2] = [6, 1];
#[cfg(target_arch = "aarch64")]
const JUMP_SLOT: u32 = 1026;
#[cfg(target_arch = "aarch64")]
const POINTERS: [u32; 2] = [1025, 257];
// The numbers of other machines are unknown here; no machine has relocations of this type.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const JUMP_SLOT: u32 = u32::MAX;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const POINTERS: [u32; 2] = [u32::MAX; 2];

#[derive(Clone, Copy)]
#[repr(C)]
struct Dyn {
    tag: i64,
    value: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Rela {
    offset: u64,
    info: u64,
    addend: i64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Sym {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: u64,
    size: u64,
}

/// The versions that an object needs of one library.
#[derive(Clone, Copy)]
#[repr(C)]
struct Verneed {
    version: u16,
    count: u16,
    file: u32,
    first: u32,
    next: u32,
}

/// One of these versions.
#[derive(Clone, Copy)]
#[repr(C)]
struct Vernaux {
    hash: u32,
    flags: u16,
    /// The number that stands for it in the table of symbol versions.
    index: u16,
    name: u32,
    next: u32,
}

/// The number in a symbol's version without the bit that hides it. 0 and 1 stand for no version.
const VERSION_INDEX: u16 = 0x7fff;

/// More versions or libraries than any object needs: a damaged table must not be followed in a circle.
const MOST_VERSIONS: usize = 4096;

/// The contents of PT_DYNAMIC, as addresses in memory.
struct Tables {
    symbols: usize,
    strings: Range<usize>,
    relocations: [Range<usize>; 2],
    /// The version number of each symbol, and the versions with their numbers.
    versions: Option<(usize, usize)>,
}

impl Image {
    /// `None` for an object without a dynamic section.
    pub(super) fn new(info: &libc::dl_phdr_info) -> Option<Self> {
        let bias = info.dlpi_addr as usize;
        // SAFETY: the loader passes its object's program headers and their number.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        // SAFETY: the name is null or the loader's string for this object.
        let path = unsafe { info.dlpi_name.as_ref().map(|name| CStr::from_ptr(name)) };
        let range = |h: &libc::Elf64_Phdr| {
            let start = bias.wrapping_add(h.p_vaddr as usize);
            start..start.saturating_add(h.p_memsz as usize)
        };
        let first = |kind| headers.iter().find(|h| h.p_type == kind).map(range);
        let loads = headers.iter().filter(|h| h.p_type == PT_LOAD);
        Some(Image {
            path: path.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default(),
            bias,
            loads: loads.map(|h| Segment { range: range(h), readable: h.p_flags & PF_R != 0 }).collect(),
            dynamic: first(PT_DYNAMIC)?,
            relro: first(PT_GNU_RELRO),
        })
    }

    /// Whether an address belongs to this object.
    pub(crate) fn contains(&self, address: usize) -> bool {
        self.loads.iter().any(|s| s.range.contains(&address))
    }

    /// From the object's first byte in memory to its last.
    pub(crate) fn span(&self) -> Range<usize> {
        let ranges = || self.loads.iter().map(|s| &s.range);
        let start = ranges().map(|r| r.start).min().unwrap_or(0);
        start..ranges().map(|r| r.end).max().unwrap_or(start)
    }

    /// The pages that the loader makes read-only after relocation: both ends rounded down, as the loader does.
    pub(super) fn relro(&self, page: usize) -> Option<Range<usize>> {
        let range = self.relro.as_ref()?;
        let down = |address: usize| address & !(page - 1);
        let range = down(range.start)..down(range.end);
        (!range.is_empty()).then_some(range)
    }

    /// The imports with a wanted name whose symbol is not defined in the object itself. The caller holds the object
    /// loaded.
    pub(crate) fn imports(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<Import> {
        let mut found = Vec::new();
        let tables = self.tables();
        for table in &tables.relocations {
            for at in table.clone().step_by(size_of::<Rela>()) {
                found.extend(self.import(&tables, at, wanted));
            }
        }
        found
    }

    fn import(&self, tables: &Tables, at: usize, wanted: &dyn Fn(&str) -> bool) -> Option<Import> {
        let rela: Rela = self.read(at)?;
        let kind = rela.info as u32;
        if kind != JUMP_SLOT && (!POINTERS.contains(&kind) || rela.addend != 0) {
            return None;
        }
        let index = (rela.info >> 32) as usize;
        let symbol: Sym = self.read(tables.symbols.checked_add(index * size_of::<Sym>())?)?;
        if index == 0 || symbol.section != 0 {
            return None;
        }
        let name = self.text(&tables.strings, symbol.name as usize)?;
        let slot = self.bias.wrapping_add(rela.offset as usize);
        let sound = slot.is_multiple_of(8) && self.contains(slot) && self.contains(slot + 7);
        (sound && wanted(name)).then(|| Import {
            name: name.to_owned(),
            slot,
            lazy: kind == JUMP_SLOT,
            version: self.version(tables, index),
            closed: None,
        })
    }

    /// The version of the imported symbol `index`.
    fn version(&self, tables: &Tables, index: usize) -> Option<String> {
        let (numbers, needed) = tables.versions?;
        let number: u16 = self.read(numbers.checked_add(2 * index)?)?;
        let number = number & VERSION_INDEX;
        (number > 1).then(|| self.version_name(tables, needed, number).unwrap_or_default())
    }

    fn version_name(&self, tables: &Tables, needed: usize, number: u16) -> Option<String> {
        let mut library = needed;
        for _ in 0..MOST_VERSIONS {
            let of: Verneed = self.read(library)?;
            let mut at = library.checked_add(of.first as usize)?;
            for _ in 0..of.count {
                let one: Vernaux = self.read(at)?;
                if one.index & VERSION_INDEX == number {
                    return self.text(&tables.strings, one.name as usize).map(str::to_owned);
                }
                at = at.checked_add(one.next as usize)?;
            }
            library = library.checked_add(of.next as usize).filter(|_| of.next != 0)?;
        }
        None
    }

    /// The libraries that this one asks for, as it names them.
    pub(super) fn needed(&self) -> Vec<&str> {
        let strings = self.tables().strings;
        let needed = self.dynamic().into_iter().filter(|entry| entry.tag == DT_NEEDED);
        needed.filter_map(|entry| self.text(&strings, entry.value as usize)).collect()
    }

    /// The name that the object has for those that ask for it.
    pub(super) fn soname(&self) -> Option<&str> {
        let name = self.dynamic().into_iter().find(|entry| entry.tag == DT_SONAME)?;
        self.text(&self.tables().strings, name.value as usize)
    }

    /// Whether one name may stand for several functions of this object: it has more versions than one, beside its own
    /// name, which counts as the first.
    pub(super) fn has_versions(&self) -> bool {
        self.dynamic().iter().any(|entry| entry.tag == DT_VERDEFNUM && entry.value > 2)
    }

    fn dynamic(&self) -> Vec<Dyn> {
        let entries = self.dynamic.clone().step_by(size_of::<Dyn>());
        entries.map_while(|at| self.read::<Dyn>(at)).take_while(|entry| entry.tag != 0).collect()
    }

    fn tables(&self) -> Tables {
        let entries = self.dynamic();
        let get = |tag: i64| entries.iter().rfind(|entry| entry.tag == tag).map(|entry| entry.value as usize);
        let table = |start: i64, size: i64| match (get(start), get(size)) {
            (Some(start), Some(size)) => {
                let start = self.absolute(start);
                start..start.saturating_add(size)
            }
            _ => 0..0,
        };
        // Only the form with addends exists on the machines known here.
        let with_addends = get(DT_PLTREL).is_none_or(|kind| kind == DT_RELA as usize);
        let versions = get(DT_VERSYM).zip(get(DT_VERNEED));
        Tables {
            symbols: get(DT_SYMTAB).map_or(0, |a| self.absolute(a)),
            strings: table(DT_STRTAB, DT_STRSZ),
            relocations: [if with_addends { table(DT_JMPREL, DT_PLTRELSZ) } else { 0..0 }, table(DT_RELA, DT_RELASZ)],
            versions: versions.map(|(numbers, needed)| (self.absolute(numbers), self.absolute(needed))),
        }
    }

    /// glibc has replaced the addresses in the dynamic section by absolute ones, other loaders have not.
    fn absolute(&self, address: usize) -> usize {
        if self.contains(address) { address } else { self.bias.wrapping_add(address) }
    }

    /// A value in the object's readable memory.
    fn read<T: Copy>(&self, address: usize) -> Option<T> {
        let end = address.checked_add(size_of::<T>())?;
        let inside = |s: &Segment| s.readable && s.range.start <= address && end <= s.range.end;
        if !self.loads.iter().any(inside) {
            return None;
        }
        // SAFETY: inside a readable segment of an object that the caller keeps loaded; T is one of the plain structures
        // above; the read may be unaligned.
        Some(unsafe { (address as *const T).read_unaligned() })
    }

    /// A string of the string table.
    fn text(&self, strings: &Range<usize>, offset: usize) -> Option<&str> {
        let start = strings.start.checked_add(offset).filter(|s| *s < strings.end)?;
        self.read::<u8>(start)?;
        self.read::<u8>(strings.end - 1)?;
        // SAFETY: both ends of the table lie in readable segments of the object, which the caller keeps loaded;
        // the linker puts the table into one section, which lies in one segment.
        let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, strings.end - start) };
        CStr::from_bytes_until_nul(bytes).ok()?.to_str().ok()
    }
}
