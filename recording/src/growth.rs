//! Grows the file ahead of use, on its own thread, and releases used pages.
//!
//! Two zones are ahead of the writers: `ahead` segments that are allocated and touched (a record there costs a few
//! nanoseconds), and as many again that are only allocated. A burst that overtakes the helper goes on in the second
//! zone, slower by its page faults but without a loss.

use std::{
    fs::File,
    io,
    sync::atomic::Ordering,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    descriptor::Descriptor,
    layout::{self, at},
    platform,
    writer::{Writer, lock, refused, state},
};

/// 1 MiB is touched at once (larger steps are no cheaper per byte), 16 MiB are allocated.
const TOUCH_STEP: u64 = 16;
const ALLOCATE_STEP: u64 = 256;
/// Once records have caught up, touching goes on at this distance (1 MiB) before them.
const LEAD: u64 = 16;
/// At this distance behind the newest segment, even a segment that its thread still fills loses its pages.
const KEEP_OPEN: u64 = 256;
/// Pages are released by the MiB.
const RELEASE_STEP: u64 = 16;
/// The segments that are allocated and touched before the first record; the helper does the rest.
const FIRST_TOUCHED: u64 = 256;
/// The interval of the helper while the file grows; it backs off to the other one while the file rests.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
const IDLE_PAUSE: Duration = Duration::from_millis(8);
/// The delay before the file system is asked again after a refusal.
const RETRY: Duration = Duration::from_millis(100);
/// The interval at which the clock is written and the next pages are touched again: the kernel write-protects pages
/// that it has written back.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
const RETOUCHED: u64 = 128;

/// The state of growing.
pub(crate) struct Growth {
    /// The run file; None once the recording is finished.
    file: Option<Descriptor>,
    /// Segments with room on disk. It only rises: what is allocated once may hold records, and is never zeroed again.
    allocated: u64,
    refused_at: Option<Instant>,
    /// The allocated segments from `Writer::ready` on could not be touched, so nobody gets them.
    withheld: bool,
}

/// Starts the helper of `writer`.
pub(crate) fn spawn(writer: &'static Writer) -> io::Result<JoinHandle<()>> {
    let builder = thread::Builder::new().name("raptors-record".into()).stack_size(128 * 1024);
    platform::without_signals(|| builder.spawn(move || run(writer)))
}

fn run(writer: &'static Writer) {
    let (mut released, mut pause) = (0, BUSY_PAUSE);
    let (mut turn, mut next_turn) = (1, Instant::now() + Duration::from_millis(20));
    while !writer.stopping.load(Ordering::Acquire) {
        let mut busy = false;
        while writer.grow() && !writer.stopping.load(Ordering::Acquire) {
            busy = true;
            writer.release_used(&mut released);
        }
        busy |= writer.release_used(&mut released);
        if Instant::now() >= next_turn {
            writer.write_clock_slot(turn);
            writer.touch_again();
            turn += 1;
            next_turn = Instant::now() + HOUSEKEEPING;
        }
        pause = if busy { BUSY_PAUSE } else { (pause * 2).min(IDLE_PAUSE) };
        thread::park_timeout(pause);
    }
}

impl Writer {
    /// Allocates and touches the segments that the first record needs.
    pub(crate) fn grow_first(&self) -> io::Result<()> {
        let mut growth = lock(&self.growth);
        self.allocate_to(&mut growth, self.ahead.min(self.record_cap) + self.reserve)?;
        // More room is welcome but not needed: the helper asks again, and keeps a refusal in mind.
        let _ = self.allocate_to(&mut growth, self.allocation_goal(0));
        self.touch(&growth, 0, self.ahead.min(FIRST_TOUCHED).min(self.record_cap))
    }

