//! Memory of large results, kept for the next one.
//!
//! A fresh page costs more than the multiplication of its elements: the system clears it and maps it when it is first
//! touched. The memory of a dropped result is therefore kept, within a limit, and the next result of about its size
//! gets it. No code reads old contents: a result is written completely before it is returned.
//!
//! The list of idle blocks is a lock-free array of slots, so `fork` cannot leave a lock taken and no thread waits for
//! another: a thread that finds a slot in use goes on to the next one.

use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::error::Error;
use crate::platform;

/// Results of at least so many bytes use this kind of memory: the size from which glibc's `malloc` first gets each
/// block from the system.
pub(crate) const LARGE: usize = 128 << 10;

/// The size of a huge page on x86-64 and, with 4 KiB pages, on aarch64.
const HUGE_PAGE: usize = 2 << 20;

/// From this size on, in bytes, huge pages are requested, as NumPy does.
const ADVISED_FROM: usize = 4 << 20;

/// Memory that was idle for this long is offered to the system.
const IDLE_MS: u64 = 1000;

/// From this size on, memory is offered to the system as soon as it is idle: its pages are huge, and offering them
/// takes less than a hundredth of an operation.
const OFFERED_FROM: usize = 64 << 20;

/// The number of blocks that can be idle at once.
const SLOTS: usize = 128;

/// The default limit, without `RAPTORS_BUFFER_CACHE`: an eighth of the memory, at most 1 GiB.
const MOST: usize = 1 << 30;

/// Memory mapped for results.
#[derive(Debug)]
pub(crate) struct Block {
    start: NonNull<u8>,
    capacity: usize,
}

// SAFETY: a block owns its memory, which belongs to no thread.
unsafe impl Send for Block {}
// SAFETY: as above; a shared block gives its address and size only.
unsafe impl Sync for Block {}

impl Block {
    /// Memory of at least `bytes`, and whether it was in use before. None if there is no memory.
    pub(crate) fn take(bytes: usize) -> Option<(Block, bool)> {
        let capacity = capacity(bytes)?;
        match IDLE.take(capacity) {
            Some(block) => Some((block, true)),
            None => Some((Block::map(capacity)?, false)),
        }
    }

    fn map(capacity: usize) -> Option<Block> {
        let alignment = if capacity < ADVISED_FROM { page() } else { HUGE_PAGE.max(page()) };
        let start = platform::map(capacity, alignment).or_else(|| {
            // Idle memory may be the memory that is missing.
            trim();
            platform::map(capacity, alignment)
        })?;
        if capacity >= ADVISED_FROM {
            // SAFETY: mapped above.
            unsafe { platform::advise_huge_pages(start, capacity) };
        }
        Some(Block { start, capacity })
    }

    /// Its start and its size in bytes, which is not 0.
    pub(crate) fn into_parts(self) -> (NonNull<u8>, usize) {
        (self.start, self.capacity)
    }

    /// Makes a block of its parts again.
    ///
    /// # Safety
    /// The parts come from [`Block::into_parts`], and each pair is used once.
    pub(crate) unsafe fn from_parts(start: NonNull<u8>, capacity: usize) -> Block {
        Block { start, capacity }
    }

    /// Keeps it for the next result, if there is room.
    pub(crate) fn recycle(self) {
        IDLE.put(self, limit().unwrap_or(0));
    }

    fn unmap(self) {
        // SAFETY: only `map` makes a block, and this one is consumed with `self`.
        unsafe { platform::unmap(self.start, self.capacity) };
    }
}

/// Bytes of a page: 4, 16 or 64 KiB. The parts of a mapping that alignment leaves over are given back by whole pages.
fn page() -> usize {
    static PAGE: OnceLock<usize> = OnceLock::new();
    *PAGE.get_or_init(platform::page_size)
}

/// Whole pages, and the rest of a huge page if most of it would be left over.
fn capacity(bytes: usize) -> Option<usize> {
    if bytes >= ADVISED_FROM && bytes % HUGE_PAGE > HUGE_PAGE / 2 {
        bytes.checked_next_multiple_of(HUGE_PAGE)
    } else {
        bytes.checked_next_multiple_of(page())
    }
}

/// Returns all idle memory to the system at once; the result is the number of bytes.
pub fn trim() -> usize {
    IDLE.empty()
}

