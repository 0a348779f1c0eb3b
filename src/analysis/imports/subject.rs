//! From a name on the command line to the files that are read.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use object::ReadCache;

use super::link;
use super::model::{Subject, SubjectKind, Unread};
use super::native::{self, Image, Magic};
use super::{Options, package};
use crate::model::error::{Error, Exit};

/// A larger file is not read: no library is that large, and a sparse file could claim any amount of memory.
const LARGEST_FILE: u64 = 4 << 30;
/// A larger member of an archive is not read, because it is unpacked into memory.
const LARGEST_MEMBER: u64 = 1 << 30;

/// The results so far.
#[derive(Debug, Default)]
struct Found {
    images: Vec<(String, Image)>,
    unread: Vec<Unread>,
    windows: usize,
    seen: HashSet<PathBuf>,
}

impl Found {
    fn unread(&mut self, path: &str, why: impl ToString) {
        self.unread.push(Unread { path: path.to_owned(), why: why.to_string() });
    }

    fn take(&mut self, path: &str, read: Result<Vec<Image>, native::Unreadable>) {
        match read {
            Ok(images) => {
                let named = images.into_iter().map(|image| (path.to_owned(), image));
                self.images.extend(named);
            }
            Err(why) => self.unread(path, why),
        }
    }
}

/// Reads a subject: a path if it exists, else a package.
pub fn read(given: &Path, options: &Options) -> Result<Subject, Error> {
    let shown = given.display().to_string();
    let (found, mut subject) = match fs::metadata(given) {
        Ok(about) if about.is_dir() => (directory(given), empty(given, SubjectKind::Directory)),
        Ok(_) => file(given)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_name(&shown) => installed(&shown, options)?,
        Err(error) => {
            return Err(Error::new(format!("`{shown}` cannot be opened"))
                .caused_by(error)
                .help("give a file, a directory, a wheel or the name of an installed package"));
        }
    };
    if found.images.is_empty() {
        return Err(nothing(&shown, &found));
    }
    subject.files = link::files(found.images);
    subject.imports = link::totals(&subject.files);
    subject.unread = found.unread;
    subject.unread.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(subject)
}

/// Whether a text can be the name of a package: it has no character that only paths or options use.
fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && !text.starts_with('-') && text.chars().all(inner)
}

fn empty(path: &Path, kind: SubjectKind) -> Subject {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Subject {
        version: (kind == SubjectKind::Wheel).then(|| wheel_version(&name)).flatten(),
        name,
        kind,
        path: path.display().to_string(),
        interpreter: None,
        imports: Default::default(),
        files: Vec::new(),
        unread: Vec::new(),
    }
}

/// The version in a wheel's file name: `numpy-2.4.6-cp311-cp311-macosx_14_0_arm64.whl`.
fn wheel_version(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.strip_suffix(".whl")?.split('-').collect();
    (parts.len() >= 5).then(|| parts[1].to_owned())
}

/// The reason that a subject has nothing to read: damaged files are a failure, the absence of any is another answer.
fn nothing(shown: &str, found: &Found) -> Error {
    if let Some(first) = found.unread.first() {
        let count = found.unread.len();
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        let sentence = format!("nothing in `{shown}` could be read: {}: {}{more}", first.path, first.why);
        return Error::new(sentence).help("give the complete, unpacked file, or download it again");
    }
    let windows = match found.windows {
        0 => String::new(),
        n => format!(" ({n} of Windows, which are not read)"),
    };
    Error::new(format!("`{shown}` contains no ELF and no Mach-O file{windows}"))
        .help("give a wheel or a package with extension modules, for Linux or macOS")
        .exit(Exit::NothingObserved)
}

/// A single file, or an archive.
fn file(path: &Path) -> Result<(Found, Subject), Error> {
    let shown = path.display().to_string();
    let failed = |error: io::Error| {
        Error::new(format!("`{shown}` cannot be read")).caused_by(error).help("give a readable file")
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::new(format!("`{shown}` is neither a file nor a directory"))
            .help("give a file, a directory, a wheel or the name of an installed package"));
    }
    let mut opened = fs::File::open(path).map_err(failed)?;
    let magic = first_bytes(&mut opened).map_err(failed)?;
    if Magic::of(&magic) == Magic::Zip || path.extension().is_some_and(|e| e == "whl") {
        return Ok((archive(&shown, opened)?, empty(path, SubjectKind::Wheel)));
    }
    let subject = empty(path, SubjectKind::File);
    let images = read_opened(opened).map_err(|why| {
        Error::new(format!("`{shown}` cannot be read: {why}"))
            .help("give an extension module or a library (.so, .dylib), a directory, a wheel or the name of a package")
    })?;
    let mut found = Found::default();
    found.take(&subject.name, Ok(images));
    Ok((found, subject))
}

