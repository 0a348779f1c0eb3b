//! What arming did and what it could not do: an observer that sees nothing must say so.

use serde::Serialize;
use std::collections::BTreeMap;

/// The outcome of switching one observer on, off, or over to newly loaded objects.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Which observer: `routines`, `loops`, `memory` or `kernel`.
    pub hook: &'static str,
    /// What is observed after this call: slots, loops, handler functions or probes.
    pub armed: usize,
    /// What this call put back.
    pub restored: usize,
    /// Routines only: observed slots by routine symbol as the importing object spells it.
    pub symbols: BTreeMap<String, usize>,
    /// Routines only: which object imports from which library.
    pub objects: Vec<Object>,
    /// What is not observed, and the reason of each.
    pub not_armed: Vec<NotArmed>,
    /// What the call took, in nanoseconds.
    pub elapsed_ns: u64,
}

/// The slots of one importing object that lead to one library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// The file that calls.
    pub object: String,
    /// The file that holds the routines.
    pub library: String,
    /// How many slots of `object` lead there.
    pub slots: usize,
}

/// One thing that could not be observed.
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

/// Why an observer could not be switched at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A pointer handed in does not lead to the structure it should.
    #[error("{what} does not look like {expected}: {why}")]
    NotRecognised {
        /// What was handed in.
        what: &'static str,
        /// What it should have been.
        expected: &'static str,
        /// The check that failed.
        why: String,
    },
    /// The platform has no imported-symbol slots this crate knows.
    #[error("calls of math libraries cannot be observed in process on {0}; Linux and macOS can")]
    Unsupported(&'static str),
    /// The memory behind a pointer to swap cannot be written.
    #[error("{what} lies in memory that cannot be written")]
    ReadOnly {
        /// What was to be changed.
        what: &'static str,
    },
    /// The run file did not take a site document.
    #[error("the run file does not take the description of a call site: {0}")]
    Recording(String),
}
