//! The tables of an ELF file: dynamic symbols, needed libraries, and the symbols that stripping would remove.

use object::elf::{self, FileType, Machine, SectionType};
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym};
use object::{Endianness, ReadRef, StringTable};

use super::model::{FileKind, Format};
use super::native::{Image, Source, Unreadable, is_mangled};

/// Reads them.
pub fn read<'data, E, R>(data: R) -> Result<Image, Unreadable>
where
    E: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = E::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    if sections.is_empty() {
        return Err(Unreadable("it has no section headers, so its symbols cannot be listed".into()));
    }
    let bits = if header.is_class_64() { 64 } else { 32 };
    let mut image =
        Image::empty(Format::Elf, architecture(header.e_machine(endian)), bits, kind(header.e_type(endian))?);
    read_dynamic(&mut image, &sections, endian, data)?;
    for (symbol, name) in named(&sections, endian, data, elf::SHT_DYNSYM)? {
        if symbol.is_undefined(endian) {
            image.imports.push((name, Source::AnyNeeded));
        } else if !symbol.is_local() {
            image.exports.push(name);
        }
    }
    read_locals(&mut image, &sections, endian, data);
    Ok(image)
}

fn kind(of: FileType) -> Result<FileKind, Unreadable> {
    match of {
        elf::ET_DYN => Ok(FileKind::Library),
        elf::ET_EXEC => Ok(FileKind::Program),
        elf::ET_REL => Err(Unreadable("it is an object file: the final link decides what it calls".into())),
        elf::ET_CORE => Err(Unreadable("it is a core dump".into())),
        _ => Err(Unreadable("it is an ELF file of an unknown kind".into())),
    }
}

fn architecture(machine: Machine) -> String {
    let name = match machine {
        elf::EM_X86_64 => "x86_64",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_386 => "x86",
        elf::EM_ARM => "arm",
        elf::EM_PPC64 => "powerpc64",
        elf::EM_RISCV => "riscv",
        elf::EM_S390 => "s390x",
        elf::EM_LOONGARCH => "loongarch64",
        other => return format!("machine {}", other.0),
    };
    name.to_owned()
}

/// SONAME and NEEDED.
fn read_dynamic<'data, E, R>(
    image: &mut Image,
    sections: &SectionTable<'data, E, R>,
    endian: Endianness,
    data: R,
) -> Result<(), Unreadable>
where
    E: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let table = sections.dynamic_table(endian, data)?;
    for entry in table.iter() {
        let name = || -> Result<String, Unreadable> { Ok(String::from_utf8_lossy(table.string(entry)?).into_owned()) };
        match entry.tag {
            elf::DT_NEEDED => image.needed.push(name()?),
            elf::DT_SONAME => image.identity = Some(name()?),
            _ => {}
        }
    }
    // A position-independent program has the same type as a library, but requests an interpreter.
    let interpreted = sections.iter().any(|section| sections.section_name(endian, section) == Ok(b".interp"));
    if interpreted && image.identity.is_none() {
        image.kind = FileKind::Program;
    }
    Ok(())
}

/// The functions of the full symbol table that are not exported. Nothing depends on it, so damage to it is no failure.
fn read_locals<'data, E, R>(image: &mut Image, sections: &SectionTable<'data, E, R>, endian: Endianness, data: R)
where
    E: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let symbols = named(sections, endian, data, elf::SHT_SYMTAB).unwrap_or_default();
    image.local_symbols = !symbols.is_empty();
    let exported: std::collections::HashSet<&String> = image.exports.iter().collect();
    image.locals = symbols
        .into_iter()
        .filter(|(symbol, _)| !symbol.is_undefined(endian) && symbol.st_type() == elf::STT_FUNC)
        .map(|(_, name)| name)
        .filter(|name| !exported.contains(name))
        .collect();
}

/// The symbols of a table with their names. Reads the string table whole: name by name would be a system call each.
fn named<'data, E, R>(
    sections: &SectionTable<'data, E, R>,
    endian: Endianness,
    data: R,
    kind: SectionType,
) -> Result<Vec<(&'data E::Sym, String)>, Unreadable>
where
    E: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let table = sections.symbols(endian, data, kind)?;
    if table.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = sections.section(table.string_section())?.data(endian, data)?;
    let strings = StringTable::new(bytes, 0, bytes.len() as u64);
    let mut symbols = Vec::new();
    for symbol in table.iter() {
        let name = symbol.name(endian, strings)?;
        if !is_mangled(name) {
            symbols.push((symbol, String::from_utf8_lossy(name).into_owned()));
        }
    }
    Ok(symbols)
}