/// The first bytes; fewer if the file is shorter. Afterwards the file is at its beginning again.
fn first_bytes(file: &mut fs::File) -> io::Result<Vec<u8>> {
    let mut magic = Vec::new();
    file.take(Magic::BYTES as u64).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(magic)
}

/// Reads a file's tables only.
fn read_opened(file: fs::File) -> Result<Vec<Image>, native::Unreadable> {
    let size = file.metadata().map_or(0, |about| about.len());
    if size > LARGEST_FILE {
        return Err(native::Unreadable(format!("it has {size} bytes; at most {LARGEST_FILE} are read")));
    }
    native::read(&ReadCache::new(file))
}

/// All files under a directory.
fn directory(path: &Path) -> Found {
    let mut found = Found::default();
    walk(path, &mut found);
    found
}

/// Reads the files under a root; paths begin with the root's own name. Links to directories are not followed.
fn walk(root: &Path, found: &mut Found) {
    let above = root.file_name().and_then(|_| root.parent()).unwrap_or(root);
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let name = path.strip_prefix(above).unwrap_or(&path).display().to_string();
        let linked = path != root && path.is_symlink();
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() && !linked => match fs::read_dir(&path) {
                Ok(entries) => {
                    // In one order everywhere, because the first of several links to a file counts.
                    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                    entries.sort_by(|a, b| b.cmp(a));
                    waiting.extend(entries);
                }
                Err(error) => found.unread(&name, error),
            },
            Ok(about) if about.is_file() => listed(&path, &name, found),
            // Sockets, devices, broken links: none of them is a library.
            _ => {}
        }
    }
}

/// A file of a directory: read if it is native, and only once even if several links lead to it.
fn listed(path: &Path, name: &str, found: &mut Found) {
    let opened = fs::File::open(path).and_then(|mut file| {
        let magic = first_bytes(&mut file)?;
        Ok((file, Magic::of(&magic)))
    });
    match opened {
        Ok((file, Magic::Native)) => {
            let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            if found.seen.insert(real) {
                found.take(name, read_opened(file));
            }
        }
        Ok((_, Magic::Windows)) => found.windows += 1,
        Ok(_) => {}
        Err(error) => found.unread(name, error),
    }
}

/// The members of a wheel. They are unpacked into memory one after the other, and only the native ones.
fn archive(shown: &str, file: fs::File) -> Result<Found, Error> {
    let failed = |error: zip::result::ZipError| {
        Error::new(format!("`{shown}` is not a valid wheel or zip archive")).caused_by(error).help("download it again")
    };
    let mut archive = zip::ZipArchive::new(io::BufReader::new(file)).map_err(failed)?;
    let mut found = Found::default();
    for index in 0..archive.len() {
        match archive.by_index(index) {
            Ok(member) if member.is_file() => {
                let name = String::from_utf8_lossy(member.name_raw()).into_owned();
                unpacked(&name, member, &mut found);
            }
            Ok(_) => {}
            Err(error) => found.unread(&format!("member {index}"), error),
        }
    }
    Ok(found)
}

fn unpacked(name: &str, mut member: impl Read, found: &mut Found) {
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>, most: u64| member.by_ref().take(most).read_to_end(bytes);
    if let Err(error) = more(&mut bytes, Magic::BYTES as u64) {
        return found.unread(name, error);
    }
    match Magic::of(&bytes) {
        Magic::Native => match more(&mut bytes, LARGEST_MEMBER) {
            Ok(_) if bytes.len() as u64 >= LARGEST_MEMBER => {
                found.unread(name, format!("it unpacks to more than {LARGEST_MEMBER} bytes"));
            }
            Ok(_) => found.take(name, native::read(bytes.as_slice())),
            Err(error) => found.unread(name, error),
        },
        Magic::Windows => found.windows += 1,
        _ => {}
    }
}

/// An installed package.
fn installed(name: &str, options: &Options) -> Result<(Found, Subject), Error> {
    let package = package::find(name, options)?;
    let mut found = Found::default();
    for root in &package.roots {
        walk(root, &mut found);
    }
    let first = package.roots.first().map(|root| root.display().to_string());
    let subject = Subject {
        name: name.to_owned(),
        path: first.unwrap_or_default(),
        version: package.version,
        interpreter: Some(package.interpreter.display().to_string()),
        ..empty(Path::new(name), SubjectKind::Package)
    };
    Ok((found, subject))
}
