//! Lines and inlined functions, from debug information.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use addr2line::{Context, FrameIter};
use gimli::{DwarfSections, EndianSlice, RunTimeEndian};
use object::{CompressionFormat, Object, ObjectSection};

use super::demangle::demangle;
use super::module::{Function, LONGEST_NAME};
use crate::profile::Named;

/// Compressed sections together may have this many times the length of their file when they are unpacked. Compilers'
/// output shrinks to a third or a quarter; a file that is made to fill the memory, to a thousandth.
const UNPACKED: u64 = 8;
/// Each unit takes several hundred bytes of tables. A browser's debug information has 50,000.
const UNITS: usize = 200_000;

type Slice<'data> = EndianSlice<'data, RunTimeEndian>;

/// The sections of one file, of which some may have to be unpacked.
pub(super) struct Unpacked {
    left: u64,
}

impl Unpacked {
    /// For the sections of a file with this length.
    pub fn of_file(bytes: usize) -> Unpacked {
        Unpacked { left: (bytes as u64).saturating_mul(UNPACKED) }
    }

    /// The bytes of a section; `None` if it is damaged, or too long when it is unpacked.
    pub fn section<'data>(&mut self, section: &impl ObjectSection<'data>) -> Option<Cow<'data, [u8]>> {
        let data = section.compressed_data().ok()?;
        if data.format != CompressionFormat::None {
            self.left = self.left.checked_sub(data.uncompressed_size)?;
        }
        data.decompress().ok()
    }
}

/// The sections with debug information.
pub(super) struct Sections<'data> {
    sections: DwarfSections<Cow<'data, [u8]>>,
    endian: RunTimeEndian,
}

impl<'data> Sections<'data> {
    /// `None` for a file without debug information.
    pub fn of(file: &object::File<'data>, bytes: usize) -> Option<Sections<'data>> {
        file.section_by_name(".debug_info")?;
        let mut unpacked = Unpacked::of_file(bytes);
        let sections = DwarfSections::load(|id| -> Result<Cow<'data, [u8]>, ()> {
            let section = file.section_by_name(id.name());
            Ok(section.and_then(|section| unpacked.section(&section)).unwrap_or_default())
        });
        let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
        Some(Sections { sections: sections.ok()?, endian })
    }

    /// The tables in them; `None` if they are damaged.
    pub fn lines(&self) -> Option<Lines<'_>> {
        let dwarf = self.sections.borrow(|section| EndianSlice::new(section, self.endian));
        let mut units = dwarf.units();
        let mut count = 0;
        while let Ok(Some(_)) = units.next() {
            count += 1;
            if count > UNITS {
                return None;
            }
        }
        Some(Lines::Own(Box::new(Context::from_dwarf(dwarf).ok()?)))
    }
}

/// Addresses to functions and lines.
pub(super) enum Lines<'data> {
    /// In the file, or in the one beside it.
    Own(Box<Context<Slice<'data>>>),
    /// In the object files that a Mach-O file was linked from, or in its bundle of debug information.
    #[cfg(target_os = "macos")]
    Objects(Box<addr2line::Loader>),
}

impl Lines<'_> {
    /// Those of a Mach-O file, in the files beside it that the file itself names.
    #[cfg(target_os = "macos")]
    pub fn of_objects<'any>(path: &std::path::Path, file: &object::File<'_>) -> Option<Lines<'any>> {
        use std::os::unix::ffi::OsStrExt;
        // The loader opens what it finds.
        let map = file.object_map();
        let mut objects = map.objects().iter().map(|object| std::ffi::OsStr::from_bytes(object.path()));
        let regular = objects.all(|object| {
            let object = std::path::Path::new(object);
            !object.exists() || super::file::may_be_read(object)
        });
        if !regular || !super::file::may_be_read(path) {
            return None;
        }
        addr2line::Loader::new(path).ok().map(|loader| Lines::Objects(Box::new(loader)))
    }

    /// The functions at an address, outermost first.
    pub fn at(&self, address: u64) -> Vec<Function> {
        // A search of addr2line ends one byte behind the address.
        if address == u64::MAX {
            return Vec::new();
        }
        // addr2line and gimli check what they read, but a file may be damaged in a way that nobody thought of.
        catch_unwind(AssertUnwindSafe(|| self.found_at(address))).unwrap_or_default()
    }

    fn found_at(&self, address: u64) -> Vec<Function> {
        let mut found = Vec::new();
        match self {
            // Debug information that is split off into still other files is not looked for.
            Lines::Own(context) => take(context.find_frames(address).skip_all_loads().ok(), &mut found),
            #[cfg(target_os = "macos")]
            Lines::Objects(loader) => take(loader.find_frames(address).ok(), &mut found),
        }
        found.reverse();
        found
    }
}

fn take<R: gimli::Reader>(frames: Option<FrameIter<'_, R>>, found: &mut Vec<Function>) {
    let Some(mut frames) = frames else {
        return;
    };
    while let Ok(Some(frame)) = frames.next() {
        let Some(name) = frame.function.as_ref().and_then(|name| name.raw_name().ok()) else {
            continue;
        };
        if name.len() > LONGEST_NAME {
            continue;
        }
        let place = frame.location.as_ref();
        found.push(Function {
            name: demangle(&name).into(),
            file: place.and_then(|place| place.file).map(Arc::from),
            line: place.and_then(|place| place.line),
            named: Named::DebugInfo,
        });
    }
}
