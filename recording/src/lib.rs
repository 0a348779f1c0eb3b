//! The run file: record layout, crash-safe writer and checked reader.
//!
//! Observers call [`push`] once per observed call. The record goes into a file-backed mapping, so a process that is
//! killed at any instant leaves a readable file; [`Reader`] checks all of it before it uses any of it. `FORMAT.md`
//! beside this crate describes the file byte by byte.
//!
//! The file is created at the caller's path and grows there. For a name that never shows half a run, record under a
//! temporary name and rename the file after [`Writer::finish`].
//!
//! ```no_run
//! use raptors_recording::{Kind, Options, Reader, Writer, clock, push};
//!
//! # fn main() -> Result<(), raptors_recording::Error> {
//! let path = std::path::Path::new("run.rtrace");
//! let writer = Writer::create(path, Options::default())?;
//! writer.document("site", r#"{"id":1,"kind":"loop","name":"np.multiply[ff->f]"}"#)?;
//! let start = clock::ticks();
//! push(Kind::Loop, 0, 0, 1, start, clock::ticks(), [4096, 0, 0, 0, 0]);
//! writer.finish()?;
//!
//! let reader = Reader::open(path)?;
//! let unit = reader.header().calibration;
//! reader.for_each(|thread, record| {
//!     println!("thread {} {:.0} ns", thread.index, unit.nanoseconds(record.duration));
//! })?;
//! # Ok(())
//! # }
//! ```

#[cfg(target_endian = "big")]
compile_error!("the run file is written in place as little endian; big-endian targets need a swap");

mod append;
pub mod clock;
mod cursor;
mod documents;
mod error;
mod growth;
mod layout;
mod platform;
mod reader;
mod scan;
mod writer;

pub use append::append_document;
pub use clock::{Calibration, ClockSource};
pub use cursor::{active, push};
pub use error::Error;
pub use layout::{Kind, Lost, Record, flags};
pub use reader::{Header, Reader, ThreadId, begins_as_run_file};
pub use writer::{Options, Writer};
