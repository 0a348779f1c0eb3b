//! The hot path: each thread's position in its segment.

use std::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering},
};

use crate::{
    event::{Encoded, Kind},
    layout::{self, LIVE, RECORD_BYTES, SEGMENT_BYTES, SEGMENT_RECORDS, SegmentHeader},
    platform,
    writer::{Purpose, Refusal, Writer},
};

/// The generation of the active writer; 0 if there is none. A thread whose cursor has another generation has no
/// segment. Finishing a recording, and forking, therefore take every segment from every thread with one store, and cost
/// [`push`] one comparison.
static GENERATION: AtomicU64 = AtomicU64::new(0);
static ACTIVE: AtomicPtr<Writer> = AtomicPtr::new(ptr::null_mut());

struct Cursor {
    /// The position of the next record. A multiple of the segment size, null included, means no room: the segment is
    /// full or there is none.
    next: Cell<*mut u8>,
    /// The same in the segment that has only marks: see [`mark_slot`].
    marks: Cell<*mut u8>,
    generation: Cell<u64>,
    tid: Cell<u64>,
    thread: Cell<u32>,
    sequence: Cell<u32>,
}

thread_local! {
    // Const and without Drop: an access is an address, without registration or allocation.
    static CURSOR: Cursor = const {
        Cursor {
            next: Cell::new(ptr::null_mut()),
            marks: Cell::new(ptr::null_mut()),
            generation: Cell::new(0),
            tid: Cell::new(0),
            thread: Cell::new(0),
            sequence: Cell::new(0),
        }
    };
}

/// Makes `writer` the one that [`push`] writes to.
pub(crate) fn activate(writer: &'static Writer) {
    ACTIVE.store(ptr::from_ref(writer).cast_mut(), Ordering::Release);
    GENERATION.store(writer.generation, Ordering::Release);
}

/// Takes every thread's segment. Async-signal-safe: the child of a fork calls it.
pub(crate) fn deactivate() {
    GENERATION.store(0, Ordering::Release);
    ACTIVE.store(ptr::null_mut(), Ordering::Release);
}

fn current() -> Option<&'static Writer> {
    // SAFETY: the pointer is null or came from a leaked writer, stored with Release.
    unsafe { ACTIVE.load(Ordering::Acquire).as_ref() }
}

/// The active writer, whose path goes into the error of a second one.
pub(crate) fn active_writer() -> Option<&'static Writer> {
    current()
}

/// Whether a writer is active in this process.
#[inline]
pub fn active() -> bool {
    GENERATION.load(Ordering::Relaxed) != 0
}

/// Writes one record to the active writer; does nothing without one.
///
/// `depth` counts the observed calls of this thread around it, `site` is the `id` of a "site" document or 0.
/// `start` and `end` are readings of [`clock::ticks`](crate::clock::ticks). An `end` before its `start` counts as no
/// time, because two CPUs' counters may differ by a few ticks. No lock, no allocation and, once a thread has made its
/// first record, no system call. A record without room in the file is counted, see [`Writer::lost`].
#[inline]
pub fn push(event: impl Into<Encoded>, depth: u8, site: u32, start: u64, end: u64) {
    let event = event.into();
    CURSOR.with(|cursor| {
        let mut slot = cursor.next.get();
        let current = cursor.generation.get() == GENERATION.load(Ordering::Relaxed);
        if current && !slot.addr().is_multiple_of(SEGMENT_BYTES) {
            // Before the record is written: a signal handler that records uses the slot after it.
            cursor.next.set(slot.wrapping_add(RECORD_BYTES));
        } else {
            let Some(fresh) = refill(cursor, event.kind) else { return };
            slot = fresh;
        }
        let tag = layout::tag(&event, depth);
        // SAFETY: `slot` is a slot of this thread's own segment: 64 bytes, aligned to 64, inside the
        // mapping (never unmapped up to the last taken segment) and inside the allocated file; no
        // other thread writes there.
        unsafe { write(slot.cast(), tag, site, start, end.saturating_sub(start), event.args) }
    });
}

