//! Calls of BLAS, LAPACK, vDSP and vForce routines, through the imported-symbol slots of loaded objects.
//!
//! Every slot that leads to a routine of the catalogue is redirected to a wrapper with the routine's own signature,
//! which calls the original and records the call. `dlsym` slots lead to a look-up that returns such wrappers. Not
//! observed: calls inside one library, statically linked libraries, and addresses copied before [`arm`]; until its
//! first call, a slot that the loader has not bound yet and may bind to more than one function; and a slot that another
//! tool changed while it was observed.

mod call;
mod dlsym;
mod instances;
mod libraries;
mod object;
mod slots;
mod wrappers;

use crate::platform;
use crate::report::{Error, Report};
use crate::sites;
use slots::Slots;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

static SLOTS: Mutex<Slots> = Mutex::new(Slots::new());

fn slots() -> MutexGuard<'static, Slots> {
    SLOTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Observes the routines that any loaded object imports. This library stays loaded forever from here on, and the
/// observed objects as long as they are observed.
///
/// # Errors
/// A platform without known slots; a run file that takes no documents.
pub fn arm() -> Result<Report, Error> {
    platform::supported()?;
    platform::stay_loaded();
    dlsym::remember();
    call::RECORDING.store(true, Ordering::SeqCst);
    scan(true)
}

/// Observes objects that were loaded since, and slots that the loader resolved meanwhile. Costs under a microsecond if
/// no object was loaded or unloaded.
///
/// # Errors
/// A run file that takes no documents.
pub fn rescan() -> Result<Report, Error> {
    if !call::RECORDING.load(Ordering::Relaxed) {
        return Ok(Report::new("routines"));
    }
    scan(false)
}

fn scan(all: bool) -> Result<Report, Error> {
    let begun = Instant::now();
    let mut report = Report::new("routines");
    slots().scan(all, &mut report);
    sites::publish()?;
    report.elapsed_ns = begun.elapsed().as_nanos() as u64;
    Ok(report)
}

/// Restores the original pointers. A slot that no longer holds our wrapper is left alone and reported. A wrapper that
/// other code has copied or got from `dlsym` keeps working and records nothing.
#[must_use = "the report says which slots could not be put back"]
pub fn disarm() -> Report {
    let begun = Instant::now();
    call::RECORDING.store(false, Ordering::SeqCst);
    let mut report = Report::new("routines");
    slots().restore(&mut report);
    report.elapsed_ns = begun.elapsed().as_nanos() as u64;
    report
}

/// The lock of the slots, for the test that nothing waits for it.
#[cfg(test)]
pub(crate) fn test_lock() -> impl Sized {
    (slots(), instances::test_lock())
}

/// The wrapper for a slot of `symbol` that leads to `original`.
#[cfg(test)]
pub(crate) fn test_wrapper(symbol: &str, original: usize) -> usize {
    instances::wrapper(symbol, original, "").unwrap()
}
