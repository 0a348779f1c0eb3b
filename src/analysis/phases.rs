//! From records to the exclusive parts of each observed round.
//!
//! Records of a thread come in order of completion, so a call's inner calls come right before it; a stack of sums by
//! depth turns inclusive times into exclusive ones. Only the thread that runs the rounds is added up: concurrent work
//! of other threads is part of the wall time of the call that waits for them.

use raptors_recording::{Event, Record};

/// Nanoseconds of one round by phase, and the counts that go with them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// Converting arrays in and out.
    pub conversion: f64,
    /// Getting memory.
    pub allocation: f64,
    /// The cost of touching memory before use, beyond walking its pages once more; evidence, not the phase.
    pub touching: f64,
    /// Loops, routines and backends.
    pub kernel: f64,
    /// Waking and joining threads.
    pub sync: f64,
    /// Giving memory back.
    pub free: f64,
    /// Page faults in memory that was touched before use.
    pub faults_touched: f64,
    /// Records of the round, on any thread.
    pub records: f64,
    /// Outermost calls of other threads than the round's; no phase has their time.
    pub elsewhere: f64,
}

impl Parts {
    /// Nanoseconds inside recorded calls: every phase except dispatch, without the time of touching memory before use.
    pub fn inside(&self) -> f64 {
        self.conversion + self.allocation + self.kernel + self.sync + self.free
    }
}

/// Converts ticks to nanoseconds, and subtracts the cost of a pair of clock reads.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Nanoseconds of a tick.
    pub ns_per_tick: f64,
    /// Nanoseconds between two clock reads with nothing between them.
    pub clock_ns: f64,
}

impl Scale {
    /// A span in ticks as nanoseconds, without the cost of the clock.
    pub fn ns(&self, ticks: u64) -> f64 {
        (ticks as f64 * self.ns_per_tick - self.clock_ns).max(0.0)
    }
}

/// One piece of a parallel operation.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u64,
    ticks: u64,
    thread: u32,
}

/// A parallel backend's call, whose kernel time is that of its busiest thread.
#[derive(Clone, Copy, Debug)]
struct Parallel {
    round: usize,
    start: u64,
    ticks: u64,
}

/// Adds records up, one round after the other.
pub struct Accounting {
    scale: Scale,
    parts: Vec<Parts>,
    inner: [f64; 257],
    pieces: Vec<Piece>,
    parallel: Vec<Parallel>,
}

impl Accounting {
    /// For `rounds` rounds.
    pub fn new(scale: Scale, rounds: usize) -> Self {
        Self {
            scale,
            parts: vec![Parts::default(); rounds],
            inner: [0.0; 257],
            pieces: Vec::new(),
            parallel: Vec::new(),
        }
    }

    /// Adds a record of the thread that runs the rounds. `parallel`: it is the call of a parallel backend.
    pub fn own(&mut self, round: usize, record: &Record, parallel: bool) {
        let depth = usize::from(record.depth);
        let parts = &mut self.parts[round];
        parts.records += 1.0;
        if matches!(record.event, Event::Chunk(_)) {
            // Its time is part of the backend's; it is kept separately for the busiest thread.
            return;
        }
        let spent = self.scale.ns(record.duration);
        let exclusive = (spent - self.inner[depth + 1]).max(0.0);
        self.inner[depth + 1] = 0.0;
        // The whole cost of a touch counts as inner time of the call around it, not only the faults' share.
        let elapsed = match record.event {
            Event::Touch(touch) => self.scale.ns(touch.ticks).max(spent),
            _ => spent,
        };
        self.inner[depth] += elapsed;
        match record.event {
            Event::Loop(_) | Event::Routine(_) => parts.kernel += exclusive,
            Event::Backend(_) if parallel => {
                self.parallel.push(Parallel { round, start: record.start, ticks: record.duration })
            }
            Event::Backend(_) => parts.kernel += exclusive,
            Event::Alloc(_) => parts.allocation += exclusive,
            Event::Free(_) => parts.free += exclusive,
            Event::Convert(_) => parts.conversion += exclusive,
            Event::Touch(touch) => {
                parts.touching += spent;
                parts.faults_touched += touch.faults as f64;
            }
            _ => {}
        }
        if depth == 0 {
            self.inner[0] = 0.0;
        }
    }

