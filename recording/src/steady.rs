//! Whether the clock of the records and the system's clock keep one pace.
//!
//! A suspended machine stops `CLOCK_MONOTONIC` and lets the CPU's counter run on, or sets it back; a virtual machine
//! that is moved may do the same. One length of a tick then fits no longer, and every time of the run would be wrong.

use crate::clock::{ClockSource, Pair, SHORTEST_SPAN_NS, source};

/// Clocks that differ by less than this, and a tenth of the time between two readings, kept pace: the system may slew
/// its clock by up to 8 % (chrony) to correct it.
const TOLERATED_NS: f64 = 10e6;
const TOLERATED_SHARE: f64 = 0.1;

/// Follows both clocks from the start of a recording.
pub(crate) struct Steady {
    start: Pair,
    /// The last reading up to which they kept pace.
    last: Pair,
    jump_ns: u64,
}

impl Steady {
    pub(crate) fn new(start: Pair) -> Self {
        Self { start, last: start, jump_ns: 0 }
    }

    /// Takes the next reading, and gives the one that the length of a tick is to be computed from: this one, or after a
    /// jump the last one before it.
    pub(crate) fn take(&mut self, now: Pair) -> Pair {
        if self.jump_ns == 0 {
            self.jump_ns = if source() == ClockSource::System { 0 } else { self.jump_to(&now) };
        }
        if self.jump_ns == 0 {
            self.last = now;
        }
        self.last
    }

    /// Nanoseconds by which they jumped against each other; 0 if they kept pace.
    pub(crate) fn jump_ns(&self) -> u64 {
        self.jump_ns
    }

    fn jump_to(&self, now: &Pair) -> u64 {
        let pace = self.start.until(&self.last).filter(|known| known.span_ns >= SHORTEST_SPAN_NS);
        let Some(pace) = pace else { return 0 };
        let by_clock = now.ns.saturating_sub(self.last.ns) as f64;
        let by_ticks = (now.ticks as f64 - self.last.ticks as f64) * pace.ns_per_tick;
        let apart = (by_ticks - by_clock).abs();
        if apart > TOLERATED_NS + TOLERATED_SHARE * by_clock { apart as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Three ticks a nanosecond; `ahead` ticks more.
    fn at(ns: u64, ahead: i64) -> Pair {
        Pair { ticks: (3 * ns).wrapping_add_signed(ahead), ns }
    }

    fn second_one() -> Steady {
        let mut steady = Steady::new(at(SECOND, 0));
        assert_eq!(steady.take(at(2 * SECOND, 0)), at(2 * SECOND, 0));
        steady
    }

    #[test]
    fn clocks_that_keep_pace_are_believed_to_the_end() {
        let mut steady = second_one();
        // A reading that was interrupted, and a clock that the system corrects.
        for now in [at(3 * SECOND, 3_000), at(4 * SECOND, 200_000_000), at(100 * SECOND, 200_000_000)] {
            assert_eq!((steady.take(now), steady.jump_ns()), (now, 0));
        }
    }

    #[test]
    fn a_suspend_is_seen_and_the_pace_before_it_is_kept() {
        if source() == ClockSource::System {
            eprintln!("skipped: the system's clock is the clock of the records here");
            return;
        }
        let (second, hour) = (SECOND as i64, 3_600 * SECOND as i64);
        // The counter ran on while the clock stood still; it began anew; it stood still.
        for (ahead, jump) in [(3 * hour, hour), (-9 * second, 3 * second), (-second, second / 3)] {
            let mut steady = second_one();
            assert_eq!(steady.take(at(3 * SECOND, ahead)), at(2 * SECOND, 0));
            assert_eq!(steady.jump_ns(), jump as u64);
            assert_eq!(steady.take(at(4 * SECOND, ahead)), at(2 * SECOND, 0), "believed again");
            assert_eq!(steady.jump_ns(), jump as u64);
        }
    }
}
