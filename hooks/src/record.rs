//! The only way from an observed call to a record: nesting, clock, push.
//!
//! An exception that leaves an observed call restores the nesting through [`Running`]. Nothing tells of a `longjmp`
//! over one; the nesting is right again when an outer observed call ends, or at the thread's next round.

use std::cell::Cell;

use raptors_recording::Encoded;
pub(crate) use raptors_recording::clock::ticks;
pub(crate) use raptors_recording::push;

thread_local! {
    /// The number of observed calls, of every kind, that this thread is inside.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// The same number in the form of a record.
#[inline(always)]
pub(crate) fn depth() -> u8 {
    saturated(DEPTH.get())
}

#[inline(always)]
fn saturated(depth: u32) -> u8 {
    depth.min(u32::from(u8::MAX)) as u8
}

/// The thread is inside no observed call: forgets those that were left by a jump.
pub(crate) fn outermost() {
    DEPTH.set(0);
}

/// An observed call that has begun.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    start: u64,
    depth: u32,
}

impl Open {
    /// No call: for tables that need an initial value.
    pub(crate) const NONE: Open = Open { start: 0, depth: 0 };

    /// Counts the call as entered, then reads the clock.
    #[inline(always)]
    pub(crate) fn begin() -> Self {
        let depth = DEPTH.get();
        DEPTH.set(depth + 1);
        Open { start: ticks(), depth }
    }

    /// An exception or a panic left the call: no record, only the nesting is restored.
    pub(crate) fn abandon(self) {
        DEPTH.set(self.depth);
    }

    /// Reads the clock, then writes the record. The nesting becomes what it was at the beginning, even if a jump left
    /// an inner call.
    #[inline(always)]
    pub(crate) fn end(self, event: impl Into<Encoded>, site: u32) {
        let end = ticks();
        DEPTH.set(self.depth);
        push(event, saturated(self.depth), site, self.start, end);
    }
}

/// An observed call on the stack of its wrapper. If an exception leaves the call, the nesting is restored and no record
/// is written.
#[must_use]
pub(crate) struct Running(Open);

impl Running {
    #[inline(always)]
    pub(crate) fn begin() -> Self {
        Running(Open::begin())
    }

    /// As [`Open::end`].
    #[inline(always)]
    pub(crate) fn end(self, event: impl Into<Encoded>, site: u32) {
        let open = self.0;
        std::mem::forget(self);
        open.end(event, site);
    }
}

impl Drop for Running {
    #[cold]
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_left_by_a_panic_or_a_jump_does_not_count() {
        let left = std::panic::catch_unwind(|| {
            let _running = Running::begin();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(left.is_err());
        assert_eq!(depth(), 0, "after a panic");
        std::mem::forget(Running::begin());
        assert_eq!(depth(), 1, "after a jump, nobody knows");
        outermost();
        assert_eq!(depth(), 0, "at a round");
    }
}
