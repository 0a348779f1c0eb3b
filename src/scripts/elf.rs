//! What a script needs of an ELF file: its functions, and where its bytes are loaded.

use std::fs::File;
use std::path::Path;

use object::read::{Object, ObjectSegment, ObjectSymbol, ReadCache, ReadRef};
use object::{ObjectSection, SegmentFlags, SymbolKind, elf};

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
    /// Whether it holds probes of the provider `raptors`.
    pub has_raptors_probes: bool,
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    address: u64,
    offset: u64,
    length: u64,
    executable: bool,
}

impl Image {
    /// Reads a file; `None` where it is no ELF file or cannot be read.
    pub fn read(path: &Path) -> Option<Self> {
        let cache = ReadCache::new(File::open(path).ok()?);
        let file = object::File::parse(&cache).ok()?;
        if file.format() != object::BinaryFormat::Elf {
            return None;
        }
        let mut functions = functions(file.symbols(), false);
        functions.extend(functions_exported(&file));
        functions.sort_by(|a, b| {
            (a.address, &a.name, b.exported).cmp(&(b.address, &b.name, a.exported))
        });
        functions.dedup_by(|later, earlier| {
            (later.address, &later.name) == (earlier.address, &earlier.name)
        });
        Some(Self {
            functions,
            soname: soname(&file),
            has_raptors_probes: has_raptors_probes(&file),
            segments: file.segments().map(|s| segment(&s)).collect(),
        })
    }

    /// Whether the addresses of its code differ from their places in the file. DTrace for Linux takes the one for the
    /// other and puts its probes at wrong places of such a file.
    pub fn is_shifted(&self) -> bool {
        let differs = |s: &Segment| s.executable && s.address != s.offset;
        self.segments.iter().any(differs)
    }

    /// The address of a byte of the file, in the file's own numbering.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let holds = |s: &&Segment| offset.checked_sub(s.offset).is_some_and(|d| d < s.length);
        let segment = self.segments.iter().find(holds)?;
        Some(segment.address + (offset - segment.offset))
    }

    /// The function at an address: exactly there, or one that reaches over it.
    pub fn function_at(&self, address: u64) -> Option<&Function> {
        let exact = self.functions.iter().find(|f| f.address == address);
        exact.or_else(|| {
            self.functions
                .iter()
                .find(|f| f.address <= address && address - f.address < f.size)
        })
    }
}

fn segment<'data, S: ObjectSegment<'data>>(segment: &S) -> Segment {
    let (offset, length) = segment.file_range();
    let executable = matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.0 & elf::PF_X.0 != 0);
    Segment {
        address: segment.address(),
        offset,
        length,
        executable,
    }
}

fn functions_exported<'data, F: Object<'data>>(file: &F) -> Vec<Function> {
    functions(file.dynamic_symbols(), true)
}

fn functions<'data>(
    symbols: impl Iterator<Item = impl ObjectSymbol<'data>>,
    exported: bool,
) -> Vec<Function> {
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

/// SystemTap's notes name the provider between two zero bytes.
fn has_raptors_probes<'data, F: Object<'data>>(file: &F) -> bool {
    let name = format!("\0{}\0", raptors_probes::PROVIDER);
    let notes = file.section_by_name(".note.stapsdt");
    let data = notes
        .and_then(|notes| notes.data().ok())
        .unwrap_or_default();
    // The first string of a note follows three addresses, whose last byte need not be 0.
    data.windows(name.len() - 1)
        .any(|window| window == &name.as_bytes()[1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_has_functions_where_its_segments_say() {
        let Some(image) = Image::read(&std::env::current_exe().unwrap()) else {
            assert_ne!(
                std::env::consts::OS,
                "linux",
                "the test itself is an ELF file"
            );
            println!("skipped: this system's programs are no ELF files");
            return;
        };
        let function = image
            .functions
            .iter()
            .find(|f| f.name.contains("Image"))
            .unwrap();
        assert_eq!(
            image.function_at(function.address).unwrap().address,
            function.address
        );
        let segment = image.segments.iter().find(|s| s.executable).unwrap();
        assert_eq!(image.address_of(segment.offset), Some(segment.address));
        assert_eq!(image.is_shifted(), segment.offset != segment.address);
    }

    #[test]
    fn what_is_no_elf_file_is_none() {
        assert!(Image::read(Path::new("/nonexistent")).is_none());
        assert!(Image::read(Path::new(file!())).is_none());
    }
}
