//! Files that the command leaves: whole under their name or not at all, and the user's also where root wrote them.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use crate::machine::platform;
use crate::model::error::Error;

/// `path` with something added to its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// The directory that a file is in.
pub fn directory_of(path: &Path) -> &Path {
    let parent = path.parent();
    parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file.
///
/// # Errors
/// One sentence with the name of the file.
pub fn write_whole(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    write_with(path, |file| file.write_all(content.as_ref())).map(drop)
}

/// Writes a file piece by piece, and gives what `write` gave.
///
/// # Errors
/// One sentence with the name of the file; nothing is under that name then.
pub fn write_with<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<T>,
) -> Result<T, Error> {
    // A device or a named pipe is no file to be replaced: as root, its name would be gone.
    let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if special {
        let straight = std::fs::OpenOptions::new().write(true).open(path);
        let written = straight.and_then(|file| {
            let mut buffer = std::io::BufWriter::new(file);
            let given = write(&mut buffer)?;
            buffer.flush()?;
            Ok(given)
        });
        return written.map_err(|error| unwritten(path, error));
    }
    // The umask takes from these what it takes from any new file's.
    let rights = std::fs::Permissions::from_mode(0o666);
    let written = tempfile::Builder::new().permissions(rights).tempfile_in(directory_of(path)).and_then(|mut file| {
        let mut buffer = std::io::BufWriter::new(file.as_file_mut());
        let given = write(&mut buffer)?;
        buffer.flush()?;
        drop(buffer);
        hand_over(file.path(), invoker())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(given)
    });
    written.map_err(|error| unwritten(path, error))
}

/// Checks that a file can be written; nothing is left there.
///
/// # Errors
/// One sentence with the name of the file.
pub fn check_file(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Err(unwritten(path, ErrorKind::IsADirectory.into()));
    }
    // An existing path, such as a device, is opened only when it is written.
    let probed = if path.exists() { Ok(()) } else { tempfile::tempfile_in(directory_of(path)).map(drop) };
    probed.map_err(|error| unwritten(path, error))
}

/// Checks that files can be written in a directory, which is created if necessary.
///
/// # Errors
/// One sentence with the name of the directory.
pub fn check_directory(directory: &Path) -> Result<(), Error> {
    create_directory(directory)?;
    tempfile::tempfile_in(directory).map(drop).map_err(|error| unwritten(directory, error))
}

/// Creates a directory if necessary.
///
/// # Errors
/// One sentence with the name of the directory.
pub fn create_directory(directory: &Path) -> Result<(), Error> {
    if directory.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(directory).map_err(|error| unwritten(directory, error))?;
    give_to_invoker(directory);
    Ok(())
}

fn unwritten(path: &Path, error: std::io::Error) -> Error {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let error = Error::new(format!("`{}` cannot be written", path.display())).caused_by(error);
    if full { error.help("free disk space, or write to another file system") } else { error }
}

/// The user who runs this command as root through sudo; `None` without sudo.
pub fn invoker() -> Option<(u32, u32)> {
    let number = |name| number(std::env::var_os(name).as_deref());
    platform::is_root().then(|| Some((number("SUDO_UID")?, number("SUDO_GID")?))).flatten()
}

fn number(text: Option<&OsStr>) -> Option<u32> {
    // The greatest number means "leave it".
    text?.to_str()?.parse().ok().filter(|&id| id != u32::MAX)
}

/// Gives a file to who had root make it, before it gets its final name. A file system without owners leaves it as it
/// is, which is no reason to lose the file.
pub fn give_to_invoker(path: &Path) {
    let _ = hand_over(path, invoker());
}

/// Gives a file, or a directory with all that is in it, to who had root make it.
///
/// # Errors
/// The system's.
pub fn hand_over(path: &Path, invoker: Option<(u32, u32)>) -> std::io::Result<()> {
    let Some((user, group)) = invoker else {
        return Ok(());
    };
    // Links are changed and not followed; what is inside goes first, while nobody else can change it.
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            hand_over(&entry?.path(), invoker)?;
        }
    }
    lchown(path, Some(user), Some(group))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn only_numbers_are_users() {
        assert_eq!(number(Some("1000".as_ref())), Some(1000));
        for text in ["", "-1", "root", "4294967295", "4294967296"] {
            assert_eq!(number(Some(text.as_ref())), None, "{text}");
        }
    }

    #[test]
    fn a_file_has_the_rights_of_any_new_one() {
        let place = tempfile::tempdir().unwrap();
        let (ours, usual) = (place.path().join("ours"), place.path().join("usual"));
        write_whole(&ours, "x").unwrap();
        std::fs::write(&usual, "x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&usual));
        assert_eq!(std::fs::read_to_string(&ours).unwrap(), "x");
        let error = write_whole(&place.path().join("no/file"), "x").unwrap_err();
        assert!(error.to_string().ends_with("no/file` cannot be written"));
    }

    #[test]
    fn a_pipe_is_written_to_and_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let path = pipe.clone();
        let reader = std::thread::spawn(move || std::fs::read_to_string(path).unwrap());
        write_whole(&pipe, "x").unwrap();
        assert!(!pipe.metadata().unwrap().is_file());
        assert_eq!(reader.join().unwrap(), "x");
    }

    #[test]
    fn all_that_root_made_is_handed_over_and_links_are_not_followed() {
        if !platform::is_root() {
            eprintln!("skipped: only root can give files away");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let (bundle, other) = (place.path().join("x.trace"), place.path().join("other"));
        std::fs::create_dir_all(bundle.join("inner")).unwrap();
        std::fs::write(bundle.join("inner/file"), "").unwrap();
        std::fs::write(&other, "").unwrap();
        symlink(&other, bundle.join("link")).unwrap();
        hand_over(&bundle, Some((65534, 65533))).unwrap();
        let owner = |path: PathBuf| {
            let metadata = path.symlink_metadata().unwrap();
            (metadata.uid(), metadata.gid())
        };
        for inside in ["", "inner", "inner/file", "link"] {
            assert_eq!(owner(bundle.join(inside)), (65534, 65533), "{inside}");
        }
        assert_eq!(owner(other).0, 0);
        hand_over(&bundle, None).unwrap();
    }
}