/// Bytes of idle memory that is kept for the next result.
pub fn idle_bytes() -> usize {
    IDLE.held.load(Ordering::Relaxed)
}

const EMPTY: u8 = 0;
/// A thread is filling or emptying the slot.
const BUSY: u8 = 1;
const FULL: u8 = 2;

/// A place for an idle block. Only the thread that has set `state` to [`BUSY`] writes the other fields.
struct Slot {
    state: AtomicU8,
    start: AtomicUsize,
    capacity: AtomicUsize,
    /// Higher for a block that was put later.
    turn: AtomicU64,
    /// The time it was put, in milliseconds of [`now`].
    since: AtomicU64,
    /// Whether the system was offered it.
    offered: AtomicBool,
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            state: AtomicU8::new(EMPTY),
            start: AtomicUsize::new(0),
            capacity: AtomicUsize::new(0),
            turn: AtomicU64::new(0),
            since: AtomicU64::new(0),
            offered: AtomicBool::new(false),
        }
    }

    /// Claims a slot in state `from` for this thread.
    fn claim(&self, from: u8) -> bool {
        self.state.load(Ordering::Relaxed) == from
            && self.state.compare_exchange(from, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// The block of a slot that this thread has claimed.
    fn block(&self) -> Option<Block> {
        let start = NonNull::new(std::ptr::with_exposed_provenance_mut(self.start.load(Ordering::Relaxed)))?;
        let capacity = self.capacity.load(Ordering::Relaxed);
        Some(Block { start, capacity })
    }
}

struct Idle {
    slots: [Slot; SLOTS],
    /// Slots from here on were never used.
    used: AtomicUsize,
    /// Bytes in all slots.
    held: AtomicUsize,
    turns: AtomicU64,
}

static IDLE: Idle = Idle::new();

impl Idle {
    const fn new() -> Idle {
        Idle {
            slots: [const { Slot::new() }; SLOTS],
            used: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
        }
    }

    fn used(&self) -> &[Slot] {
        &self.slots[..self.used.load(Ordering::Relaxed).min(SLOTS)]
    }

    /// The latest block of about `capacity`: at least that size, at most a quarter more.
    fn take(&self, capacity: usize) -> Option<Block> {
        let fits = |has: usize| has >= capacity && has - capacity <= capacity / 4;
        loop {
            let best = self
                .used()
                .iter()
                .filter(|slot| slot.state.load(Ordering::Relaxed) == FULL)
                .filter(|slot| fits(slot.capacity.load(Ordering::Relaxed)))
                .max_by_key(|slot| slot.turn.load(Ordering::Relaxed))?;
            if !best.claim(FULL) {
                continue;
            }
            // Another thread may have replaced the slot's block meanwhile.
            if fits(best.capacity.load(Ordering::Relaxed)) {
                let block = best.block();
                self.release(best);
                return block;
            }
            best.state.store(FULL, Ordering::Release);
        }
    }

    /// Frees a slot that this thread has claimed and whose block it has taken.
    fn release(&self, slot: &Slot) {
        self.held.fetch_sub(slot.capacity.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.state.store(EMPTY, Ordering::Release);
    }

    /// Keeps a block, in place of older ones if the limit requires it. Frees the block if it exceeds the limit by
    /// itself or no slot is free.
    fn put(&self, block: Block, limit: usize) {
        if block.capacity > limit || !self.make_room(block.capacity, limit) {
            return block.unmap();
        }
        let now = now();
        // Blocks of sizes that are no longer requested would keep every later one out.
        let slot = loop {
            match self.free_slot() {
                Some(slot) => break slot,
                None if self.drop_oldest() => {}
                None => {
                    self.held.fetch_sub(block.capacity, Ordering::Relaxed);
                    return block.unmap();
                }
            }
        };
        let offered = block.capacity >= OFFERED_FROM;
        if offered {
            // SAFETY: a mapped block without a user.
            unsafe { platform::free_lazily(block.start, block.capacity) };
        }
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        slot.start.store(block.start.as_ptr().expose_provenance(), Ordering::Relaxed);
        slot.capacity.store(block.capacity, Ordering::Relaxed);
        slot.turn.store(turn, Ordering::Relaxed);
        slot.since.store(now, Ordering::Relaxed);
        slot.offered.store(offered, Ordering::Relaxed);
        slot.state.store(FULL, Ordering::Release);
        self.offer_older(now);
    }

    /// Counts `capacity` in, after it has dropped older blocks to make room; false if it cannot.
    fn make_room(&self, capacity: usize, limit: usize) -> bool {
        let mut held = self.held.load(Ordering::Relaxed);
        loop {
            if held > limit - capacity {
                if !self.drop_oldest() {
                    return false;
                }
                held = self.held.load(Ordering::Relaxed);
                continue;
            }
            match self.held.compare_exchange_weak(held, held + capacity, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => held = changed,
            }
        }
    }

    /// Frees the block that was idle longest; false if there is none.
    fn drop_oldest(&self) -> bool {
        let full = |slot: &&Slot| slot.state.load(Ordering::Relaxed) == FULL;
        let oldest = self.used().iter().filter(full).min_by_key(|slot| slot.turn.load(Ordering::Relaxed));
        let Some(oldest) = oldest else { return false };
        if oldest.claim(FULL) {
            let block = oldest.block();
            self.release(oldest);
            block.into_iter().for_each(Block::unmap);
        }
        true
    }

    /// An empty slot, claimed.
    fn free_slot(&self) -> Option<&Slot> {
        if let Some(slot) = self.used().iter().find(|slot| slot.claim(EMPTY)) {
            return Some(slot);
        }
        loop {
            let next = self.used.load(Ordering::Relaxed);
            let slot = self.slots.get(next)?;
            let claimed = slot.claim(EMPTY);
            _ = self.used.compare_exchange(next, next + 1, Ordering::Relaxed, Ordering::Relaxed);
            if claimed {
                return Some(slot);
            }
        }
    }

    /// Offers memory to the system that has been idle for a while.
    fn offer_older(&self, now: u64) {
        let due = |slot: &Slot| {
            !slot.offered.load(Ordering::Relaxed) && now.saturating_sub(slot.since.load(Ordering::Relaxed)) >= IDLE_MS
        };
        for slot in self.used() {
            if slot.state.load(Ordering::Relaxed) != FULL || !due(slot) || !slot.claim(FULL) {
                continue;
            }
            if due(slot)
                && let Some(block) = slot.block()
            {
                // SAFETY: a mapped idle block that this thread has claimed.
                unsafe { platform::free_lazily(block.start, block.capacity) };
                slot.offered.store(true, Ordering::Relaxed);
            }
            slot.state.store(FULL, Ordering::Release);
        }
    }

    fn empty(&self) -> usize {
        let mut bytes = 0;
        for slot in self.used() {
            if slot.claim(FULL) {
                let block = slot.block();
                self.release(slot);
                if let Some(block) = block {
                    bytes += block.capacity;
                    block.unmap();
                }
            }
        }
        bytes
    }
}

/// Milliseconds since the first call.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// The limit of idle memory in bytes: `RAPTORS_BUFFER_CACHE`, read once.
pub(crate) fn limit() -> Result<usize, Error> {
    static LIMIT: OnceLock<Result<usize, Error>> = OnceLock::new();
    match LIMIT.get_or_init(|| parse(std::env::var_os("RAPTORS_BUFFER_CACHE").as_deref())) {
        Ok(limit) => Ok(*limit),
        Err(error) => Err(error.clone()),
    }
}

/// A number of bytes, also as 64K, 256M or 1G; 0 keeps nothing.
fn parse(value: Option<&std::ffi::OsStr>) -> Result<usize, Error> {
    let usual = || platform::physical_memory().map_or(MOST / 4, |bytes| (bytes / 8).min(MOST));
    let Some(given) = value.map(|value| value.to_string_lossy()) else {
        return Ok(usual());
    };
    let text = given.trim();
    if text.is_empty() {
        return Ok(usual());
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => Some(0),
        "K" | "KIB" => Some(10),
        "M" | "MIB" => Some(20),
        "G" | "GIB" => Some(30),
        _ => None,
    };
    let bytes = shift.and_then(|shift| digits.trim().parse::<usize>().ok()?.checked_mul(1 << shift));
    bytes.ok_or_else(|| Error::Environment {
        variable: "RAPTORS_BUFFER_CACHE",
        why: format!("{given:?} is given; a number of bytes such as 256M or 1G is taken, and 0 keeps nothing"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(capacity: usize) -> Block {
        Block::map(capacity).unwrap()
    }

    #[test]
    fn what_is_put_is_taken_again_the_latest_first() {
        let idle = Idle::new();
        let (a, b) = (block(1 << 20), block(1 << 20));
        let (first, second) = (a.start, b.start);
        idle.put(a, 1 << 30);
        idle.put(b, 1 << 30);
        assert_eq!(idle.held.load(Ordering::Relaxed), 2 << 20);
        assert_eq!(idle.take(1 << 20).map(|block| block.start), Some(second));
        assert_eq!(idle.take(1 << 20).map(|block| block.start), Some(first));
        assert!(idle.take(1 << 20).is_none());
        assert_eq!(idle.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_block_that_is_far_larger_is_left_to_others() {
        let idle = Idle::new();
        idle.put(block(1 << 20), 1 << 30);
        assert!(idle.take((1 << 20) + 1).is_none());
        assert!(idle.take(1 << 19).is_none());
        assert!(idle.take((1 << 20) - (1 << 16)).is_some());
    }

    #[test]
    fn the_limit_holds_and_the_oldest_makes_way() {
        let idle = Idle::new();
        let (old, young) = (block(1 << 20), block(2 << 20));
        let kept = young.start;
        idle.put(old, 2 << 20);
        idle.put(young, 2 << 20);
        assert_eq!(idle.held.load(Ordering::Relaxed), 2 << 20);
        assert!(idle.take(1 << 20).is_none());
        assert_eq!(idle.take(2 << 20).map(|block| block.start), Some(kept));
        idle.put(block(4 << 20), 2 << 20);
        assert_eq!(idle.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn where_every_slot_is_full_the_oldest_makes_way() {
        let idle = Idle::new();
        for _ in 0..SLOTS + 9 {
            idle.put(block(LARGE), usize::MAX);
        }
        assert_eq!(idle.held.load(Ordering::Relaxed), SLOTS * LARGE);
        let other = block(4 * LARGE);
        let kept = other.start;
        idle.put(other, usize::MAX);
        assert_eq!(idle.take(4 * LARGE).map(|block| block.start), Some(kept));
        assert_eq!(idle.empty(), (SLOTS - 1) * LARGE);
        assert_eq!(idle.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn threads_never_get_the_same_block() {
        let idle = Idle::new();
        std::thread::scope(|scope| {
            for mark in 1..=4u8 {
                let idle = &idle;
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let block = idle.take(LARGE).unwrap_or_else(|| block(LARGE));
                        let bytes = block.start.as_ptr();
                        // SAFETY: the block belongs to this thread alone; that is under test.
                        unsafe {
                            bytes.write_bytes(mark, 64);
                            std::hint::spin_loop();
                            assert!((0..64).all(|i| *bytes.add(i) == mark));
                        }
                        idle.put(block, 3 * LARGE);
                    }
                });
            }
        });
        assert!(idle.held.load(Ordering::Relaxed) <= 3 * LARGE);
        let held = idle.held.load(Ordering::Relaxed);
        assert_eq!(idle.empty(), held);
    }

    #[test]
    fn sizes_are_whole_pages_and_nearly_whole_huge_pages() {
        assert_eq!(capacity(LARGE + 1), Some(LARGE + page()));
        assert_eq!(capacity(16 << 20), Some(16 << 20));
        assert_eq!(capacity((16 << 20) + 1), Some((16 << 20) + page()));
        assert_eq!(capacity((17 << 20) + 1), Some(18 << 20));
        assert_eq!(capacity(usize::MAX), None);
        assert_eq!(page(), platform::page_size());
        assert!(page() >= 4096 && LARGE.is_multiple_of(page()));
    }

    #[test]
    fn limits_as_one_writes_them() {
        let parsed = |text: &str| parse(Some(text.as_ref()));
        assert_eq!(parsed("0"), Ok(0));
        assert_eq!(parsed(" 4096 "), Ok(4096));
        assert_eq!(parsed("64k"), Ok(64 << 10));
        assert_eq!(parsed("256M"), Ok(256 << 20));
        assert_eq!(parsed("1 GiB"), Ok(1 << 30));
        assert_eq!(parsed(""), parse(None));
        for bad in ["-1", "1T", "M", "many", "99999999999G"] {
            let said = parsed(bad).unwrap_err().to_string();
            assert!(said.contains("RAPTORS_BUFFER_CACHE") && said.contains("256M"), "{said}");
        }
    }
}
