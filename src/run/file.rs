//! The lifetime of a run file: recorded under a temporary name, renamed when it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt as _};
use std::path::{Path, PathBuf};

use raptors_recording::{append_document, begins_as_run_file};
use tempfile::TempDir;

use crate::analysis::{self, NAMES};
use crate::machine::files;
use crate::machine::invoker::invoker;
use crate::machine::platform;
use crate::model::error::Error;

/// The number of links that are followed, as in the system itself.
const MOST_LINKS: usize = 40;
const ANOTHER: &str = "choose another --save FILE";

/// A run file being recorded.
pub struct RunFile {
    recording: PathBuf,
    save: Option<Save>,
    /// Holds the recording of a run that is not saved; deleted when dropped.
    directory: Option<TempDir>,
}

/// The destination of a recording.
struct Save {
    /// The name that the user gave.
    name: PathBuf,
    /// The file itself, if the name is a link.
    file: PathBuf,
}

impl RunFile {
    /// Prepares `save`, or a temporary place.
    ///
    /// # Errors
    /// The file cannot be saved there: reported before anything is measured.
    pub fn create(save: Option<&Path>) -> Result<Self, Error> {
        match save {
            // The driver is the invoking user's and may not be allowed to write there.
            Some(name) if invoker().is_some() => Self::somewhere(Some(Save::to(name)?)),
            Some(name) => Self::beside(name),
            None => Self::somewhere(None),
        }
    }

    /// In a directory that nobody else can look into but who invoked sudo, as whom the driver runs.
    fn somewhere(save: Option<Save>) -> Result<Self, Error> {
        let directory = platform::private_directory("raptors-trace-").map_err(|error| {
            Error::new("the temporary recording cannot be created")
                .caused_by(error)
                .help("set TMPDIR to a writable directory")
        })?;
        files::give_to_invoker(directory.path());
        Ok(Self { recording: directory.path().join("run.rtrace"), save, directory: Some(directory) })
    }

    fn beside(name: &Path) -> Result<Self, Error> {
        let save = Save::to(name)?;
        Ok(Self { recording: save.hidden(), save: Some(save), directory: None })
    }

    /// The path to which the driver records.
    pub fn recording(&self) -> &Path {
        &self.recording
    }

    /// Renames the recording, if it is to be saved; returns the name.
    ///
    /// # Errors
    /// It cannot be renamed; nothing is left then.
    pub fn keep(mut self) -> Result<Option<PathBuf>, Error> {
        let Some(save) = &self.save else {
            return Ok(None);
        };
        // Minutes have passed: a pipe that exists by now would be replaced.
        check_target(&save.file)
            .and_then(|()| match &self.directory {
                Some(_) => copy(&self.recording, &save.file),
                None => fs::rename(&self.recording, &save.file).map_err(Refusal::from),
            })
            .map_err(|refusal| refusal.of(&save.name))?;
        Ok(self.save.take().map(|save| save.name))
    }

    /// Keeps the recording of a driver that died, if a comparison can be read from it; returns its path.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn keep_what_is_whole(self) -> Result<Option<PathBuf>, Error> {
        if self.save.is_none() || analysis::read(&self.recording, false).is_err() {
            return Ok(None);
        }
        self.keep()
    }
}

impl Save {
    /// Checks that a run can be saved as `name`: reported now, not after a minute of measuring.
    fn to(name: &Path) -> Result<Self, Error> {
        let file = check_name(name)
            .and_then(|()| follow_links(name).map_err(Refusal::from))
            .and_then(|file| check_target(&file).map(|()| file))
            .map_err(|refusal| refusal.of(name))?;
        let save = Self { name: name.to_owned(), file };
        let hidden = save.hidden();
        File::create_new(&hidden)
            .and_then(|_| fs::remove_file(&hidden))
            .map_err(|error| Refusal::from(error).of(name))?;
        Ok(save)
    }

    /// The name beside it that a recording has until it is complete.
    fn hidden(&self) -> PathBuf {
        let mut hidden = OsString::from(".");
        hidden.push(self.file.file_name().unwrap_or_default());
        hidden.push(format!(".partial-{}", std::process::id()));
        self.file.with_file_name(hidden)
    }
}

