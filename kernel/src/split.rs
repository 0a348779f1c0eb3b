//! A whole array, its pieces in sequence, or its pieces on a pool, with one leaf or two alternating.

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

/// The smallest piece of a parallel operation, in bytes.
const SMALLEST_PIECE: usize = 64 << 10;

/// The largest piece: a huge page. One thread computes the last piece alone.
const LARGEST_PIECE: usize = 2 << 20;

/// Pieces per thread: a thread that starts late leaves its pieces to the others.
const PIECES_A_THREAD: usize = 4;

/// The largest number of ranges. Further threads begin with the same ones.
const MOST_RANGES: usize = 16;

/// Runs a plan. Safety: as for `Loop`.
#[inline(always)]
pub(crate) unsafe fn run<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    match plan.choice.backend {
        // SAFETY: passed on.
        Backend::Whole(_) => unsafe { plan.loops.run(src, dst, 0, n, factor) },
        // SAFETY: passed on.
        Backend::Chunked(_) => unsafe { in_turn(plan, src, dst, n, factor) },
        // SAFETY: passed on.
        Backend::Parallel(_) | Backend::Hybrid(_) => unsafe { shared(plan, src, dst, n, factor) },
    }
}

/// Computes cache-sized pieces in sequence. Safety: as for `Loop`.
#[inline]
unsafe fn in_turn<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    let loops = plan.loops;
    Pieces::new(move |_| loops, src, dst, n, factor, chunk_bytes()).in_turn();
}

/// Computes pieces on the plan's pool; in a hybrid, every second one with the other leaf. Safety: as for `Loop`.
#[inline(never)]
unsafe fn shared<T: Element>(plan: &Plan<T>, src: *const T, dst: *mut T, n: usize, factor: T) {
    let share = n * size_of::<T>() / (plan.choice.threads * PIECES_A_THREAD);
    let (bytes, even) = (share.clamp(SMALLEST_PIECE, LARGEST_PIECE), plan.loops);
    match plan.beside {
        None => Pieces::new(move |_| even, src, dst, n, factor, bytes).share(plan.pool),
        Some(odd) => {
            let of = move |index| if index % 2 == 0 { even } else { odd };
            Pieces::new(of, src, dst, n, factor, bytes).share(plan.pool);
        }
    }
}

/// Half of the second-level cache, which holds a piece of the source and of the result.
fn chunk_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| platform::l2_bytes() / 4)
}

/// An operation cut into pieces.
struct Pieces<T, L> {
    /// The loops of a piece, by its index: operations with one leaf have their own type, without a branch.
    loops: L,
    src: *const T,
    dst: *mut T,
    n: usize,
    factor: T,
    /// Elements of a piece.
    piece: usize,
}

// SAFETY: the pointers are used for disjoint ranges only, each taken by one thread (`Ranges`), and the elements are
// plain numbers; `loops` is Sync itself.
unsafe impl<T: Element, L: Sync> Sync for Pieces<T, L> {}

impl<T: Element, L: Fn(usize) -> Loops<T> + Sync> Pieces<T, L> {
    fn new(loops: L, src: *const T, dst: *mut T, n: usize, factor: T, bytes: usize) -> Self {
        let piece = bytes.next_multiple_of(GRAIN) / size_of::<T>();
        Pieces { loops, src, dst, n, factor, piece }
    }

    fn count(&self) -> usize {
        self.n.div_ceil(self.piece)
    }

    /// Computes all pieces: on a pool, or alone without one.
    fn share(&self, pool: Option<&Pool>) {
        let Some(pool) = pool else {
            return self.in_turn();
        };
        let ranges = Ranges::new(self.count(), pool.threads());
        pool.run(self.count(), |thread| {
            while let Some(index) = ranges.take(thread) {
                self.compute(index, thread);
            }
        });
    }

    /// Computes all pieces in sequence, on this thread.
    #[inline(never)]
    fn in_turn(&self) {
        (0..self.count()).for_each(|index| self.compute(index, 0));
    }

    /// Computes a piece that belongs to this thread alone.
    #[inline]
    fn compute(&self, index: usize, thread: u32) {
        let start = index * self.piece;
        let end = self.n.min(start + self.piece);
        let loops = (self.loops)(index);
        trace::chunk(thread, start, end, move || {
            // SAFETY: start < end ≤ n, and no other thread was given this index; the rest is the promise of `run`'s
            // caller.
            unsafe { loops.run(self.src, self.dst, start, end, self.factor) };
        });
    }
}

/// The remaining pieces, in ranges. Each thread begins with its own range: of the same arrays it gets the same parts
/// each time, which are then in its CPU's cache. It goes on with the pieces that others have left.
struct Ranges {
    /// The next piece of each range, two cache lines apart, because some CPUs fetch them in pairs.
    next: [Line; MOST_RANGES],
    count: usize,
    pieces: usize,
}

#[repr(align(128))]
struct Line(AtomicUsize);

impl Ranges {
    fn new(pieces: usize, threads: usize) -> Self {
        let count = threads.min(MOST_RANGES);
        let start = |range: usize| Line(AtomicUsize::new(pieces * range / count));
        Ranges { next: std::array::from_fn(start), count, pieces }
    }

    /// A piece that no other call gets; none if all are taken.
    fn take(&self, thread: u32) -> Option<usize> {
        let first = thread as usize % self.count;
        (first..self.count).chain(0..first).find_map(|range| {
            let end = self.pieces * (range + 1) / self.count;
            let next = &self.next[range].0;
            // Checked before the increment, so that it cannot overflow however often it is called.
            let left = next.load(Ordering::Relaxed) < end;
            left.then(|| next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < end)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_taken_once_and_a_threads_own_first() {
        for (pieces, threads) in [(0, 2), (1, 2), (7, 2), (8, 3), (100, 16), (5, 40)] {
            let ranges = Ranges::new(pieces, threads);
            let last = ranges.take(threads as u32 - 1);
            let mut taken: Vec<_> = std::iter::from_fn(|| ranges.take(0)).collect();
            if let (Some(last), true) = (last, threads <= MOST_RANGES && pieces >= threads) {
                assert_eq!(last, pieces * (threads - 1) / threads);
                assert_eq!(taken[0], 0);
            }
            taken.extend(last);
            taken.sort_unstable();
            assert_eq!(taken, (0..pieces).collect::<Vec<_>>(), "{pieces} {threads}");
        }
    }
}
