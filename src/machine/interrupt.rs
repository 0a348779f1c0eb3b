//! Signals that ask the command to end. While a run is on they are noted instead of obeyed: the driver has to end its
//! recording first, and nothing half-written may stay behind.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{SIG_IGN, SIGHUP, SIGINT, SIGTERM, c_int, sigaction};

use crate::model::error::Error;

/// Whether one of them has come.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Notes SIGINT, SIGTERM and SIGHUP from its making to its end, when each is again what it was before.
#[derive(Debug)]
pub struct Interrupt {
    before: Vec<(c_int, sigaction)>,
}

impl Interrupt {
    /// Begins to note. What was noted before is forgotten; there is one of these at a time.
    pub fn watch() -> Self {
        ASKED.store(false, Ordering::SeqCst);
        Self {
            before: [SIGINT, SIGTERM, SIGHUP].into_iter().filter_map(|signal| Some((signal, note(signal)?))).collect(),
        }
    }

    /// Whether the run has been asked to end.
    pub fn asked(&self) -> bool {
        ASKED.load(Ordering::SeqCst)
    }

    /// An error once the user has asked to end.
    ///
    /// # Errors
    /// [`too_early`] where somebody has.
    pub fn check(&self) -> Result<(), Error> {
        if self.asked() {
            return Err(too_early());
        }
        Ok(())
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: `before` is what sigaction itself gave for this signal.
            unsafe { sigaction(*signal, before, std::ptr::null_mut()) };
        }
    }
}

/// What a run says that was ended before it had anything to show.
pub fn too_early() -> Error {
    Error::new("interrupted before anything was measured")
}

extern "C" fn asked(_signal: c_int) {
    ASKED.store(true, Ordering::SeqCst);
}

/// Has `signal` noted; what was done about it before, or nothing where it is left alone.
fn note(signal: c_int) -> Option<sigaction> {
    let mut before = MaybeUninit::<sigaction>::uninit();
    // SAFETY: a null action asks only; the old one is written to memory of its size.
    if unsafe { sigaction(signal, std::ptr::null(), before.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so it was written.
    let before = unsafe { before.assume_init() };
    // Under nohup a run goes on when its terminal is closed.
    if signal == SIGHUP && before.sa_sigaction == SIG_IGN {
        return None;
    }
    // SAFETY: a sigaction is plain data, for which all zeroes are valid: no flags, nothing blocked.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = asked as extern "C" fn(c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action is whole, and its handler stores one atomic, which any signal may interrupt.
    let set = unsafe { sigaction(signal, &action, std::ptr::null_mut()) };
    (set == 0).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, as there is one flag: nextest would give each a process, `cargo test` would not.
    #[test]
    fn a_signal_is_noted_while_it_is_watched_and_what_was_before_comes_back() {
        let disposition = |signal| {
            let mut now = MaybeUninit::<sigaction>::uninit();
            // SAFETY: as in `note`.
            unsafe {
                assert_eq!(sigaction(signal, std::ptr::null(), now.as_mut_ptr()), 0);
                now.assume_init().sa_sigaction
            }
        };
        // SAFETY: raising and ignoring signals touches no memory; SIGHUP is not used elsewhere in this process.
        unsafe { libc::signal(SIGHUP, SIG_IGN) };
        let before = disposition(SIGTERM);
        let interrupt = Interrupt::watch();
        assert!(interrupt.check().is_ok());
        assert_eq!(disposition(SIGHUP), SIG_IGN, "nohup");
        // SAFETY: the signal is caught.
        unsafe { libc::raise(SIGTERM) };
        assert!(interrupt.asked() && interrupt.check().is_err());
        drop(interrupt);
        assert_eq!(disposition(SIGTERM), before);
        assert!(!Interrupt::watch().asked());
    }
}