/// Copies the recording of a driver that ran as the user who invoked sudo: what it has put in its place is read only if
/// that user could read it too.
fn copy(recording: &Path, file: &Path) -> Result<(), Refusal> {
    let mut source = files::open_regular(recording)?;
    let about = source.metadata()?;
    if invoker().is_some_and(|user| user.uid != about.uid()) || about.nlink() != 1 {
        return Err(Refusal::new("its recording was replaced by another file", "run it again"));
    }
    files::write_with(file, |out| io::copy(&mut source, out).map(drop))
        .map_err(|error| Refusal::new(error.in_a_line(), ANOTHER))
}

/// Keeps the names of the sampled code in a finished recording: a library that is rebuilt or removed later has others.
/// Where that fails, `show` looks the names up itself, in files of the same build only, and says what is missing.
pub fn store_names(recording: &Path) {
    if let Ok(Some(json)) = analysis::names_of(recording) {
        let _ = append_document(recording, NAMES, &json);
    }
}

/// Adds a document to a saved run by way of a copy: the file is the old one or the new one, never half of each.
///
/// # Errors
/// The copy cannot be made; the run is then unchanged.
pub fn add_document(name: &Path, key: &str, json: &str) -> Result<(), Error> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        let name = name.display();
        Error::new(format!("the run `{name}` could not be extended and is unchanged"))
            .caused_by(error)
            .help("free disk space where it is")
    };
    let file = fs::canonicalize(name).map_err(|error| failed(error.into()))?;
    let copy = tempfile::Builder::new()
        .prefix(".raptors-trace-")
        .tempfile_in(files::directory_of(&file))
        .map_err(|error| failed(error.into()))?;
    fs::copy(&file, copy.path()).map_err(|error| failed(error.into()))?;
    append_document(copy.path(), key, json).map_err(|error| failed(error.into()))?;
    files::give_file(copy.as_file()).map_err(|error| failed(error.into()))?;
    copy.persist(&file).map(drop).map_err(|error| failed(error.into()))
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if self.directory.is_none() && self.save.is_some() {
            // No half-written file is left; that it never existed is fine too.
            let _ = fs::remove_file(&self.recording);
        }
    }
}

/// The reason that a run cannot be saved, and the fix.
struct Refusal {
    why: String,
    help: &'static str,
}

impl Refusal {
    fn new(why: impl Into<String>, help: &'static str) -> Self {
        let why = why.into();
        Self { why, help }
    }

    fn of(self, name: &Path) -> Error {
        let name = name.display();
        Error::new(format!("the run cannot be saved as `{name}`: {}", self.why)).help(self.help)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "make its directory first, or choose another --save FILE",
            _ => ANOTHER,
        };
        Self::new(error.to_string(), help)
    }
}

fn check_name(name: &Path) -> Result<(), Refusal> {
    if name.to_str().is_none() {
        return Err(Refusal::new("its name is not UTF-8", ANOTHER));
    }
    let text = name.as_os_str().as_bytes();
    if name.file_name().is_none() || text.ends_with(b"/") || text.ends_with(b"/.") {
        return Err(Refusal::new("that is not the name of a file", ANOTHER));
    }
    Ok(())
}

