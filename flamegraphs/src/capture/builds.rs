//! The builds of the modules of this process, as they were loaded: by now another file may have their names.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::names::Build;
use crate::profile::Profile;

/// Notes the build of each module whose code was sampled.
pub(super) fn note(profile: &mut Profile) {
    let loaded = loaded();
    let modules: std::collections::BTreeSet<Arc<str>> =
        profile.frames().iter().map(|frame| frame.module.clone()).filter(|module| !module.is_empty()).collect();
    for module in modules {
        let build = loaded.get(&*module).cloned().or_else(|| Build::at(Path::new(&*module)));
        if let Some(build) = build {
            profile.set_build(module, build);
        }
    }
}

/// The build ids in memory, by the path of their module.
#[cfg(target_os = "linux")]
fn loaded() -> HashMap<String, Build> {
    let mut notes: Vec<Notes> = Vec::new();
    // SAFETY: `each` takes the loader's structure and, as its last argument, this list, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut notes).cast()) };
    notes
        .into_iter()
        .filter_map(|notes| {
            let module = super::module::locate(notes.address)?.0;
            Some((module.to_string(), Build::id(&notes.id)))
        })
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn loaded() -> HashMap<String, Build> {
    HashMap::new()
}

/// A build id, and an address in its module.
#[cfg(target_os = "linux")]
struct Notes {
    address: usize,
    id: Vec<u8>,
}

/// Collects the build id of one module.
///
/// # Safety
/// `info` is the loader's structure of a loaded module, `list` a list of [`Notes`] that nobody else uses.
#[cfg(target_os = "linux")]
unsafe extern "C" fn each(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    list: *mut std::ffi::c_void,
) -> std::ffi::c_int {
    // SAFETY: as the caller promises.
    let (info, list) = unsafe { (&*info, &mut *list.cast::<Vec<Notes>>()) };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader's table of this module has `dlpi_phnum` entries and stays while the module is loaded, which
    // the loader's lock ensures during this call.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_NOTE) {
        let address = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        let inside = |load: &libc::Elf64_Phdr| {
            let end = load.p_vaddr.saturating_add(load.p_filesz);
            load.p_type == libc::PT_LOAD
                && load.p_flags & libc::PF_R != 0
                && (load.p_vaddr..end).contains(&header.p_vaddr)
                && header.p_memsz <= end - header.p_vaddr
        };
        if !headers.iter().any(inside) {
            continue;
        }
        // SAFETY: the notes lie inside a segment that is loaded readable, up to the end of its bytes in the file.
        let notes = unsafe { std::slice::from_raw_parts(address as *const u8, header.p_memsz as usize) };
        if let Some(id) = build_id(notes, header.p_align as usize) {
            list.push(Notes { address, id: id.to_vec() });
            break;
        }
    }
    0
}

/// The build id in a segment of notes: lengths of name and content and the type, 4 bytes each, then name and content,
/// both padded.
#[cfg(target_os = "linux")]
fn build_id(mut notes: &[u8], align: usize) -> Option<&[u8]> {
    let align = if align == 8 { 8 } else { 4 };
    loop {
        let (header, rest) = notes.split_first_chunk::<12>()?;
        let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (name, content) = (word(0) as usize, word(4) as usize);
        let start = (12 + name).next_multiple_of(align) - 12;
        let found = rest.get(start..start.checked_add(content)?)?;
        if word(8) == 3 && rest.get(..name)? == b"GNU\0" {
            return Some(found);
        }
        notes = rest.get((12 + start + content).next_multiple_of(align) - 12..)?;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{Frame, Tag};

    #[test]
    fn the_build_in_memory_is_that_of_the_file() {
        let here = build_id as *const () as usize;
        let (module, offset) = crate::capture::locate(here).unwrap();
        let mut profile = Profile::default();
        let frame = profile.intern(Frame::unnamed(module.clone(), offset));
        profile.add([frame], 0, Tag::A, 1);
        note(&mut profile);
        let build = profile.build(&module).unwrap();
        assert_eq!(Some(build), Build::at(Path::new(&*module)).as_ref());
        let in_memory = loaded();
        let libc = in_memory.iter().find(|(path, _)| path.contains("libc")).expect("a C library with a build id");
        assert_eq!(Some(libc.1), Build::at(Path::new(libc.0)).as_ref());
    }

    #[test]
    fn damaged_notes_have_no_build_id() {
        let whole = b"\x04\0\0\0\x02\0\0\0\x01\0\0\0GNU\0xx\0\0\x04\0\0\0\x03\0\0\0\x03\0\0\0GNU\0abc\0";
        assert_eq!(build_id(whole, 4), Some(&b"abc"[..]));
        for length in 0..whole.len() - 1 {
            assert_eq!(build_id(&whole[..length], 4), None);
        }
        assert_eq!(build_id(&[0xff; 64], 8), None);
    }
}
