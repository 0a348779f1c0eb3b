//! Maps the address of a function to its file and its name there.

use crate::platform;
use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};
use std::collections::HashMap;
use std::fs::File;

/// The position of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file, empty if the address is in none.
    pub module: String,
    /// The offset from the file's image base, which a tracer adds to the base that it sees.
    pub offset: usize,
    /// The function's name; `None` in a stripped file.
    pub symbol: Option<String>,
}

/// The positions of many addresses; each file's symbols are read once.
pub(crate) fn locate(addresses: &[usize]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(addresses.len());
    let mut wanted: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, &address) in addresses.iter().enumerate() {
        let Some(module) = platform::module_of(address) else {
            places.push(Place::default());
            continue;
        };
        wanted.entry(module.path.clone()).or_default().push(index);
        places.push(Place { module: module.path, offset: address - module.base, symbol: module.symbol });
    }
    for (path, indices) in wanted {
        let offsets: Vec<usize> = indices.iter().map(|&i| places[i].offset).collect();
        for (&i, name) in indices.iter().zip(names(&path, &offsets)) {
            places[i].symbol = name.or_else(|| places[i].symbol.take());
        }
    }
    places
}

/// The names of the functions at `offsets` in a file's symbol tables; none if the file cannot be read, as for the
/// members of the macOS shared cache.
fn names(path: &str, offsets: &[usize]) -> Vec<Option<String>> {
    read_names(path, offsets).unwrap_or_else(|| vec![None; offsets.len()])
}

fn read_names(path: &str, offsets: &[usize]) -> Option<Vec<Option<String>>> {
    let file = File::open(path).ok()?;
    // SAFETY: the file is a loaded library; truncating it while it is mapped kills its process anyway.
    let map = unsafe { memmap2::Mmap::map(&file) }.ok()?;
    let object = object::File::parse(&*map).ok()?;
    let base = image_base(&object)?;
    let mut at: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, &offset) in offsets.iter().enumerate() {
        at.entry(base + offset as u64).or_default().push(index);
    }
    let mut names = vec![None; offsets.len()];
    for symbol in object.symbols().chain(object.dynamic_symbols()) {
        let function = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown);
        let Some(indices) = at.get(&symbol.address()).filter(|_| function && symbol.is_definition()) else {
            continue;
        };
        let Ok(name) = symbol.name() else { continue };
        for &index in indices {
            names[index].get_or_insert_with(|| plain(&object, name).to_owned());
        }
    }
    Some(names)
}

/// The file's own address of its first byte. In a Mach-O program `__PAGEZERO` comes before it.
fn image_base(object: &object::File) -> Option<u64> {
    match object.format() {
        object::BinaryFormat::MachO => object.segments().find(|s| s.name() == Ok(Some("__TEXT"))).map(|s| s.address()),
        _ => object.segments().map(|s| s.address()).min(),
    }
}

/// Mach-O puts an underscore before every C name.
fn plain<'a>(object: &object::File, name: &'a str) -> &'a str {
    match object.format() {
        object::BinaryFormat::MachO => raptors_routines::strip_mach_o_underscore(name),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    extern "C" fn named_by_the_symbol_table() {
        std::hint::black_box(());
    }

    #[test]
    fn a_local_function_is_named_from_the_symbol_table() {
        let address = named_by_the_symbol_table as *const () as usize;
        let place = locate(&[address]).remove(0);
        assert!(place.symbol.as_deref().is_some_and(|s| s.contains("named_by_the_symbol_table")), "{place:?}");
        assert!(place.module.contains("raptors_hooks"), "{place:?}");
    }

    #[test]
    fn an_address_in_no_file_has_no_place() {
        let on_heap = Box::new(0_u64);
        assert_eq!(locate(&[&raw const *on_heap as usize]), [Place::default()]);
    }
}
