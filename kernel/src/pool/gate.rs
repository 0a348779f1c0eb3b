//! The gate through which a caller hands one job to waiting threads, and learns that none of them still works on it.
//!
//! The caller opens the gate with a job. Threads that arrive while it is open enter, work and leave. When the caller
//! has done its own part, it closes the gate and waits for the threads inside. A thread that arrives too late finds the
//! gate closed, and the caller does not wait for it: a thread that wakes up slowly never delays an operation.
//!
//! Checked with loom, which tries every order of the steps (`cargo test -p raptors-kernel --features loom gate`).

#[cfg(feature = "loom")]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU32, Ordering},
};
#[cfg(not(feature = "loom"))]
use std::sync::atomic::{AtomicU32, Ordering};

/// `std`'s cell with the access methods of loom's.
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
    /// The number of openings: a change tells a waiting thread that there is a job.
    turn: AtomicU32,
    inside: AtomicU32,
    job: UnsafeCell<Option<J>>,
}

// SAFETY: the caller writes the job while the gate is closed and no thread is inside; threads inside read it. `open`,
// `enter`, `leave` and `close` order the two. The job is copied to other threads, so it has to be Send.
unsafe impl<J: Copy + Send> Sync for Gate<J> {}

impl<J: Copy> Gate<J> {
    pub(super) fn new() -> Self {
        Gate { turn: AtomicU32::new(0), inside: AtomicU32::new(0), job: UnsafeCell::new(None) }
    }

    /// The number of openings so far.
    pub(super) fn turn(&self) -> u32 {
        self.turn.load(Ordering::Acquire)
    }

    /// Wakes the threads that spin on the turn, without a job.
    pub(super) fn nudge(&self) {
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// Lets threads in to `job`.
    ///
    /// # Safety
    /// The gate is closed, and the caller the only one to open and close it.
    pub(super) unsafe fn open(&self, job: J) {
        // SAFETY: the gate is closed and no thread is inside, so no thread reads the job.
        self.job.with_mut(|place| unsafe { *place = Some(job) });
        // Release: a thread that enters sees the job.
        self.inside.store(OPEN, Ordering::Release);
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// Lets no further thread in and returns when no thread is inside. Safety: as for `open`; the gate is open.
    pub(super) unsafe fn close(&self, mut wait: impl FnMut()) {
        self.inside.fetch_and(!OPEN, Ordering::Relaxed);
        // Acquire: this sees the writes of the threads that were inside.
        while self.inside.load(Ordering::Acquire) != 0 {
            wait();
        }
    }

    /// Enters the gate if it is open. A thread that entered has to `leave`.
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

    /// Leaves the gate.
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

    /// The data of a job, and whether its caller has finished: loom fails the test if two threads access it without an
    /// order between them.
    struct Work {
        done: [UnsafeCell<u32>; 2],
    }

    #[derive(Clone, Copy)]
    struct Job(*const Work);

    // SAFETY: the data outlive every model, and the access to them is under test.
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
                // SAFETY: no thread is inside any more, so there is no race.
                let done = work.done.iter().map(|part| part.with(|done| unsafe { *done }));
                let done: Vec<u32> = done.collect();
                assert_eq!(done[0], 1);
                // A thread that found the gate open before it saw the turn enters once more.
                assert!(done[1] <= TURNS);
            }
            other.join().unwrap();
        });
    }
}
