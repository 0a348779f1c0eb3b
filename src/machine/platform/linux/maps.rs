//! What a process has mapped: `/proc/PID/maps`, see proc(5). Read here and not by `procfs` or `rsprocmaps`, which
//! refuse the whole map for one path that is not UTF-8.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::machine::platform::Mapping;

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
    let path = fields.nth(2)?.trim_ascii_start();
    let whole = path.strip_suffix(b" (deleted)");
    let number = |text| u64::from_str_radix(text, 16).ok();
    path.starts_with(b"/").then_some(())?;
    Some(Mapping {
        path: PathBuf::from(OsString::from_vec(unescape(whole.unwrap_or(path)))),
        start: number(start)?,
        end: number(end)?,
        offset: number(offset)?,
        executable: permissions.contains('x'),
        gone: whole.is_some(),
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
        let error = mappings(u32::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
