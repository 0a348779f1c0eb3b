//! Files that this command makes: private while they are temporary, and where root made them, of who owns the place.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::Path;

use tempfile::TempDir;

use super::is_root;

/// A directory for temporary files that nobody else can look into, gone when dropped.
///
/// # Errors
/// When it cannot be made, where `TMPDIR` says or in `/tmp`.
pub fn private_directory(prefix: &str) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).permissions(Permissions::from_mode(0o700)).tempdir()
}

/// Makes a named pipe that nobody else can open.
///
/// # Errors
/// When it cannot be made there.
pub fn make_pipe(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the pointer is to a live string that ends in NUL, which the call only reads.
    match unsafe { libc::mkfifo(path.as_ptr(), 0o600) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives a file or directory that root has made to the owner of the directory it is in: some systems' `sudo` leaves
/// `HOME` as it is, and a cache that belongs to root could not be used again without.
pub fn give_to_neighbours(path: &Path) {
    if let (true, Some(parent)) = (is_root(), path.parent())
        && let Ok(parent) = fs::metadata(parent)
    {
        let _ = lchown(path, Some(parent.uid()), Some(parent.gid()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_is_nobody_elses() {
        let directory = private_directory("raptors-trace-test-").unwrap();
        let mode = fs::metadata(directory.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn what_root_makes_in_somebodys_cache_is_theirs() {
        if !is_root() {
            println!("skipped: only root can give files away");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let [cache, file] = ["cache", "cache/file"].map(|name| place.path().join(name));
        fs::create_dir(&cache).unwrap();
        lchown(&cache, Some(65534), Some(65533)).unwrap();
        fs::write(&file, "").unwrap();
        give_to_neighbours(&file);
        let file = fs::metadata(&file).unwrap();
        assert_eq!((file.uid(), file.gid()), (65534, 65533));
    }
}
