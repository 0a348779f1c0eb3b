//! The result of arming, with everything that could not be armed: an observer that sees nothing must say so.

use serde::Serialize;
use std::collections::BTreeMap;

/// The result of switching one observer on or off, or of extending it to newly loaded objects.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Which observer: `routines`, `loops`, `memory` or `kernel`.
    pub hook: &'static str,
    /// The number of observed slots, loops, handler functions or probes after this call.
    pub armed: usize,
    /// The number of slots that this call restored.
    pub restored: usize,
    /// Routines only: the number of observed slots by routine symbol, in the importing object's spelling.
    pub symbols: BTreeMap<String, usize>,
    /// Routines only: the importing objects and their libraries.
    pub objects: Vec<Object>,
    /// The parts that are not observed, each with its reason.
    pub not_armed: Vec<NotArmed>,
    /// The duration of the call in nanoseconds.
    pub elapsed_ns: u64,
}

/// The slots of one importing object that lead to one library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// The file that calls.
    pub object: String,
    /// The file that holds the routines.
    pub library: String,
    /// The number of slots of `object` that lead there.
    pub slots: usize,
}

/// A part that could not be observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotArmed {
    /// A loop, a symbol of an object, an object.
    pub what: String,
    /// A sentence.
    pub why: String,
}

impl Report {
    pub(crate) fn new(hook: &'static str) -> Self {
        Report { hook, ..Report::default() }
    }

    pub(crate) fn refuse(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.not_armed.push(NotArmed { what: what.into(), why: why.into() });
    }
}

/// The reason that an observer could not be switched at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A given pointer does not lead to the expected structure.
    #[error("{what} does not look like {expected}: {why}")]
    NotRecognised {
        /// The given object.
        what: &'static str,
        /// The expected structure.
        expected: &'static str,
        /// The check that failed.
        why: String,
    },
    /// This crate knows no imported-symbol slots on the platform.
    #[error("calls of math libraries cannot be observed in process on {0}; Linux and macOS can")]
    Unsupported(&'static str),
    /// The memory behind a pointer to swap is not writable.
    #[error("{what} lies in memory that cannot be written")]
    ReadOnly {
        /// The pointer that was to be changed.
        what: &'static str,
    },
    /// The run file did not take a site document.
    #[error("the run file does not take the description of a call site: {0}")]
    Recording(String),
}
