//! How a caller hands one job to waiting threads, and knows that none of them works on it any more.
//!
//! The caller opens the gate with a job; threads that come while it is open go in, work and go out; the caller closes
//! it when it has done its own part and waits for those inside. Who comes too late finds it closed and is not waited
//! for: an operation never takes longer for a thread that is slow to wake.
//!
//! Checked with loom, which tries every order of the steps (`cargo test -p raptors-kernel --features loom gate`).

#[cfg(feature = "loom")]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU32, Ordering},
};
#[cfg(not(feature = "loom"))]
use std::sync::atomic::{AtomicU32, Ordering};

/// `std`'s with loom's way to get at what it holds.
#[cfg(not(feature = "loom"))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(feature = "loom"))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Set in [`Gate::inside`] while threads may go in; the other bits count those inside.
const OPEN: u32 = 1 << 31;

/// A gate, for one caller at a time and any number of threads.
pub(super) struct Gate<J> {
    /// How often the gate was opened: by its change a waiting thread knows that there is something to do.
    turn: AtomicU32,
    inside: AtomicU32,
    job: UnsafeCell<Option<J>>,
}

// SAFETY: the job is written by the caller while the gate is closed and nobody inside, and read by those inside; what
// orders the two is in `open`, `enter`, `leave` and `close`. It is copied to other threads, so it has to be Send.
unsafe impl<J: Copy + Send> Sync for Gate<J> {}

impl<J: Copy> Gate<J> {
    pub(super) fn new() -> Self {
        Gate { turn: AtomicU32::new(0), inside: AtomicU32::new(0), job: UnsafeCell::new(None) }
    }

    /// How often it was opened.
    pub(super) fn turn(&self) -> u32 {
        self.turn.load(Ordering::Acquire)
    }

    /// Wakes those that spin on the turn, with nothing to do.
    pub(super) fn nudge(&self) {
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// Lets threads in to `job`.
    ///
    /// # Safety
    /// The gate is closed, and the caller the only one to open and close it.
    pub(super) unsafe fn open(&self, job: J) {
        // SAFETY: closed and nobody inside, so nobody reads it.
        self.job.with_mut(|place| unsafe { *place = Some(job) });
        // Release: who goes in sees the job.
        self.inside.store(OPEN, Ordering::Release);
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// Lets nobody in any more and returns when nobody is inside. Safety: as for `open`; it is open.
    pub(super) unsafe fn close(&self, mut wait: impl FnMut()) {
        self.inside.fetch_and(!OPEN, Ordering::Relaxed);
        // Acquire: what those inside have written is seen.
        while self.inside.load(Ordering::Acquire) != 0 {
            wait();
        }
    }

    /// Goes in, if it is open. Whoever does has to `leave`.
    pub(super) fn enter(&self) -> Option<J> {
        let mut inside = self.inside.load(Ordering::Relaxed);
        while inside & OPEN != 0 {
            match self.inside.compare_exchange_weak(inside, inside + 1, Ordering::Acquire, Ordering::Relaxed) {
                // SAFETY: inside an open gate: the caller has written the job and waits before it writes another.
                Ok(_) => return self.job.with(|place| unsafe { *place }),
                Err(changed) => inside = changed,
            }
        }
        None
    }

    /// Goes out again.
    pub(super) fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(test, feature = "loom"))]
mod tests {
    use std::sync::Arc;

    use loom::cell::UnsafeCell;
    use loom::thread;

    use super::*;

    /// What a job works on, and whether its caller is done with it: loom fails the test where two threads come at it
    /// without an order between them.
    struct Work {
        done: [UnsafeCell<u32>; 2],
    }

    #[derive(Clone, Copy)]
    struct Job(*const Work);

    // SAFETY: what it points at outlives every model, and access to it is what is under test.
    unsafe impl Send for Job {}

    fn worker(gate: &Gate<Job>, turns: u32) {
        let mut seen = 0;
        while seen < turns {
            let turn = gate.turn();
            if turn == seen {
                thread::yield_now();
                continue;
            }
            seen = turn;
            if let Some(Job(work)) = gate.enter() {
                // SAFETY: inside the gate the caller keeps it.
                unsafe { (*work).done[1].with_mut(|done| *done += 1) };
                gate.leave();
            }
        }
    }

    #[test]
    fn nobody_is_inside_a_closed_gate() {
        const TURNS: u32 = 2;
        loom::model(|| {
            let gate = Arc::new(Gate::new());
            let other = {
                let gate = Arc::clone(&gate);
                thread::spawn(move || worker(&gate, TURNS))
            };
            for _ in 0..TURNS {
                let work = Work { done: [UnsafeCell::new(0), UnsafeCell::new(0)] };
                // SAFETY: closed, and this is the only caller.
                unsafe { gate.open(Job(&work)) };
                // SAFETY: the caller's own part.
                work.done[0].with_mut(|done| unsafe { *done += 1 });
                // SAFETY: opened above.
                unsafe { gate.close(thread::yield_now) };
                // SAFETY: nobody is inside any more, so reading races with nobody.
                let done = work.done.iter().map(|part| part.with(|done| unsafe { *done }));
                let done: Vec<u32> = done.collect();
                assert_eq!(done[0], 1);
                // One that has found the gate open before it saw the turn comes once more.
                assert!(done[1] <= TURNS);
            }
            other.join().unwrap();
        });
    }
}
