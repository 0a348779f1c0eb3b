//! The functions that one file with code describes.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use addr2line::Loader;
use gimli::UnwindSection;
use object::{BinaryFormat, Object, ObjectSection, ObjectSegment, ObjectSymbol};

use super::debug::separate_debug_file;
use super::demangle::demangle;
use crate::profile::Named;

/// A symbol with its code, as addresses in the file's own numbering.
struct Symbol {
    range: Range<u64>,
    name: String,
}

/// A function found at an address. If it is inlined, the compiler put it into the one before it.
pub(super) struct Found {
    pub name: String,
    pub file: Option<Arc<str>>,
    pub line: Option<u32>,
    pub named: Named,
}

/// A module's tables, read once.
#[derive(Default)]
pub(super) struct Module {
    /// The lowest loaded address, from which offsets count.
    base: u64,
    /// By their start.
    symbols: Vec<Symbol>,
    /// The same from separate debug information.
    debug_symbols: Vec<Symbol>,
    /// The functions in the unwind tables, by their start.
    functions: Vec<Range<u64>>,
    /// Lines and inlined functions.
    lines: Option<Loader>,
}

impl Module {
    /// Reads the file at `path`, and its debug information from beside it or from under `debug_root`. An unreadable
    /// file is no error: it has no functions, and its frames are named by their offset.
    pub fn read(path: &Path, debug_root: &Path) -> Module {
        let Ok(data) = std::fs::read(path) else {
            return Module::default();
        };
        let Ok(file) = object::File::parse(&*data) else {
            return Module::default();
        };
        let debug_path = separate_debug_file(&file, path, debug_root);
        let debug_symbols = debug_path.as_ref().and_then(|path| {
            let data = std::fs::read(path).ok()?;
            Some(symbols(&object::File::parse(&*data).ok()?))
        });
        let has_lines = file.section_by_name(".debug_info").is_some() || file.format() == BinaryFormat::MachO;
        let lines = debug_path.as_deref().or(has_lines.then_some(path));
        Module {
            base: base(&file),
            symbols: symbols(&file),
            debug_symbols: debug_symbols.unwrap_or_default(),
            functions: functions(&file),
            lines: lines.and_then(|path| Loader::new(path).ok()),
        }
    }

    /// The functions at `offset` from the load address, outermost first; none if no table has one.
    pub fn find(&self, offset: u64) -> Vec<Found> {
        let address = self.base.wrapping_add(offset);
        let own = self.symbol(&self.symbols, address);
        let symbol = own.or_else(|| self.symbol(&self.debug_symbols, address));
        let named = own.map_or(Named::DebugInfo, |_| Named::Symbols);
        let mut found = self.lines_at(address);
        if let (Some(symbol), Some(outer)) = (symbol, found.first_mut()) {
            outer.name = demangle(&symbol.name);
            outer.named = named;
        } else if let Some(symbol) = symbol {
            found.push(Found { name: demangle(&symbol.name), file: None, line: None, named });
        }
        found
    }

    /// The start and end of the function around `offset`, as offsets.
    pub fn function(&self, offset: u64) -> Option<Range<u64>> {
        let function = around(&self.functions, self.base.wrapping_add(offset), |range| range)?;
        Some(function.start.checked_sub(self.base)?..function.end.checked_sub(self.base)?)
    }

    /// The functions of an address in the debug information.
    fn lines_at(&self, address: u64) -> Vec<Found> {
        let Some(lines) = &self.lines else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let Ok(mut frames) = lines.find_frames(address) else {
            return found;
        };
        while let Ok(Some(frame)) = frames.next() {
            let Some(name) = frame.function.as_ref().and_then(|name| name.raw_name().ok()) else {
                continue;
            };
            let place = frame.location.as_ref();
            found.push(Found {
                name: demangle(&name),
                file: place.and_then(|place| place.file).map(Arc::from),
                line: place.and_then(|place| place.line),
                named: Named::DebugInfo,
            });
        }
        found.reverse();
        found
    }

    /// The symbol whose code holds `address`. A symbol without a size extends to the next symbol, but not beyond its
    /// function in the unwind tables: a stripped file has functions without a symbol in between.
    fn symbol<'a>(&self, symbols: &'a [Symbol], address: u64) -> Option<&'a Symbol> {
        let symbol = around(symbols, address, |symbol| &symbol.range)?;
        let function = around(&self.functions, address, |range| range);
        let elsewhere = function.is_some_and(|function| function.start > symbol.range.start);
        (!elsewhere).then_some(symbol)
    }
}

