//! The tables of a Mach-O image: its symbols, and the library of each import.

use object::macho::{self, CpuType, FileType};
use object::read::macho::{LoadCommandData, MachHeader, Nlist};
use object::{Endianness, ReadRef, StringTable};

use super::model::{FileKind, Format};
use super::native::{Image, Source, Unreadable, is_mangled};

/// Reads them.
pub fn read<'data, M, R>(data: R) -> Result<Image, Unreadable>
where
    M: MachHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = M::parse(data, 0)?;
    let endian = header.endian()?;
    let bits = if header.is_type_64() { 64 } else { 32 };
    let mut image =
        Image::empty(Format::MachO, architecture(header.cputype(endian)), bits, kind(header.filetype(endian))?);
    let two_level = header.flags(endian).contains(macho::MH_TWOLEVEL);
    let mut commands = header.load_commands(endian, data, 0)?;
    while let Some(command) = commands.next()? {
        read_library(&mut image, command, endian)?;
        if let Some(table) = command.symtab()? {
            for (symbol, name) in named::<M, R>(table, endian, data)? {
                read_symbol(&mut image, symbol, name, endian, two_level);
            }
        }
    }
    Ok(image)
}

/// A symbol and its name.
type Named<'data, M> = (&'data <M as MachHeader>::Nlist, &'data [u8]);

/// The symbols with their names. Reads the string table whole: name by name would be a system call each.
fn named<'data, M, R>(
    table: &macho::SymtabCommand<Endianness>,
    endian: Endianness,
    data: R,
) -> Result<Vec<Named<'data, M>>, Unreadable>
where
    M: MachHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let symbols = table.symbols::<M, R>(endian, data)?;
    let (start, size) = (table.stroff.get(endian), table.strsize.get(endian));
    let bytes = data
        .read_bytes_at(start.into(), size.into())
        .map_err(|()| Unreadable("it is damaged or cut off: its names lie outside".into()))?;
    let strings = StringTable::new(bytes, 0, bytes.len() as u64);
    symbols.iter().map(|symbol| Ok((symbol, symbol.name(endian, strings)?))).collect()
}

fn kind(of: FileType) -> Result<FileKind, Unreadable> {
    match of {
        macho::MH_DYLIB => Ok(FileKind::Library),
        macho::MH_BUNDLE => Ok(FileKind::Bundle),
        macho::MH_EXECUTE => Ok(FileKind::Program),
        macho::MH_OBJECT => Err(Unreadable("it is an object file: the final link decides what it calls".into())),
        macho::MH_DSYM => Err(Unreadable("it contains debug information only".into())),
        _ => Err(Unreadable("it is a Mach-O file, but not a library, a bundle or a program".into())),
    }
}

fn architecture(cpu: CpuType) -> String {
    let name = match cpu {
        macho::CPU_TYPE_ARM64 => "aarch64",
        macho::CPU_TYPE_X86_64 => "x86_64",
        macho::CPU_TYPE_X86 => "x86",
        macho::CPU_TYPE_ARM => "arm",
        macho::CPU_TYPE_POWERPC => "powerpc",
        macho::CPU_TYPE_POWERPC64 => "powerpc64",
        other => return format!("processor {}", other.0),
    };
    name.to_owned()
}

/// The library in a load command, if it names one. Ordinals count these in order.
fn read_library(
    image: &mut Image,
    command: LoadCommandData<'_, Endianness>,
    endian: Endianness,
) -> Result<(), Unreadable> {
    let text = |dylib: &macho::DylibCommand<Endianness>| -> Result<String, Unreadable> {
        let name = command.string(endian, dylib.dylib.name)?;
        Ok(String::from_utf8_lossy(name).into_owned())
    };
    if let Some(dylib) = command.dylib()? {
        image.needed.push(text(dylib)?);
    } else if command.cmd() == macho::LC_ID_DYLIB {
        image.identity = Some(text(command.data()?)?);
    }
    Ok(())
}

fn read_symbol<N: Nlist<Endian = Endianness>>(
    image: &mut Image,
    symbol: &N,
    name: &[u8],
    endian: Endianness,
    two_level: bool,
) {
    // C++'s `_Z` follows Mach-O's underscore.
    let name = name.strip_prefix(b"_").unwrap_or(name);
    if symbol.is_stab() || is_mangled(name) {
        return;
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let kind = symbol.n_type();
    if symbol.is_undefined() && kind.is_ext() {
        image.imports.push((name, from(symbol.library_ordinal(endian), two_level)));
    } else if symbol.is_definition() && kind.is_ext() && !kind.is_pext() {
        image.exports.push(name);
    } else if symbol.is_definition() {
        image.local_symbols = true;
        image.locals.push(name);
    }
}

fn from(library: macho::SymbolLibrary, two_level: bool) -> Source {
    match library.index() {
        Some(ordinal) if two_level => Source::Needed(usize::from(ordinal) - 1),
        _ => Source::Process,
    }
}

#[cfg(test)]
#[path = "macho_tests.rs"]
mod tests;