    /// A record of another thread.
    pub fn other(&mut self, round: usize, record: &Record) {
        let parts = &mut self.parts[round];
        parts.records += 1.0;
        let call = matches!(record.event, Event::Loop(_) | Event::Routine(_) | Event::Backend(_));
        if call && record.depth == 0 {
            parts.elsewhere += 1.0;
        }
    }

    /// A piece of a parallel operation, on any thread.
    pub fn piece(&mut self, thread: u32, record: &Record) {
        self.pieces.push(Piece { start: record.start, ticks: record.duration, thread });
    }

    /// The parts of every round.
    pub fn finish(mut self) -> Vec<Parts> {
        self.pieces.sort_by_key(|piece| piece.start);
        for call in std::mem::take(&mut self.parallel) {
            let busiest = self.busiest(call);
            let whole = self.scale.ns(call.ticks);
            let parts = &mut self.parts[call.round];
            parts.kernel += busiest;
            parts.sync += (whole - busiest).max(0.0);
        }
        self.parts
    }

    /// Nanoseconds that the busiest thread spent on pieces of `call`.
    fn busiest(&self, call: Parallel) -> f64 {
        let first = self.pieces.partition_point(|p| p.start < call.start);
        let mut spent: Vec<(u32, f64)> = Vec::new();
        for piece in &self.pieces[first..] {
            if piece.start > call.start + call.ticks {
                break;
            }
            let ns = self.scale.ns(piece.ticks);
            match spent.iter_mut().find(|(thread, _)| *thread == piece.thread) {
                Some((_, sum)) => *sum += ns,
                None => spent.push((piece.thread, ns)),
            }
        }
        spent.iter().map(|(_, ns)| *ns).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use raptors_recording::{Alloc, BackendCall, Chunk, LoopCall, RoutineCall};

    const NS: Scale = Scale { ns_per_tick: 1.0, clock_ns: 0.0 };

    fn record(event: impl Into<Event>, depth: u8, start: u64, duration: u64) -> Record {
        Record { depth, site: 0, start, duration, event: event.into() }
    }

    #[test]
    fn an_inner_call_is_taken_out_of_the_one_around_it() {
        let mut accounting = Accounting::new(NS, 1);
        accounting.own(0, &record(Alloc::default(), 1, 10, 30), false);
        accounting.own(0, &record(RoutineCall::default(), 1, 50, 20), false);
        accounting.own(0, &record(LoopCall::default(), 0, 0, 100), false);
        accounting.own(0, &record(LoopCall::default(), 0, 200, 7), false);
        let parts = accounting.finish()[0];
        assert_eq!((parts.allocation, parts.kernel), (30.0, 20.0 + 50.0 + 7.0));
        assert_eq!(parts.records, 4.0);
    }

    #[test]
    fn the_busiest_thread_is_the_kernel_and_the_rest_of_the_call_is_sync() {
        let mut accounting = Accounting::new(NS, 1);
        accounting.piece(1, &record(Chunk::default(), 1, 120, 50));
        accounting.piece(0, &record(Chunk::default(), 1, 110, 40));
        accounting.piece(0, &record(Chunk::default(), 1, 150, 30));
        accounting.piece(0, &record(Chunk::default(), 1, 900, 30));
        accounting.own(0, &record(BackendCall::default(), 0, 100, 100), true);
        let parts = accounting.finish()[0];
        assert_eq!((parts.kernel, parts.sync), (70.0, 30.0));
    }

    #[test]
    fn the_clocks_own_time_is_taken_off_each_record() {
        let scale = Scale { ns_per_tick: 0.5, clock_ns: 10.0 };
        let mut accounting = Accounting::new(scale, 1);
        accounting.own(0, &record(LoopCall::default(), 0, 0, 100), false);
        accounting.own(0, &record(LoopCall::default(), 0, 200, 2), false);
        assert_eq!(accounting.finish()[0].kernel, 40.0);
    }
}
