//! Files that the command leaves: whole under their name or not at all, and the user's also where root wrote them.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fchown, fstat, openat, statat};

use crate::machine::invoker::invoker;
use crate::machine::platform;
use crate::machine::platform::users::User;
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
        let straight = OpenOptions::new().write(true).open(path);
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
        give_file(file.as_file())?;
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

/// Opens a file to read it. A pipe, which could be waited for forever, and a device, which may never end, are none.
///
/// # Errors
/// The system's, and that it is no regular file.
pub fn open_regular(path: &Path) -> std::io::Result<File> {
    let opened = raptors_flamegraphs::open_regular(path)?;
    opened.map(|(file, _)| file).ok_or_else(|| std::io::Error::other("it is no regular file"))
}

/// Gives an open file to who had root make it.
///
/// # Errors
/// The system's.
pub fn give_file(file: &File) -> std::io::Result<()> {
    invoker().map_or(Ok(()), |user| std::os::unix::fs::fchown(file, Some(user.uid), Some(user.gid)))
}

/// Gives a file to who had root make it, before it gets its final name. A file system without owners leaves it as it
/// is, which is no reason to lose the file.
pub fn give_to_invoker(path: &Path) {
    let _ = hand_over(path, invoker().as_ref());
}

/// Gives a file, or a directory with all that is in it, to who had root make it. Only what belongs to root is given
/// away, and no second name of another file: who may write to the directory could have put it there meanwhile.
///
/// # Errors
/// The system's, and that there is something that root has not made.
pub fn hand_over(path: &Path, invoker: Option<&User>) -> std::io::Result<()> {
    let Some(user) = invoker else {
        return Ok(());
    };
    let directory = openat(CWD, directory_of(path), DIRECTORY, Mode::empty())?;
    match path.file_name() {
        Some(name) => give(&directory, name, user),
        None => Err(ErrorKind::InvalidInput.into()),
    }
}

/// Gives a file or directory that root has made to the owner of the directory it is in: some systems' `sudo` leaves
/// `HOME` as it is, and a cache that belongs to root could not be used again without.
pub fn give_to_neighbours(path: &Path) {
    let given = || {
        let directory = openat(CWD, directory_of(path), DIRECTORY, Mode::empty())?;
        let around = fstat(&directory)?;
        let user = User { uid: around.st_uid, gid: around.st_gid, groups: Vec::new() };
        path.file_name().map_or(Ok(()), |name| give(&directory, name, &user))
    };
    if platform::is_root() {
        // What cannot be given away can be made again.
        let _: std::io::Result<()> = given();
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);

/// Gives the entry of a directory away, and first what is in it, while nobody else can change it. All is reached from
/// opened directories, and links are changed and not followed.
fn give(directory: &OwnedFd, name: &OsStr, user: &User) -> std::io::Result<()> {
    let (owner, group) = (Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)));
    let kind = FileType::from_raw_mode(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        // It cannot be held while it is checked, so nobody else may be able to put another file in its place.
        let about = fstat(directory)?;
        if about.st_uid != 0 || about.st_mode & 0o022 != 0 {
            return Err(std::io::Error::other(format!("{} is no file or directory", name.display())));
        }
        return Ok(chownat(directory, name, owner, group, AtFlags::SYMLINK_NOFOLLOW)?);
    }
    // What is checked from here on is what is given away. A pipe that has come in its place is not waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let held = openat(directory, name, flags, Mode::empty())?;
    let about = fstat(&held)?;
    if about.st_uid == user.uid {
        return Ok(());
    }
    let is_directory = FileType::from_raw_mode(about.st_mode) == FileType::Directory;
    if about.st_uid != 0 || (!is_directory && about.st_nlink != 1) {
        return Err(std::io::Error::other(format!("{} was not made by root, or has a second name", name.display())));
    }
    if is_directory {
        for entry in Dir::read_from(&held)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                give(&held, name, user)?;
            }
        }
    }
    Ok(fchown(&held, owner, group)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

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
        let user = User { uid: 65534, gid: 65533, groups: Vec::new() };
        hand_over(&bundle, Some(&user)).unwrap();
        let owner = |path: PathBuf| {
            let metadata = path.symlink_metadata().unwrap();
            (metadata.uid(), metadata.gid())
        };
        for inside in ["", "inner", "inner/file", "link"] {
            assert_eq!(owner(bundle.join(inside)), (65534, 65533), "{inside}");
        }
        assert_eq!(owner(other).0, 0);
        hand_over(&bundle, Some(&user)).unwrap();
        hand_over(&bundle, None).unwrap();
    }

    #[test]
    fn what_root_makes_in_somebodys_cache_is_theirs() {
        if !platform::is_root() {
            eprintln!("skipped: only root can give files away");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let [cache, file] = ["cache", "cache/file"].map(|name| place.path().join(name));
        std::fs::create_dir(&cache).unwrap();
        std::os::unix::fs::chown(&cache, Some(65534), Some(65533)).unwrap();
        std::fs::write(&file, "").unwrap();
        give_to_neighbours(&file);
        let file = file.metadata().unwrap();
        assert_eq!((file.uid(), file.gid()), (65534, 65533));
    }

    #[test]
    fn nothing_that_root_has_not_made_is_given_away() {
        if !platform::is_root() {
            eprintln!("skipped: only root can give files away");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let user = User { uid: 65534, gid: 65533, groups: Vec::new() };
        let [secret, second, link, pipe, theirs] =
            ["secret", "second", "link", "pipe", "theirs"].map(|name| place.path().join(name));
        std::fs::write(&secret, "").unwrap();
        std::fs::hard_link(&secret, &second).unwrap();
        symlink(&secret, &link).unwrap();
        platform::make_pipe(&pipe).unwrap();
        std::fs::write(&theirs, "").unwrap();
        std::os::unix::fs::chown(&theirs, Some(4711), Some(4711)).unwrap();
        // Who invoked sudo may write to the directory, and has put these under the names that root used.
        std::os::unix::fs::chown(place.path(), Some(65534), None).unwrap();
        for path in [&second, &link, &pipe, &theirs] {
            let before = path.symlink_metadata().unwrap().uid();
            assert!(hand_over(path, Some(&user)).is_err(), "{}", path.display());
            assert_eq!(path.symlink_metadata().unwrap().uid(), before);
        }
        assert_eq!(secret.metadata().unwrap().uid(), 0);
    }

    #[test]
    fn a_pipe_is_not_read_as_a_file() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        platform::make_pipe(&pipe).unwrap();
        assert!(open_regular(&pipe).is_err() && open_regular(Path::new("/dev/zero")).is_err());
        std::fs::write(place.path().join("file"), "").unwrap();
        assert!(open_regular(&place.path().join("file")).is_ok());
    }
}