/// Writes a record into its slot, the tag last: a reader that sees the tag sees all of it.
///
/// # Safety
/// `slot` is valid for 64 bytes, aligned to 8, and no other code writes there.
#[inline]
unsafe fn write(slot: *mut u64, tag: u32, site: u32, start: u64, duration: u64, args: [u64; 5]) {
    // SAFETY: all offsets are below 64 and aligned for their type (caller).
    unsafe {
        slot.cast::<u32>().add(1).write(site);
        slot.add(1).write(start);
        slot.add(2).write(duration);
        slot.add(3).cast::<[u64; 5]>().write(args);
        AtomicU32::from_ptr(slot.cast()).store(tag, Ordering::Release);
    }
}

/// Finds room for this thread's next record: once per 1023 records. None without a writer, or without room, which is
/// counted.
#[cold]
#[inline(never)]
fn refill(cursor: &Cursor, kind: Kind) -> Option<*mut u8> {
    let writer = current()?;
    let known = cursor.generation.get() == writer.generation;
    let full = cursor.next.replace(ptr::null_mut());
    if known && !full.is_null() {
        writer.close(full);
    }
    if !known && let Some(left) = writer.left.take() {
        return Some(take_over(cursor, writer, left));
    }
    match writer.take(Purpose::Records) {
        Ok((index, touched)) => {
            if !touched {
                writer.header_u64(LIVE.late).fetch_add(1, Ordering::Relaxed);
            }
            let slot = begin_segment(cursor, writer, index);
            cursor.next.set(slot.wrapping_add(RECORD_BYTES));
            Some(slot)
        }
        Err(refusal) if kind == Kind::Mark => mark_slot(cursor, writer, refusal),
        Err(refusal) => {
            writer.count_lost(refusal);
            None
        }
    }
}

/// Room for a mark where a call has none: a run without the marks of its rounds has no rounds. These segments are kept
/// free of other records, so that calls do not use up what is reserved.
fn mark_slot(cursor: &Cursor, writer: &Writer, refusal: Refusal) -> Option<*mut u8> {
    let known = cursor.generation.get() == writer.generation;
    let mut slot = if known { cursor.marks.replace(ptr::null_mut()) } else { ptr::null_mut() };
    if slot.addr().is_multiple_of(SEGMENT_BYTES) {
        if !slot.is_null() {
            writer.close(slot);
        }
        let Ok((index, _)) = writer.take(Purpose::Marks) else {
            writer.count_lost(refusal);
            return None;
        };
        slot = begin_segment(cursor, writer, index);
    }
    cursor.marks.set(slot.wrapping_add(RECORD_BYTES));
    Some(slot)
}

/// Begins segment `index` for this thread; its first slot.
fn begin_segment(cursor: &Cursor, writer: &Writer, index: u64) -> *mut u8 {
    if cursor.generation.get() != writer.generation {
        enter(cursor, writer);
    }
    let sequence = cursor.sequence.get();
    cursor.sequence.set(sequence.wrapping_add(1));
    let (tid, thread) = (cursor.tid.get(), cursor.thread.get());
    writer.begin_segment(&SegmentHeader { kind: SEGMENT_RECORDS, tid, thread, sequence, index })
}

/// Makes this thread one of the recording's.
fn enter(cursor: &Cursor, writer: &Writer) {
    cursor.tid.set(platform::thread_id());
    cursor.thread.set(writer.threads.fetch_add(1, Ordering::Relaxed));
    cursor.sequence.set(0);
    cursor.marks.set(ptr::null_mut());
    cursor.generation.set(writer.generation);
    platform::at_thread_end(leave);
}

/// Goes on in the segment of a thread that has ended, and says so in it; its next slot. Only the first segment of a
/// thread may be such a one: its later segments lie behind it in the file, which keeps a thread's records in order.
fn take_over(cursor: &Cursor, writer: &Writer, left: *mut u8) -> *mut u8 {
    enter(cursor, writer);
    let args = layout::handover(cursor.tid.get(), cursor.thread.get());
    // SAFETY: the slot was the next one of a thread that has ended, and `left` gave it to this thread alone; a record
    // has room behind it (`leave`).
    unsafe { write(left.cast(), layout::HANDOVER, 0, 0, 0, args) };
    let slot = left.wrapping_add(RECORD_BYTES);
    cursor.next.set(slot.wrapping_add(RECORD_BYTES));
    slot
}

