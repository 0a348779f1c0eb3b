//! The run file's descriptor, which the process may close and use for another file at any time.

use std::{
    fs::{self, File},
    io,
    mem::ManuallyDrop,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

/// A descriptor that is only used while it still names the file that it was opened for. `os.closerange`, a daemon that
/// closes all descriptors, or a program that closes one too many frees its number, and the next file that is opened
/// gets it. Writing there, or cutting that file, would destroy the user's data.
pub(crate) struct Descriptor {
    file: ManuallyDrop<File>,
    /// Device and inode.
    identity: (u64, u64),
}

impl Descriptor {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let identity = identity(&file.metadata()?);
        Ok(Self { file: ManuallyDrop::new(file), identity })
    }

    /// The file, for one action at once: ask again before the next.
    ///
    /// # Errors
    /// The descriptor is closed, or belongs to another file.
    pub(crate) fn get(&self) -> io::Result<&File> {
        if self.is_ours() {
            return Ok(&self.file);
        }
        Err(io::Error::other("the process has closed the run file's descriptor"))
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.file.metadata().is_ok_and(|about| identity(&about) == self.identity)
    }

    /// Cuts the file to `len` bytes; without its descriptor by its name, and not at all if the name is gone or another
    /// file's: a reader ignores what is behind the end.
    pub(crate) fn cut(&self, path: &Path, len: u64) -> io::Result<()> {
        match self.get() {
            Ok(file) => file.set_len(len),
            Err(_) if fs::symlink_metadata(path).is_ok_and(|about| identity(&about) == self.identity) => {
                let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
                // SAFETY: the name is a live C string.
                match unsafe { libc::truncate(name.as_ptr(), len as libc::off_t) } {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                }
            }
            Err(_) => Ok(()),
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: dropped here only, once.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

fn identity(about: &fs::Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}
