//! The only way from an observed call to a record: nesting, clock, push.

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

    /// A panic left the call: no record, only the nesting is restored.
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
