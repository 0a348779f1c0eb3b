//! What a process has mapped: `/proc/PID/maps`, see proc(5). Read here and not by `procfs` or `rsprocmaps`, which
//! refuse the whole map for one path that is not UTF-8.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::machine::platform::{Mapping, identity};

pub fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let maps = fs::read(format!("/proc/{pid}/maps")).map_err(|error| {
        // It ended while it was looked at.
        match error.raw_os_error() {
            Some(libc::ESRCH) => io::ErrorKind::NotFound.into(),
            _ => error,
        }
    })?;
    Ok(mappings_in(&maps))
}

pub fn path_of(pid: u32, mapping: &Mapping) -> Option<PathBuf> {
    let mut through_root = OsString::from(format!("/proc/{pid}/root"));
    through_root.push(&mapping.path);
    let ways = [mapping.path.clone(), through_root.into()];
    ways.into_iter().find(|path| is_mapped_from(pid, mapping, path))
}

pub fn is_mapped_from(pid: u32, mapping: &Mapping, path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    let found = identity(&metadata);
    if mapping.gone || !metadata.is_file() {
        return false;
    }
    // The link leads to the file itself, whatever its name leads to; only root may follow it.
    let link = format!("/proc/{pid}/map_files/{:x}-{:x}", mapping.start, mapping.end);
    let linked = fs::metadata(link).ok().map(|linked| identity(&linked));
    if found == mapping.file || Some(found) == linked {
        return true;
    }
    // These show the file below them in the map, which has another device and the same number.
    let same_number = found.1 == mapping.file.1 && linked.is_none_or(|linked| linked.1 == found.1);
    same_number && has_devices_of_its_own(path)
}

/// Whether a file system gives its files a device that is not the one in the map: overlayfs and btrfs.
fn has_devices_of_its_own(path: &Path) -> bool {
    const KINDS: [u64; 2] = [0x794c_7630, 0x9123_683e];
    rustix::fs::statfs(path).is_ok_and(|about| KINDS.contains(&(about.f_type as u64)))
}

/// The files in the text of `/proc/PID/maps`; other lines are left alone.
pub fn mappings_in(maps: &[u8]) -> Vec<Mapping> {
    let lines = maps.split(|&byte| byte == b'\n');
    lines.filter_map(mapping).collect()
}

/// `7f00-7f01 r-xp 00001000 fe:00 12      /a/lib.so`: a path may hold blanks, and follows after a run of them.
fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut text = || std::str::from_utf8(fields.next()?).ok();
    let (start, end) = text()?.split_once('-')?;
    let (permissions, offset) = (text()?, text()?);
    let (device, inode) = (text()?.split_once(':')?, text()?.parse().ok()?);
    let path = fields.next()?.trim_ascii_start();
    let whole = path.strip_suffix(b" (deleted)");
    let number = |text| u64::from_str_radix(text, 16).ok();
    let part = |text| u32::from_str_radix(text, 16).ok();
    path.starts_with(b"/").then_some(())?;
    Some(Mapping {
        path: PathBuf::from(OsString::from_vec(unescape(whole.unwrap_or(path)))),
        start: number(start)?,
        end: number(end)?,
        offset: number(offset)?,
        executable: permissions.contains('x'),
        gone: whole.is_some(),
        file: (libc::makedev(part(device.0)?, part(device.1)?), inode),
    })
}

/// The kernel writes a line break in a path as `\012`.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        let line_break = rest.strip_prefix(b"\\012");
        out.push(line_break.map_or(first, |_| b'\n'));
        rest = line_break.unwrap_or(after);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_from_the_map_whatever_their_names() {
        let maps = b"7f00-7f01 r--p 00000000 fe:00 12 /a/lib.so\n\
            7f02-7f03 r-xp 00001000 fe:00 13      /b b/x\\012y\xff.so\n7f03-7f04 r-xp 0 fe:00 14 /c/old.so (deleted)\n\
            7ffd-7ffe r-xp 00000000 00:00 0 [vdso]\n7f05-7f06 rw-p 00000000 00:00 0 \nshort\n";
        let [lib, odd, old] = &mappings_in(maps)[..] else {
            panic!("three files are mapped: {:?}", mappings_in(maps));
        };
        assert_eq!((lib.start, lib.end, lib.offset), (0x7f00, 0x7f01, 0));
        assert_eq!((odd.start, odd.offset), (0x7f02, 0x1000));
        assert_eq!((lib.file, odd.file.1), ((libc::makedev(0xfe, 0), 12), 13));
        assert_eq!(odd.path.as_os_str().as_encoded_bytes(), b"/b b/x\ny\xff.so");
        assert!(odd.executable && !lib.executable);
        assert_eq!(old.path, PathBuf::from("/c/old.so"));
        assert!(old.gone && !odd.gone);
    }

    #[test]
    fn a_process_maps_its_own_program_and_one_that_is_gone_is_not_found() {
        let program = std::env::current_exe().unwrap();
        let own = mappings(std::process::id()).unwrap();
        assert!(own.iter().any(|part| part.path == program && part.offset == 0));
        let mapping = own.iter().find(|part| part.path == program).unwrap();
        assert_eq!(path_of(std::process::id(), mapping), Some(program.clone()));
        // A file is known by what it is and not by its name.
        let place = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
        let (same, other) = (place.path().join("same"), place.path().join("other"));
        fs::hard_link(&program, &same).unwrap();
        fs::copy(&program, &other).unwrap();
        let is_it = |path: &Path| is_mapped_from(std::process::id(), mapping, path);
        assert!(is_it(&same) && !is_it(&other) && !is_it(place.path()));
        let error = mappings(u32::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
