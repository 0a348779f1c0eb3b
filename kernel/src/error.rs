//! The errors of a call; each is a sentence that gives the value and the accepted values.

use thiserror::Error;

use crate::backend::Backend;

/// The reason that a scale could not run. The destination is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// An unknown name of a backend.
    #[error(
        "there is no backend {given:?}; a backend is scalar, simd, accelerate, openblas, chunked or \
         parallel, the first four also with a variant (simd:avx2, accelerate:vDSP_vsmsa) and the \
         last two with what computes each piece (chunked:simd, parallel:accelerate, or two in turn, \
         parallel:simd+openblas)"
    )]
    UnknownBackend {
        /// The given name.
        given: String,
    },
    /// An unknown name of a kind of stores.
    #[error("there are no stores {given:?}; plain and stream are taken")]
    UnknownStores {
        /// The given name.
        given: String,
    },
    /// Streaming stores were requested from a backend that has none.
    #[error(
        "the backend {backend} has no streaming stores: its stores are its own affair; simd has them, whole, chunked \
         or parallel"
    )]
    NoStreaming {
        /// The requested backend.
        backend: Backend,
    },
    /// The backend exists, but not on this machine.
    #[error("the backend {backend} cannot run here: {why}; `available()` lists those that can")]
    Unavailable {
        /// The requested backend.
        backend: Backend,
        /// The reason, without its full stop.
        why: String,
    },
    /// A routine that works only in place was requested out of place, or the other way round.
    #[error("{routine} works {can} only, and this operation is {asked}")]
    WrongPlace {
        /// The routine's name.
        routine: &'static str,
        /// `in place` or `out of place`.
        can: &'static str,
        /// The other of the two.
        asked: &'static str,
    },
    /// An invalid number of threads.
    #[error("{given:?} is not a number of threads; 1 to {most} are taken", most = crate::MAX_THREADS)]
    Threads {
        /// The given text.
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
        /// Requested bytes.
        bytes: usize,
    },
    /// An environment variable with an invalid value.
    #[error("the environment variable {variable} is wrong: {why}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// What is wrong with its value.
        why: String,
    },
}