/// The entry whose range holds `address`, in a list sorted by the start.
fn around<T>(sorted: &[T], address: u64, range: impl Fn(&T) -> &Range<u64>) -> Option<&T> {
    let after = sorted.partition_point(|entry| range(entry).start <= address);
    let entry = sorted.get(after.checked_sub(1)?)?;
    range(entry).contains(&address).then_some(entry)
}

/// The page of the first loaded byte, as the loader reports a module's address.
fn base(file: &object::File<'_>) -> u64 {
    const PAGE: u64 = 4096;
    let first = match file.format() {
        // The first segment of a program is a page without access rights.
        BinaryFormat::MachO => file
            .segments()
            .filter(|segment| matches!(segment.name(), Ok(Some("__TEXT"))))
            .map(|segment| segment.address())
            .min(),
        _ => file.segments().map(|segment| segment.address()).min(),
    };
    first.unwrap_or(0) / PAGE * PAGE
}

/// The functions with names in the file, each address once, by their start.
fn symbols(file: &object::File<'_>) -> Vec<Symbol> {
    let is_code = |symbol: &object::Symbol<'_, '_>| symbol.is_definition() && symbol.kind() == object::SymbolKind::Text;
    let symbols = file.symbols().chain(file.dynamic_symbols());
    let listed = symbols.filter(is_code).filter_map(|symbol| {
        let name = symbol.name().ok()?;
        let name = match file.format() {
            BinaryFormat::MachO => name.strip_prefix('_').unwrap_or(name),
            _ => name,
        };
        // Names with this prefix mark changes between code and data on ARM.
        let is_name = !name.is_empty() && !name.starts_with('$');
        is_name.then(|| (symbol.address(), symbol.size(), name.to_owned()))
    });
    let listed = one_for_each_address(listed.collect());
    let next = listed.iter().skip(1).map(|symbol| symbol.0);
    let next: Vec<u64> = next.chain([u64::MAX]).collect();
    let ended = |((start, size, name), next): ((u64, u64, String), u64)| {
        let end = if size == 0 { next } else { start.saturating_add(size) };
        Symbol { range: start..end, name }
    };
    listed.into_iter().zip(next).map(ended).collect()
}

/// Of several names for one address, the public one, with the largest size.
fn one_for_each_address(mut symbols: Vec<(u64, u64, String)>) -> Vec<(u64, u64, String)> {
    let underscores = |name: &str| name.bytes().take_while(|byte| *byte == b'_').count();
    symbols.sort_by_cached_key(|(address, _, name)| (*address, underscores(name), name.len(), name.clone()));
    symbols.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 = first.1.max(later.1);
        }
        same
    });
    symbols
}

/// The functions in the file's unwind tables, by their start.
fn functions(file: &object::File<'_>) -> Vec<Range<u64>> {
    read_functions(file).unwrap_or_default()
}

fn read_functions(file: &object::File<'_>) -> Option<Vec<Range<u64>>> {
    let section = file.section_by_name(".eh_frame").or_else(|| file.section_by_name("__eh_frame"))?;
    let data = section.uncompressed_data().ok()?;
    let endian = match file.is_little_endian() {
        true => gimli::RunTimeEndian::Little,
        false => gimli::RunTimeEndian::Big,
    };
    let mut tables = gimli::EhFrame::new(&data, endian);
    tables.set_address_size(if file.is_64() { 8 } else { 4 });
    let mut bases = gimli::BaseAddresses::default().set_eh_frame(section.address());
    if let Some(text) = file.section_by_name(".text").or_else(|| file.section_by_name("__text")) {
        bases = bases.set_text(text.address());
    }
    let mut functions = Vec::new();
    let mut entries = tables.entries(&bases);
    while let Ok(Some(entry)) = entries.next() {
        if let gimli::CieOrFde::Fde(partial) = entry
            && let Ok(function) = partial.parse(gimli::EhFrame::cie_from_offset)
            && let Some(end) = function.initial_address().checked_add(function.len())
        {
            functions.push(function.initial_address()..end);
        }
    }
    functions.sort_by_key(|function| (function.start, function.end));
    Some(functions)
}
