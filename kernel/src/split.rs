//! A whole array, its pieces one after the other, or its pieces on a pool, with one leaf or two in turn.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::backend::Backend;
use crate::choice::Plan;
use crate::element::Element;
use crate::loops::Loops;
use crate::pool::Pool;
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
        Backend::Parallel(_) | Backend::Hybrid(_) => unsafe { shared(plan, src, dst, n, factor) },
    }
}

/// Pieces that fit in the cache, one after the other. Safety: as for `Loop`.
#[inline]
unsafe fn in_turn<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    let loops = plan.loops;
    Pieces::new(move |_| loops, src, dst, n, factor, chunk_bytes()).work(|| 0);
}

/// Pieces on the plan's pool; of a hybrid each second one with the other leaf. Safety: as for `Loop`.
#[inline(never)]
unsafe fn shared<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    let share = n * size_of::<T>() / (plan.choice.threads * PIECES_A_THREAD);
    let (bytes, even) = (share.max(SMALLEST_PIECE), plan.loops);
    match plan.beside {
        None => Pieces::new(move |_| even, src, dst, n, factor, bytes).share(plan.pool),
        Some(odd) => {
            let of = move |index| if index % 2 == 0 { even } else { odd };
            Pieces::new(of, src, dst, n, factor, bytes).share(plan.pool);
        }
    }
}

/// Half of the second-level cache holds a piece of the source and of the result.
fn chunk_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| platform::l2_bytes() / 4)
}

/// An operation cut into pieces that threads take one by one.
struct Pieces<T, L> {
    /// The loops of a piece, by its index: a type of its own for those with one leaf, which then do not ask.
    loops: L,
    src: *const T,
    dst: *mut T,
    n: usize,
    factor: T,
    /// Elements of a piece.
    piece: usize,
    next: AtomicUsize,
}

// SAFETY: the pointers are used for disjoint ranges only, each taken by one thread from `next`, and
// the elements are plain numbers; `loops` is shared by its own right.
unsafe impl<T: Element, L: Sync> Sync for Pieces<T, L> {}

impl<T: Element, L: Fn(usize) -> Loops<T> + Sync> Pieces<T, L> {
    fn new(loops: L, src: *const T, dst: *mut T, n: usize, factor: T, bytes: usize) -> Self {
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

    /// Computes all pieces: on a pool, or alone where there is none.
    fn share(&self, pool: Option<&Pool>) {
        match pool {
            Some(pool) => pool.run(self.count(), |thread| self.work(thread)),
            None => self.work(|| 0),
        }
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
            let loops = (self.loops)(index);
            trace::chunk(thread(), start, end, move || {
                // SAFETY: start < end ≤ n, and this index was given to this thread only; the rest
                // is what the caller of `run` promised.
                unsafe { loops.run(self.src, self.dst, start, end, self.factor) };
            });
        }
    }
}
