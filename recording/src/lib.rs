//! The run file: its events, crash-safe writer and checked reader.
//!
//! Observers call [`push`] once per observed call. The record goes into a file-backed mapping, so a process that is
//! killed at any instant leaves a readable file; [`Reader`] checks all of it before it uses any of it. `FORMAT.md`
//! beside this crate describes the file byte by byte.
//!
//! The file is created at the caller's path and grows there. For a name that never shows half a run, record under a
//! temporary name and rename the file after [`Writer::finish`].
//!
//! ```no_run
//! use raptors_recording::{Dispatch, Options, Reader, Writer, clock, push};
//!
//! # fn main() -> Result<(), raptors_recording::Error> {
//! let path = std::path::Path::new("run.rtrace");
//! let writer = Writer::create(path, Options::default())?;
//! writer.document("site", r#"{"id":1,"kind":"dispatch","name":"simd"}"#)?;
//! let start = clock::ticks();
//! push(Dispatch { n: 4096, threads: 1 }, 0, 1, start, clock::ticks());
//! writer.finish()?;
//!
//! let reader = Reader::open(path)?;
//! let unit = reader.header().calibration;
//! reader.for_each(|thread, record| {
//!     println!("thread {} {:.0} ns: {:?}", thread.index, unit.nanoseconds(record.duration), record.event);
//! })?;
//! # Ok(())
//! # }
//! ```

#[cfg(target_endian = "big")]
compile_error!("the run file is written in place as little endian; big-endian targets need a swap");

mod append;
pub mod clock;
mod cursor;
mod descriptor;
mod documents;
mod error;
mod event;
mod growth;
mod layout;
mod platform;
mod reader;
mod scan;
mod site;
mod steady;
mod writer;

pub use append::append_document;
pub use clock::{Calibration, ClockSource};
pub use cursor::{active, push};
pub use error::Error;
pub use event::{
    Alias, Aliasing, Alignments, Alloc, BackendCall, Chunk, Convert, Dispatch, Edge, Encoded, Event, Free, Kind,
    LoopCall, LoopShape, Mark, RoundKind, RoutineCall, Scale, Touch,
};
pub use layout::{Lost, Record};
pub use reader::{Header, Reader, ThreadId, begins_as_run_file};
pub use site::{Site, SiteKind};
pub use writer::{Options, Writer};