/// The file behind `name`, existing or not: renaming onto a link would replace the link.
fn follow_links(name: &Path) -> io::Result<PathBuf> {
    let mut file = name.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&file) {
            // An absolute target replaces the whole path.
            Ok(target) => file = file.parent().unwrap_or(Path::new("")).join(target),
            // Not a link, or nothing there.
            Err(_) => return Ok(file),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

/// Only a missing or empty file or another run may be replaced.
fn check_target(file: &Path) -> Result<(), Refusal> {
    let kind = match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.file_type(),
    };
    if kind.is_dir() {
        return Err(Refusal::new("it is a directory", ANOTHER));
    }
    if !kind.is_file() {
        let what = if kind.is_fifo() {
            "it is a pipe, and a run file cannot be streamed"
        } else if kind.is_socket() {
            "it is a socket"
        } else {
            "it is a device"
        };
        return Err(Refusal::new(what, ANOTHER));
    }
    let mut beginning = Vec::new();
    File::open(file)?.take(64).read_to_end(&mut beginning)?;
    if beginning.is_empty() || begins_as_run_file(&beginning) {
        return Ok(());
    }
    Err(Refusal::new(
        "there is a file of that name, and it is not a run file",
        "choose another --save FILE, or delete it",
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What a run file begins with is all that is looked at.
    const RUN: &[u8] = b"\x89RTRACE\nand the rest";

    fn refused(path: &Path) -> String {
        match RunFile::create(Some(path)) {
            Ok(_) => panic!("{} is taken", path.display()),
            Err(error) => error.report(),
        }
    }

    fn names(place: &Path) -> Vec<String> {
        let entries = fs::read_dir(place).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Records `bytes` and keeps them as `path`.
    fn saved(path: &Path, bytes: &[u8]) -> Result<Option<PathBuf>, Error> {
        let run = RunFile::create(Some(path))?;
        fs::write(run.recording(), bytes).unwrap();
        run.keep()
    }

    fn make_pipe(path: &Path) {
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the name is a live C string.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    }

    #[test]
    fn a_place_that_cannot_be_is_said_before_measuring() {
        let place = tempfile::tempdir().unwrap();
        let told = refused(Path::new("/no/such/place/x.rtrace"));
        assert!(told.contains("/no/such/place/x.rtrace"), "{told}");
        assert!(told.contains("help: make its directory first"), "{told}");
        for name in ["/", "x/", "..", "x/."] {
            refused(&place.path().join(name));
        }
        assert!(refused(place.path()).contains("it is a directory"));
        assert!(names(place.path()).is_empty());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let [pipe, socket, link] = ["pipe", "socket", "link"].map(|name| place.path().join(name));
        make_pipe(&pipe);
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        symlink(&pipe, &link).unwrap();
        assert!(refused(&pipe).contains("it is a pipe"));
        assert!(refused(&socket).contains("it is a socket"));
        assert!(refused(&link).contains("it is a pipe"));
        // A device is refused by its kind, before anything is made beside it.
        let told = check_target(Path::new("/dev/null")).err().unwrap().why;
        assert_eq!(told, "it is a device");
        assert_eq!(names(place.path()), ["link", "pipe", "socket"]);
    }

    #[test]
    fn only_a_run_file_or_an_empty_one_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.rtrace");
        for (content, taken) in [(&b""[..], true), (RUN, true), (b"my thesis", false)] {
            fs::write(&path, content).unwrap();
            let kept = saved(&path, b"whole");
            assert_eq!(kept.is_ok(), taken);
            let left = if taken { b"whole" } else { content };
            assert_eq!(fs::read(&path).unwrap(), left);
        }
        let told = refused(&path);
        assert!(told.contains("it is not a run file"), "{told}");
        assert!(told.contains("or delete it"), "{told}");
        assert_eq!(names(place.path()), ["x.rtrace"]);
    }

    #[test]
    fn a_link_stays_and_its_file_is_written() {
        let place = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let (first, second) = (place.path().join("a"), place.path().join("b"));
        symlink("b", &first).unwrap();
        symlink(elsewhere.path().join("run"), &second).unwrap();
        for _ in 0..2 {
            assert_eq!(saved(&first, RUN).unwrap(), Some(first.clone()));
        }
        assert_eq!(fs::read(elsewhere.path().join("run")).unwrap(), RUN);
        assert!(fs::read_link(&first).is_ok() && fs::read_link(&second).is_ok());
        assert_eq!(names(place.path()), ["a", "b"]);
        symlink("c", place.path().join("c")).unwrap();
        refused(&place.path().join("c"));
    }

    #[test]
    fn a_recording_that_is_not_kept_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.rtrace");
        let run = RunFile::create(Some(&path)).unwrap();
        fs::write(run.recording(), b"half").unwrap();
        drop(run);
        assert!(names(place.path()).is_empty());
        // Nor does one that cannot be kept, as something has come in its way.
        let run = RunFile::create(Some(&path)).unwrap();
        fs::write(run.recording(), b"whole").unwrap();
        fs::create_dir(&path).unwrap();
        assert!(run.keep().is_err());
        assert_eq!(names(place.path()), ["x.rtrace"]);
    }
}
