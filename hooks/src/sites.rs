//! The meaning of a record's `site`: one document per call site, written once into each run file.

use crate::report::Error;
use raptors_recording::{Site, Writer};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Registry {
    /// Index + 1 = id.
    documents: Vec<String>,
    writer: Option<&'static Writer>,
    /// The number of `documents` that the writer has.
    written: usize,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { documents: Vec::new(), writer: None, written: 0 });

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the run file for the descriptions of call sites: known ones are written at once, later ones as they are found.
/// Call it after `Writer::create` and before arming.
///
/// # Errors
/// The run file does not take a document.
pub fn record_into(writer: &'static Writer) -> Result<(), Error> {
    let mut registry = registry();
    if !registry.writer.is_some_and(|known| std::ptr::eq(known, writer)) {
        registry.writer = Some(writer);
        registry.written = 0;
    }
    registry.flush()
}

/// Describes a site, which gets its permanent `id` here; returns it. Ids begin at 1. The next [`publish`] writes the
/// document into the run file.
pub(crate) fn add(site: Site) -> u32 {
    let mut registry = registry();
    let id = registry.documents.len() as u32 + 1;
    let document = serde_json::to_string(&Site { id, ..site });
    registry.documents.push(document.expect("texts and numbers are JSON"));
    id
}

/// Writes the descriptions that the run file does not have yet. Without a run file they are kept for the next one.
pub(crate) fn publish() -> Result<(), Error> {
    registry().flush()
}

impl Registry {
    fn flush(&mut self) -> Result<(), Error> {
        let Some(writer) = self.writer else {
            return Ok(());
        };
        while let Some(document) = self.documents.get(self.written) {
            match writer.document(Site::KEY, document) {
                Ok(()) => self.written += 1,
                Err(raptors_recording::Error::Closed(_)) => {
                    // The recording is over: later sites are kept for the next one.
                    self.writer = None;
                    break;
                }
                Err(error) => return Err(Error::Recording(error.to_string())),
            }
        }
        Ok(())
    }
}

/// The registry's lock, for the test that nothing waits for it.
#[cfg(test)]
pub(crate) fn test_lock() -> impl Sized {
    registry()
}
