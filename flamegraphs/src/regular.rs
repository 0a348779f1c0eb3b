//! Files that somebody else names.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a regular file to read it; `None` if it is none. It is checked before, because opening a device may have any
/// effect, and afterwards, because the name may have got another meaning; opening a pipe does not wait for its writer.
///
/// # Errors
/// The system's.
pub fn open_regular(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let about = file.metadata()?;
    Ok(about.is_file().then_some((file, about)))
}
