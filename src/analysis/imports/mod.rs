//! The routines of math libraries that a file can call, read from its imports without running it.
//!
//! ELF and Mach-O files of any architecture are read on any system: alone, in a directory, in a wheel (nothing is
//! extracted) or as an installed package. Imports show the calls that are possible *by import*: a library that was
//! linked statically, found with `dlsym` or passed as a pointer is not among the imports. Hints at such libraries are
//! therefore shown beside a zero.

mod classify;
mod elf;
mod link;
mod macho;
mod model;
mod native;
mod package;
mod subject;

use std::path::PathBuf;

pub use classify::is_doubtful;
pub use model::{
    Binding, Counts, Family, File, FileKind, Format, Import, Imports, Library, SCHEMA, Subject, SubjectKind, Unread,
};
pub use native::Unreadable;

use crate::machine::interpreter::Host;
use crate::model::error::Error;

/// The subjects and options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Files, directories, wheels and package names.
    pub subjects: Vec<PathBuf>,
    /// List every symbol instead of shortened names.
    pub all: bool,
    /// The interpreter from `--python`; it only shows the path of an installed package.
    pub python: Option<PathBuf>,
    /// The program that started the command.
    pub host: Host,
}

/// Reads every subject.
///
/// # Errors
/// A subject does not exist, cannot be read, or contains no ELF and no Mach-O file.
pub fn read(options: &Options) -> Result<Imports, Error> {
    let subjects = options.subjects.iter().map(|name| subject::read(name, options)).collect::<Result<_, _>>()?;
    Ok(Imports { schema: SCHEMA.to_owned(), subjects })
}

/// Reads the bytes of one file as if it were at `path`: a file for each architecture in it.
///
/// # Errors
/// It is neither ELF nor Mach-O, or damaged.
pub fn read_bytes(path: &str, bytes: &[u8]) -> Result<Vec<File>, Unreadable> {
    let images = native::read(bytes)?;
    Ok(link::files(images.into_iter().map(|image| (path.to_owned(), image)).collect()))
}