    /// One step of growth, if one is due; the allocation first, because a lack of it loses records.
    fn grow(&self) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        if self.is_finished() {
            return false;
        }
        let mut growth = lock(&self.growth);
        if growth.withheld {
            return growth.may_ask() && self.give_back(&mut growth).is_ok();
        }
        let goal = self.allocation_goal(next);
        let step = ALLOCATE_STEP.min(self.ahead);
        let missing = goal.saturating_sub(growth.allocated);
        if missing > 0 && (missing >= step || goal == self.allocation_goal(self.record_cap)) && growth.may_ask() {
            let to = (growth.allocated + step).min(goal);
            let result = self.allocate_to(&mut growth, to);
            self.note_refusal(&mut growth, result.is_err());
            return result.is_ok();
        }
        self.touch_ahead(&mut growth, next)
    }

    fn note_refusal(&self, growth: &mut Growth, is_refusal: bool) {
        growth.refused_at = is_refusal.then(Instant::now);
        let why = match is_refusal {
            false => refused::NOT,
            true if growth.file().is_ok() => refused::DISK,
            true => refused::DESCRIPTOR,
        };
        self.refused.store(why, Ordering::Relaxed);
    }

    fn allocation_goal(&self, next: u64) -> u64 {
        (next + 2 * self.ahead).min(self.record_cap) + self.reserve
    }

    /// Touches one step of the allocated segments, if one is due.
    fn touch_ahead(&self, growth: &mut Growth, next: u64) -> bool {
        let touched = self.populated.load(Ordering::Relaxed);
        // Once records have caught up, touching starts at a distance before them.
        let from = if touched > next { touched } else { next + LEAD };
        let goal = (next + self.ahead).min(self.ready.load(Ordering::Relaxed)).min(self.record_cap);
        let missing = goal.saturating_sub(from);
        let step = TOUCH_STEP.min(self.ahead);
        if missing == 0 || (missing < step && goal != self.record_cap) {
            return false;
        }
        if self.touch(growth, from, (from + step).min(goal)).is_ok() {
            return true;
        }
        self.withhold(growth, from);
        false
    }

    /// The file system promised room that it does not have: hands out none of it from segment `from` on.
    fn withhold(&self, growth: &mut Growth, from: u64) {
        self.ready.store(from, Ordering::Release);
        growth.withheld = true;
        self.note_refusal(growth, true);
    }

    /// Touches what was withheld once more, and hands it out if that succeeds.
    fn give_back(&self, growth: &mut Growth) -> io::Result<()> {
        let from = self.ready.load(Ordering::Relaxed);
        let result = self.touch(growth, from, (from + TOUCH_STEP).min(growth.allocated));
        self.note_refusal(growth, result.is_err());
        if result.is_ok() {
            growth.withheld = false;
            self.ready.store(growth.allocated, Ordering::Release);
        }
        result
    }

    /// Grows for a document, at once, up to the file's limit if necessary.
    pub(crate) fn grow_for_document(&self) -> io::Result<()> {
        let mut growth = lock(&self.growth);
        let to = (growth.allocated + 1).min(self.capacity);
        self.allocate_to(&mut growth, to)
    }

    fn allocate_to(&self, growth: &mut Growth, to: u64) -> io::Result<()> {
        if growth.withheld {
            self.give_back(growth)?;
        }
        if to <= growth.allocated {
            return Ok(());
        }
        let from = layout::segment_offset(growth.allocated);
        let end = layout::segment_offset(to);
        platform::allocate(growth.file()?, from, end)?;
        growth.allocated = to;
        self.header_u64(at::ALLOCATED).store(end, Ordering::Release);
        self.ready.store(to, Ordering::Release);
        Ok(())
    }

    /// Makes the pages of `from..to` present and writable.
    ///
    /// Zeros are written first, a segment at a time. Linux then has the page cache in folios of 64 KiB and touching is
    /// cheap. With readahead the folios grow, and ext4 walks a whole one for each page that becomes writable: 100 ns
    /// and more a record instead of 15. (Readahead is also off for the mapping, so a record that comes before the
    /// helper pays for one page only.)
    fn touch(&self, growth: &Growth, from: u64, to: u64) -> io::Result<()> {
        for index in from..to {
            self.zero(growth, index)?;
        }
        if from < to {
            self.map.populate(layout::segment_offset(from), layout::segment_offset(to))?;
            self.populated.store(to, Ordering::Relaxed);
            for state in &self.states[from as usize..to as usize] {
                let (free, touched) = (state::FREE, state::TOUCHED);
                let _ = state.compare_exchange(free, touched, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Writes zeros over a free segment, which nothing can take meanwhile. Without a descriptor it stays as it is.
    fn zero(&self, growth: &Growth, index: u64) -> io::Result<()> {
        let state = &self.states[index as usize];
        let (free, busy) = (state::FREE, state::BEING_ZEROED);
        if state.compare_exchange(free, busy, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Ok(());
        }
        let from = layout::segment_offset(index);
        let result = growth.file().map_or(Ok(()), |file| {
            // The last look before the only action that overwrites what a file has.
            platform::write_zeros(file, from, layout::segment_offset(index + 1))
        });
        state.store(free, Ordering::Release);
        result
    }

    /// Releases the pages of segments that are full, or far behind.
    fn release_used(&self, released: &mut u64) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        if self.is_finished() {
            return false;
        }
        let full = |i: u64| self.states[i as usize].load(Ordering::Acquire) == state::FULL;
        let done = |i: u64| full(i) || i + KEEP_OPEN < next;
        let to = (*released..next).find(|i| !done(*i)).unwrap_or(next);
        if to < *released + RELEASE_STEP {
            return false;
        }
        let (from, end) = (layout::segment_offset(*released), layout::segment_offset(to));
        let growth = lock(&self.growth);
        self.map.release(growth.file().ok(), from, end);
        *released = to;
        true
    }

    fn touch_again(&self) {
        let next = self.next.load(Ordering::Relaxed);
        let to = self.populated.load(Ordering::Relaxed).min(next.saturating_add(RETOUCHED));
        if next < to {
            let _ = self.map.populate(layout::segment_offset(next), layout::segment_offset(to));
        }
    }
}

impl Growth {
    pub(crate) fn new(file: Descriptor) -> Self {
        Self { file: Some(file), allocated: 0, refused_at: None, withheld: false }
    }

    /// The run file, for one action at once.
    fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("the recording was finished"))?.get()
    }

    /// Takes the file: nothing grows from here on.
    pub(crate) fn end(&mut self) -> Option<Descriptor> {
        self.file.take()
    }

    fn may_ask(&self) -> bool {
        self.refused_at.is_none_or(|at| at.elapsed() >= RETRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dispatch, Event, Options, Reader, push};

    /// On a file system without `fallocate` zeros make the room: they must not go over segments that records have taken
    /// meanwhile.
    #[test]
    fn room_that_is_withheld_and_given_back_keeps_the_records_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.rtrace");
        let writer = Writer::create(&path, Options { limit_bytes: 64 << 20, ahead_bytes: 1 << 20 }).unwrap();
        let mut pushed = 0;
        let mut push_some = |n: u64| {
            (0..n).for_each(|i| push(Dispatch { n: pushed + i, threads: 1 }, 0, 0, 1, 1));
            pushed += n;
        };
        push_some(4_000);
        platform::WITHOUT_FALLOCATE.store(true, Ordering::Relaxed);
        writer.withhold(&mut lock(&writer.growth), 1);
        push_some(4_000);
        while lock(&writer.growth).withheld {
            thread::sleep(Duration::from_millis(5));
        }
        let before = lock(&writer.growth).allocated;
        while lock(&writer.growth).allocated == before {
            push_some(1_000);
            thread::sleep(Duration::from_millis(5));
        }
        writer.finish().unwrap();
        let reader = Reader::open(&path).unwrap();
        let mut seen = Vec::new();
        reader
            .for_each(|_, record| match record.event {
                Event::Dispatch(Dispatch { n, .. }) => seen.push(n),
                _ => panic!("{record:?}"),
            })
            .unwrap();
        assert!(seen.is_sorted() && seen[..4_000].iter().copied().eq(0..4_000), "records were erased");
        assert_eq!(seen.len() as u64 + reader.header().lost.total(), pushed);
    }
}
