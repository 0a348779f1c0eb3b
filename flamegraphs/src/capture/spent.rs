//! The time of one side's blocks, and the samples that another handler of the signal got instead of ours.

use std::time::{Duration, Instant};

use super::signal;
use crate::Tag;

/// A moment at a block's border.
#[derive(Clone, Copy, Debug)]
pub(super) struct Border {
    pub wall: Instant,
    /// The CPU time of all threads so far.
    pub cpu: Duration,
    /// The signals for the block's tag so far.
    pub signals: u64,
    /// Whether the sampler gets the signals of its timer.
    pub is_ours: bool,
}

/// A block that is being sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub tag: Tag,
    pub begin: Border,
}

/// Signals in an amount of CPU time.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    signals: u64,
    cpu: Duration,
}

impl Counted {
    fn add(&mut self, signals: u64, cpu: Duration) {
        self.signals += signals;
        self.cpu += cpu;
    }
}

/// The blocks of one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub wall: Duration,
    pub cpu: Duration,
    /// The time in which every signal of the timer came.
    whole: Counted,
    /// The blocks at whose beginning or end the signal or the timer was another program's.
    taken: Counted,
}

impl Spent {
    /// Adds a block. `last` is the CPU time at the last signal.
    pub fn add(&mut self, begin: Border, end: Border, last: Duration) {
        let cpu = end.cpu.saturating_sub(begin.cpu);
        let signals = end.signals.saturating_sub(begin.signals);
        self.wall += end.wall - begin.wall;
        self.cpu += cpu;
        if begin.is_ours && end.is_ours {
            self.whole.add(signals, cpu);
            return;
        }
        self.taken.add(signals, cpu);
        if begin.is_ours && signals > 0 {
            self.whole.add(signals, last.saturating_sub(begin.cpu).min(cpu));
        }
    }

    /// The samples that these blocks lack at this rate, in samples for each second of CPU time.
    pub fn missed(&self, rate: f64) -> u64 {
        let expected = rate * self.taken.cpu.as_secs_f64();
        (expected - self.taken.signals as f64).max(0.0).round() as u64
    }
}

/// The signals for each second of CPU time while all of them came: what the kernel's timer gives of `frequency`.
pub(super) fn rate<'a>(sides: impl Iterator<Item = &'a Spent>, frequency: u32) -> f64 {
    let mut whole = Counted::default();
    sides.for_each(|spent| whole.add(spent.whole.signals, spent.whole.cpu));
    let seen = whole.signals as f64 / whole.cpu.as_secs_f64();
    let frequency = f64::from(frequency);
    // Over a short time even one signal seems to be many.
    if whole.signals > 0 { seen.min(frequency) } else { frequency }
}

impl Block {
    /// Itself, with the signals of its tag so far.
    pub fn begun(self) -> Block {
        Block { begin: self.end(self.begin), ..self }
    }

    /// Its end: `end` with the signals of its tag.
    pub fn end(&self, end: Border) -> Border {
        Border { signals: signal::signals()[usize::from(self.tag.0)], ..end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn border(cpu_ms: u64, signals: u64, is_ours: bool) -> Border {
        let start = Instant::now();
        Border { wall: start, cpu: Duration::from_millis(cpu_ms), signals, is_ours }
    }

    fn missed(blocks: &[(Border, Border, u64)]) -> (u64, u64) {
        let mut spent = Spent::default();
        for &(begin, end, last_ms) in blocks {
            spent.add(begin, Border { wall: begin.wall, ..end }, Duration::from_millis(last_ms));
        }
        let rate = rate(std::iter::once(&spent), 1000);
        (rate.round() as u64, spent.missed(rate))
    }

    #[test]
    fn blocks_of_our_own_miss_nothing_however_few_signals_came() {
        assert_eq!(missed(&[(border(0, 0, true), border(400, 7, true), 390)]).1, 0);
    }

    #[test]
    fn what_is_missed_follows_from_the_rate_of_the_other_blocks() {
        let whole = (border(0, 0, true), border(400, 100, true), 400);
        let taken = (border(400, 100, true), border(800, 125, false), 500);
        let others = (border(800, 125, false), border(1000, 125, false), 500);
        assert_eq!(missed(&[whole, taken, others]), (250, 125));
    }

    #[test]
    fn one_block_tells_the_rate_by_its_signals_up_to_the_last() {
        assert_eq!(missed(&[(border(0, 0, true), border(600, 50, false), 200)]), (250, 100));
    }

    #[test]
    fn without_any_signal_the_rate_is_the_one_that_was_asked_for() {
        assert_eq!(missed(&[(border(0, 0, true), border(600, 0, false), 0)]), (1000, 600));
        // One signal after 0 ms of CPU time is no rate above that.
        assert_eq!(missed(&[(border(0, 0, true), border(600, 1, false), 0)]), (1000, 599));
    }

    #[test]
    fn a_handler_that_passes_every_signal_on_takes_none() {
        let whole = (border(0, 0, true), border(400, 100, true), 400);
        assert_eq!(missed(&[whole, (border(400, 100, true), border(800, 201, false), 800)]).1, 0);
    }
}