/// Leaves the rest of this thread's segment to a thread that begins: the system calls it when this thread ends.
extern "C" fn leave() {
    let Some(writer) = current() else { return };
    CURSOR.with(|cursor| {
        if cursor.generation.replace(0) != writer.generation {
            return;
        }
        let next = cursor.next.replace(ptr::null_mut());
        let rest = next.addr().wrapping_neg() % SEGMENT_BYTES;
        if !next.is_null() && rest == 0 {
            writer.close(next);
        } else if rest >= 2 * RECORD_BYTES {
            writer.left.put(next);
        }
    });
}

/// Positions in segments whose threads have ended. Lock-free, as a thread may begin to record in a signal handler; a
/// position that finds no place is forgotten, and the rest of its segment stays blank.
pub(crate) struct Left([AtomicPtr<u8>; Self::PLACES]);

impl Left {
    const PLACES: usize = 256;

    pub(crate) fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; Self::PLACES])
    }

    fn put(&self, position: *mut u8) {
        let (stored, free) = (Ordering::Release, Ordering::Relaxed);
        let _ = self.0.iter().find(|place| {
            place.load(free).is_null() && place.compare_exchange(ptr::null_mut(), position, stored, free).is_ok()
        });
    }

    fn take(&self) -> Option<*mut u8> {
        let taken = |place: &AtomicPtr<u8>| {
            let there = !place.load(Ordering::Relaxed).is_null();
            let position = if there { place.swap(ptr::null_mut(), Ordering::Acquire) } else { ptr::null_mut() };
            (!position.is_null()).then_some(position)
        };
        self.0.iter().find_map(taken)
    }
}

impl Writer {
    /// Counts one record without room.
    fn count_lost(&self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Limit => LIVE.limit,
            Refusal::NotReady => LIVE.not_ready,
            Refusal::DiskFull => LIVE.disk_full,
            Refusal::NoDescriptor => LIVE.descriptor_closed,
            // Finished meanwhile: the record is dropped, like any later one.
            Refusal::Closed => return,
        };
        self.header_u64(counter).fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::Ordering, thread};

    use super::*;
    use crate::platform::Mapping;

    const SLOTS: u64 = 2000;

    /// The words of slot `i`: three at the end of one page, five in the next.
    fn slot(map: &Mapping, i: u64) -> [&AtomicU64; 8] {
        let at = i * 2 * 16384 + 16384 - 24;
        // SAFETY: aligned words inside the mapping and its file; all but the one writer access them
        // as atomics.
        std::array::from_fn(|word| unsafe { AtomicU64::from_ptr(map.at(at + 8 * word as u64).cast()) })
    }

    #[test]
    fn a_record_whose_tag_is_seen_is_whole() {
        let file = tempfile::tempfile().unwrap();
        let len = SLOTS as usize * 2 * 16384;
        file.set_len(len as u64).unwrap();
        let (written, seen) = (Mapping::new(&file, len).unwrap(), Mapping::new(&file, len).unwrap());
        // One mapping has every page, the other only the first of each slot: the fault inside the slot delays the
        // writer, so that a tag written too early would show.
        for word in (0..SLOTS).flat_map(|i| slot(&seen, i)) {
            word.store(0, Ordering::Relaxed);
        }
        (0..SLOTS).for_each(|i| slot(&written, i)[0].store(0, Ordering::Relaxed));
        thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..SLOTS {
                    // SAFETY: eight aligned words that only this thread writes.
                    unsafe { write(slot(&written, i)[0].as_ptr(), 7, 1, 9, 9, [9; 5]) }
                }
            });
            for words in (0..SLOTS).map(|i| slot(&seen, i)) {
                while words[0].load(Ordering::Acquire) as u32 == 0 {
                    std::hint::spin_loop();
                }
                assert_eq!(words.map(|word| word.load(Ordering::Relaxed))[1..], [9; 7]);
            }
        });
    }
}
