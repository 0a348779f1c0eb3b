//! The functions that one file with code describes.

use std::fs::Metadata;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use gimli::UnwindSection;
use object::{BinaryFormat, Object, ObjectSection, ObjectSegment, ObjectSymbol};

use super::debug::separate_debug_file;
use super::demangle::demangle;
use super::file::{self, Refusal};
use super::lines::{Lines, Sections, Unpacked};
use crate::profile::Named;

/// A longer name is no name: symbols of a damaged file may all point into one long text.
pub(super) const LONGEST_NAME: usize = 1 << 16;
/// The names of one file together, bytes.
const NAMES: usize = 1 << 28;

/// A symbol with its code, as addresses in the file's own numbering.
struct Symbol {
    range: Range<u64>,
    name: String,
}

/// A function found at an address. If it is inlined, the compiler put it into the one before it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Function {
    pub name: Arc<str>,
    pub file: Option<Arc<str>>,
    pub line: Option<u32>,
    pub named: Named,
}

/// A module's tables, read once.
pub(super) struct Module<'data> {
    /// The lowest loaded address, from which offsets count.
    base: u64,
    /// By their start.
    symbols: Vec<Symbol>,
    /// The same from separate debug information.
    debug_symbols: Vec<Symbol>,
    /// The functions in the unwind tables, by their start.
    functions: Vec<Range<u64>>,
    /// Lines and inlined functions.
    lines: Option<Lines<'data>>,
}

/// Reads the file at `path`, and its debug information from beside it or from under `debug_root`, and gives its tables
/// to `use_it`. A file in which nothing can be found has empty tables, and its frames are named by their offset.
///
/// # Errors
/// A file that is not read, or that `is_right` refuses.
pub(super) fn with_module<T>(
    path: &Path,
    debug_root: &Path,
    is_right: impl FnOnce(Option<&object::File<'_>>, &Metadata) -> bool,
    use_it: impl FnOnce(&Module<'_>) -> T,
) -> Result<T, Refusal> {
    let (data, about) = file::read(path)?;
    let file = object::File::parse(&*data).ok();
    if !is_right(file.as_ref(), &about) {
        return Err(Refusal::Changed);
    }
    let Some(file) = file else {
        return Ok(use_it(&Module::empty()));
    };
    let debug_data = separate_debug_file(&file, path, debug_root);
    let debug = debug_data.as_deref().and_then(|data| object::File::parse(data).ok());
    let sections = match (&debug, &debug_data) {
        (Some(debug), Some(data)) => Sections::of(debug, data.len()),
        _ => Sections::of(&file, data.len()),
    };
    let lines = sections.as_ref().and_then(Sections::lines);
    #[cfg(target_os = "macos")]
    let lines = lines.or_else(|| Lines::of_objects(path, &file));
    Ok(use_it(&Module {
        base: base(&file),
        symbols: symbols(&file),
        debug_symbols: debug.as_ref().map(symbols).unwrap_or_default(),
        functions: functions(&file, data.len()),
        lines,
    }))
}

impl Module<'_> {
    /// A file of which nothing is known.
    pub fn empty() -> Module<'static> {
        Module { base: 0, symbols: Vec::new(), debug_symbols: Vec::new(), functions: Vec::new(), lines: None }
    }

    /// The functions at `offset` from the load address, outermost first; none if no table has one.
    pub fn find(&self, offset: u64) -> Vec<Function> {
        let address = self.base.wrapping_add(offset);
        let own = self.symbol(&self.symbols, address);
        let symbol = own.or_else(|| self.symbol(&self.debug_symbols, address));
        let named = own.map_or(Named::DebugInfo, |_| Named::Symbols);
        let mut found = self.lines.as_ref().map(|lines| lines.at(address)).unwrap_or_default();
        if let (Some(symbol), Some(outer)) = (symbol, found.first_mut()) {
            outer.name = demangle(&symbol.name).into();
            outer.named = named;
        } else if let Some(symbol) = symbol {
            found.push(Function { name: demangle(&symbol.name).into(), file: None, line: None, named });
        }
        found
    }

    /// The start and end of the function around `offset`, as offsets.
    pub fn function(&self, offset: u64) -> Option<Range<u64>> {
        let function = around(&self.functions, self.base.wrapping_add(offset), |range| range)?;
        Some(function.start.checked_sub(self.base)?..function.end.checked_sub(self.base)?)
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
    let mut bytes = 0;
    let listed = symbols.filter(is_code).map_while(|symbol| {
        let name = symbol.name().unwrap_or_default();
        bytes += name.len();
        (bytes <= NAMES).then_some((symbol, name))
    });
    let listed = listed.filter_map(|(symbol, name)| {
        let name = match file.format() {
            BinaryFormat::MachO => name.strip_prefix('_').unwrap_or(name),
            _ => name,
        };
        // Names with this prefix mark changes between code and data on ARM.
        let is_name = !name.is_empty() && !name.starts_with('$') && name.len() <= LONGEST_NAME;
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
    fn order(symbol: &(u64, u64, String)) -> (u64, usize, usize, &str) {
        let (address, _, name) = symbol;
        let underscores = name.bytes().take_while(|byte| *byte == b'_').count();
        (*address, underscores, name.len(), name)
    }
    symbols.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
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
fn functions(file: &object::File<'_>, bytes: usize) -> Vec<Range<u64>> {
    read_functions(file, bytes).unwrap_or_default()
}

fn read_functions(file: &object::File<'_>, bytes: usize) -> Option<Vec<Range<u64>>> {
    let section = file.section_by_name(".eh_frame").or_else(|| file.section_by_name("__eh_frame"))?;
    let data = Unpacked::of_file(bytes).section(&section)?;
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
