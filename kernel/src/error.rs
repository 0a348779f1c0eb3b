//! What can be wrong with a call, each a sentence that says what was given and what is taken.

use thiserror::Error;

use crate::backend::Backend;

/// Why a scale could not run. The destination is untouched.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is no backend's.
    #[error(
        "there is no backend {given:?}; a backend is scalar, simd, accelerate, openblas, chunked or \
         parallel, the first four also with a variant (simd:avx2, accelerate:vDSP_vsmsa) and the \
         last two with what computes each piece (chunked:simd, parallel:accelerate, or two in turn, \
         parallel:simd+openblas)"
    )]
    UnknownBackend {
        /// What was given.
        given: String,
    },
    /// A word that is no kind of stores.
    #[error("there are no stores {given:?}; plain and stream are taken")]
    UnknownStores {
        /// What was given.
        given: String,
    },
    /// Streaming stores were asked of a backend that has none.
    #[error(
        "the backend {backend} has no streaming stores: its stores are its own affair; simd has them, whole, chunked or \
         parallel"
    )]
    NoStreaming {
        /// What was asked for.
        backend: Backend,
    },
    /// The backend exists, but not on this machine.
    #[error("the backend {backend} cannot run here: {why}; `available()` lists those that can")]
    Unavailable {
        /// What was asked for.
        backend: Backend,
        /// The reason, without its full stop.
        why: String,
    },
    /// A routine that only works in place was asked for out of place, or the other way round.
    #[error("{routine} works {can} only, and this operation is {asked}")]
    WrongPlace {
        /// The routine's name.
        routine: &'static str,
        /// `in place` or `out of place`.
        can: &'static str,
        /// The other of the two.
        asked: &'static str,
    },
    /// Not a number of threads.
    #[error("{given:?} is not a number of threads; 1 to {most} are taken", most = crate::MAX_THREADS)]
    Threads {
        /// What was given.
        given: String,
    },
    /// Source and destination differ in length.
    #[error("the source has {source_len} elements and the destination {destination_len}; they must be equal")]
    Length {
        /// Elements of the source.
        source_len: usize,
        /// Elements of the destination.
        destination_len: usize,
    },
    /// No memory for a result.
    #[error("there is no memory for a result of {bytes} bytes")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// An environment variable with a value that is not taken.
    #[error("the environment variable {variable} is wrong: {why}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// What is wrong with its value.
        why: String,
    },
}
