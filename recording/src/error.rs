//! What can go wrong, said to the person who has to mend it.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a run file could not be written or read. Each is a sentence with its mend, where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("{}{}", could_not(what, path, cause), or_nothing(mend))]
    Io {
        /// What was tried, as a verb: "create".
        what: &'static str,
        /// The run file.
        path: PathBuf,
        /// What to do about it; empty where nothing is known.
        mend: &'static str,
        /// What the system said. Part of the sentence, hence no `source` of the error.
        cause: io::Error,
    },
    /// The path is taken.
    #[error("{} exists already; choose another name or remove it", .0.display())]
    Exists(PathBuf),
    /// The path is something else than a file, so it is not replaced.
    #[error("{} is not a regular file; choose another name", .0.display())]
    NotAFile(PathBuf),
    /// Options that no file can satisfy.
    #[error("{0}")]
    Options(String),
    /// One writer is active in this process already.
    #[error("this process is recording already, to {}; finish that recording first", .0.display())]
    Active(PathBuf),
    /// The writer was finished, or belongs to the parent of this process.
    #[error("this recording {0}")]
    Closed(&'static str),
    /// A document does not fit.
    #[error("no room for a document of {bytes} bytes: {why}")]
    DocumentTooLong {
        /// Length of key and text.
        bytes: usize,
        /// Which bound was met, and the mend.
        why: &'static str,
    },
    /// The file was not written by this toolkit.
    #[error("{path} is not a run file: {why}")]
    NotARunFile {
        /// The file.
        path: String,
        /// What gave it away.
        why: String,
    },
    /// The file's layout is newer than this reader.
    #[error(
        "{path} was made by a newer raptors-trace (layout {found}, this one reads up to {known}); \
         update raptors-trace to read it"
    )]
    NewerVersion {
        /// The file.
        path: String,
        /// The file's version.
        found: u32,
        /// The newest version that this reader knows.
        known: u32,
    },
    /// The end of the file is missing.
    #[error("{path} is truncated at offset {len}: {missing} of {expected} bytes are missing; copy it again")]
    Truncated {
        /// The file.
        path: String,
        /// Bytes that there are, which is the offset of the first missing one.
        len: u64,
        /// Bytes that there should be.
        expected: u64,
        /// The difference.
        missing: u64,
    },
    /// Something in the file cannot be.
    #[error("{path} is damaged at offset {offset}: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// Byte in the file where it shows.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}

impl Error {
    /// The sentence without its mend, for who shows that somewhere else.
    pub fn sentence(&self) -> String {
        match self {
            Self::Io { what, path, cause, .. } => could_not(what, path, cause),
            other => other.to_string(),
        }
    }

    /// What to do about it, where that is not a part of the sentence.
    pub fn mend(&self) -> Option<&'static str> {
        match self {
            Self::Io { mend, .. } if !mend.is_empty() => Some(mend),
            _ => None,
        }
    }
}

fn could_not(what: &str, path: &Path, cause: &io::Error) -> String {
    format!("cannot {what} {}: {cause}", path.display())
}

fn or_nothing(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("; {text}") }
}
