//! Files that a recording or another file names: such a path is not trusted. Only a regular file of a bounded length is
//! read, so that no path makes the reader wait, act on a device or fill the memory.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::open_regular;

/// The longest file that is read, bytes. The largest libraries with debug information have about this length.
const LONGEST: u64 = 1 << 30;

/// Why a module's functions could not be looked up in its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    /// It is another build than the one that was recorded.
    Changed,
    /// There is no file of that name.
    Gone,
    /// A pipe, a device, a directory.
    NotAFile,
    /// Longer than the limit.
    TooLong,
    /// The system's reason.
    Unreadable(String),
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Refusal {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Refusal::Gone,
            _ => Refusal::Unreadable(error.to_string()),
        }
    }
}

/// The content of a regular file, and the facts about it.
pub(super) fn read(path: &Path) -> Result<(Vec<u8>, Metadata), Refusal> {
    read_up_to(path, LONGEST)
}

fn read_up_to(path: &Path, longest: u64) -> Result<(Vec<u8>, Metadata), Refusal> {
    let (file, about) = open(path)?;
    if about.len() > longest {
        return Err(Refusal::TooLong);
    }
    let mut data = Vec::new();
    let length = usize::try_from(about.len()).map_err(|_| Refusal::TooLong)?;
    data.try_reserve_exact(length).map_err(|error| Refusal::Unreadable(error.to_string()))?;
    // A file that grows meanwhile is read up to the length that was checked.
    file.take(about.len()).read_to_end(&mut data)?;
    Ok((data, about))
}

/// Opens a regular file.
pub(super) fn open(path: &Path) -> Result<(File, Metadata), Refusal> {
    open_regular(path)?.ok_or(Refusal::NotAFile)
}

/// Whether this is a regular file that may be read.
#[cfg(target_os = "macos")]
pub(super) fn may_be_read(path: &Path) -> bool {
    open(path).is_ok_and(|(_, about)| about.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_up_to_the_limit_is_read() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("file"), [7; 100]).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        assert_eq!(read_up_to(&at("link"), 100).unwrap().0, [7; 100]);
        assert_eq!(read_up_to(&at("file"), 99).unwrap_err(), Refusal::TooLong);
        let pipe = std::ffi::CString::new(at("pipe").to_str().unwrap()).unwrap();
        // SAFETY: the name is a live C string.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        for other in [at("pipe"), at(""), "/dev/zero".into(), "/dev/null".into()] {
            assert_eq!(read(&other).unwrap_err(), Refusal::NotAFile, "{}", other.display());
        }
        assert_eq!(read(&at("none")).unwrap_err(), Refusal::Gone);
        // A sparse file has the length without the bytes.
        File::create(at("sparse")).unwrap().set_len(LONGEST + 1).unwrap();
        assert_eq!(read(&at("sparse")).unwrap_err(), Refusal::TooLong);
    }
}
