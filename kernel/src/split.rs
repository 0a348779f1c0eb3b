//! A whole array, its pieces one after the other, or its pieces on a pool.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::backend::Backend;
use crate::choice::Plan;
use crate::element::Element;
use crate::loops::Loops;
use crate::{platform, trace};

/// A piece is a multiple of this many bytes, so that no two threads share a cache line of a result
/// that is aligned.
const GRAIN: usize = 4096;

/// No piece of a parallel operation is smaller, in bytes.
const SMALLEST_PIECE: usize = 64 << 10;

/// Pieces for each thread: one that starts late leaves its pieces to the others.
const PIECES_A_THREAD: usize = 4;

/// Runs a plan. Safety: as for `Loop`.
#[inline(always)]
pub(crate) unsafe fn run<T: Element>(
    plan: &Plan<T>,
    src: *const T,
    dst: *mut T,
    n: usize,
    factor: T,
) {
    match plan.choice.backend {
        // SAFETY: passed on.
        Backend::Whole(_) => unsafe { plan.loops.run(src, dst, 0, n, factor) },
        // SAFETY: passed on.
        Backend::Chunked(_) => unsafe { in_turn(plan, src, dst, n, factor) },
        // SAFETY: passed on.
        Backend::Parallel(_) => unsafe { shared(plan, src, dst, n, factor) },
    }
}

/// Pieces that fit in the cache, one after the other. Safety: as for `Loop`.
#[inline]
unsafe fn in_turn<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    Pieces::new(plan.loops, src, dst, n, factor, chunk_bytes()).work(|| 0);
}

/// Pieces on the plan's pool. Safety: as for `Loop`.
#[inline(never)]
unsafe fn shared<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    let share = n * size_of::<T>() / (plan.choice.threads * PIECES_A_THREAD);
    let pieces = Pieces::new(plan.loops, src, dst, n, factor, share.max(SMALLEST_PIECE));
    match plan.pool {
        Some(pool) => pool.run(pieces.count(), |thread| pieces.work(thread)),
        None => pieces.work(|| 0),
    }
}

/// Half of the second-level cache holds a piece of the source and of the result.
fn chunk_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| platform::l2_bytes() / 4)
}

/// An operation cut into pieces that threads take one by one.
struct Pieces<T> {
    loops: Loops<T>,
    src: *const T,
    dst: *mut T,
    n: usize,
    factor: T,
    /// Elements of a piece.
    piece: usize,
    next: AtomicUsize,
}

// SAFETY: the pointers are used for disjoint ranges only, each taken by one thread from `next`, and
// the elements are plain numbers.
unsafe impl<T: Element> Sync for Pieces<T> {}

impl<T: Element> Pieces<T> {
    fn new(loops: Loops<T>, src: *const T, dst: *mut T, n: usize, factor: T, bytes: usize) -> Self {
        let piece = bytes.next_multiple_of(GRAIN) / size_of::<T>();
        Pieces {
            loops,
            src,
            dst,
            n,
            factor,
            piece,
            next: AtomicUsize::new(0),
        }
    }

    fn count(&self) -> usize {
        self.n.div_ceil(self.piece)
    }

    /// Takes pieces until none is left; `thread` tells on which thread.
    #[inline(never)]
    fn work(&self, thread: impl Fn() -> u32) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.count() {
                return;
            }
            let start = index * self.piece;
            let end = self.n.min(start + self.piece);
            trace::chunk(thread(), start, end, move || {
                // SAFETY: start < end ≤ n, and this index was given to this thread only; the rest
                // is what the caller of `run` promised.
                unsafe { self.loops.run(self.src, self.dst, start, end, self.factor) };
            });
        }
    }
}
