//! What can go wrong, said to the person who has to help it.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a run file could not be written or read. Each is a sentence with its help, where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an action.
    #[error("{}{}", could_not(what, path, cause), or_nothing(help))]
    Io {
        /// The action, as a verb: "create".
        what: &'static str,
        /// The run file.
        path: PathBuf,
        /// What to do about it; empty where nothing is known.
        help: &'static str,
        /// The system's message. Part of the sentence, so the error has no `source`.
        cause: io::Error,
    },
    /// The path exists already.
    #[error("{} exists already; choose another name or remove it", .0.display())]
    Exists(PathBuf),
    /// The path is not a regular file, so it is not replaced.
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
        /// Which bound was met, and the help.
        why: &'static str,
    },
    /// This toolkit did not write the file.
    #[error("{path} is not a run file: {why}")]
    NotARunFile {
        /// The file.
        path: String,
        /// The reason.
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
    /// The file's layout is older than what this reader knows.
    #[error(
        "{path} was made by an older raptors-trace (layout {found}, this one reads from {known} on); \
         record it again, or show it with the raptors-trace that made it"
    )]
    OlderVersion {
        /// The file.
        path: String,
        /// The file's version.
        found: u32,
        /// The oldest version that this reader knows.
        known: u32,
    },
    /// The end of the file is missing.
    #[error("{path} is truncated at offset {len}: {missing} of {expected} bytes are missing; copy it again")]
    Truncated {
        /// The file.
        path: String,
        /// The bytes of the file, which is the offset of the first missing one.
        len: u64,
        /// The expected bytes.
        expected: u64,
        /// The difference.
        missing: u64,
    },
    /// A part of the file is invalid.
    #[error("{path} is damaged at offset {offset}: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// The offset in the file where it shows.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}

impl Error {
    /// The sentence without its help, for who shows that somewhere else.
    pub fn sentence(&self) -> String {
        match self {
            Self::Io { what, path, cause, .. } => could_not(what, path, cause),
            other => other.to_string(),
        }
    }

    /// What to do about it, where that is not a part of the sentence.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Io { help, .. } if !help.is_empty() => Some(help),
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
