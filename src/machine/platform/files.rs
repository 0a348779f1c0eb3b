//! Files that this command makes, private while they are temporary.

use std::ffi::CString;
use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_temporary_directory_is_nobody_elses() {
        let directory = private_directory("raptors-trace-test-").unwrap();
        let mode = directory.path().metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
