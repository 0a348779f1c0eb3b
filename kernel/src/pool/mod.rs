//! Pools of threads that live as long as the process.
//!
//! A pool belongs to a process, a number of threads and a CPU affinity. After `fork` the child finds no pool of its own
//! process id and starts one: it never waits for threads that do not exist there. After a change of the caller's
//! affinity, the next operation gets a pool whose threads inherit the new one. Pools are in a lock-free list, because
//! `fork` could leave a lock taken. They are never freed: there is one for each combination that was requested.
//!
//! This is not rayon, because operations of 20 µs are shared: a thread that has just finished looks for the next job
//! for [`SPIN`] before it sleeps, and the caller does not wait for a thread that wakes up too late (`gate`). A pool
//! serves one operation at a time; meanwhile another caller works alone.

mod gate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use self::gate::Gate;
use crate::loops::flags;
use crate::platform::{self, Affinity};

/// The time that an idle thread looks for a job before it sleeps: a few times the cost of waking it.
const SPIN: Duration = Duration::from_micros(50);

/// A pool of `threads` threads, including the caller.
pub(crate) struct Pool {
    threads: usize,
    process: u32,
    affinity: Affinity,
    shared: &'static Shared,
    workers: Vec<Thread>,
    next: *mut Pool,
}

/// The part of a pool that its threads see.
struct Shared {
    gate: Gate<Job>,
    /// A caller has the gate.
    taken: AtomicBool,
    /// Not all threads could be started, so none is needed.
    ended: AtomicBool,
    /// Whether there is a CPU for each thread: otherwise a thread that looks for a job would delay a working one.
    spins: bool,
}

/// A closure of the caller's, without its type.
#[derive(Clone, Copy)]
struct Job {
    data: *const (),
    call: unsafe fn(*const (), u32),
}

// SAFETY: `data` points to a closure that is Sync and outlives every thread's stay inside the gate (see `Pool::run`).
unsafe impl Send for Job {}

static POOLS: AtomicPtr<Pool> = AtomicPtr::new(ptr::null_mut());

/// The pool of this process, this thread's affinity and that many threads (2 or more); none if its threads could not be
/// started.
pub(crate) fn of(threads: usize) -> Option<&'static Pool> {
    let process = std::process::id();
    let affinity = platform::affinity();
    let fits = |pool: &&Pool| pool.threads == threads && pool.process == process && pool.affinity == affinity;
    if let Some(pool) = listed().find(fits) {
        return Some(pool);
    }
    let shared: &'static Shared = Box::leak(Box::new(Shared {
        gate: Gate::new(),
        taken: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        spins: threads <= usable_threads(),
    }));
    let mut workers = Vec::with_capacity(threads - 1);
    for index in 1..threads {
        let builder = std::thread::Builder::new().name(format!("raptors-{index}"));
        match builder.spawn(move || shared.serve(index as u32)) {
            Ok(handle) => workers.push(handle.thread().clone()),
            Err(_) => {
                shared.end(&workers);
                return None;
            }
        }
    }
    let next = ptr::null_mut();
    Some(list(Pool { threads, process, affinity, shared, workers, next }))
}

/// The pools, newest first.
fn listed() -> impl Iterator<Item = &'static Pool> {
    // SAFETY: null, or a complete pool that `list` has leaked (Acquire/Release).
    let head = unsafe { POOLS.load(Ordering::Acquire).as_ref() };
    // SAFETY: `next` was the head of the list, see above.
    std::iter::successors(head, |pool: &&Pool| unsafe { pool.next.as_ref() })
}

/// If two threads start the same pool at once, both list theirs; the older one then stays idle.
fn list(pool: Pool) -> &'static Pool {
    let pool = Box::leak(Box::new(pool));
    loop {
        pool.next = POOLS.load(Ordering::Acquire);
        let pointer = ptr::from_mut(pool);
        if POOLS.compare_exchange(pool.next, pointer, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return pool;
        }
    }
}

/// One thread for each CPU that this thread may use, within the process's quota.
pub fn usable_threads() -> usize {
    static QUOTA: OnceLock<usize> = OnceLock::new();
    let quota = *QUOTA.get_or_init(|| std::thread::available_parallelism().map_or(1, |count| count.get()));
    platform::affinity().count().map_or(quota, |cpus| cpus.min(quota)).max(1)
}

impl Pool {
    /// How many threads, the caller included.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` on the caller (thread 0) and, meanwhile, on at most `pieces` − 1 other threads of the pool; returns
    /// when all have finished. `work` gets its thread's number. Floating-point flags that other threads raised are then
    /// raised on the caller too.
    pub(crate) fn run<W: Fn(u32) + Sync>(&self, pieces: usize, work: W) {
        let helpers = pieces.saturating_sub(1).min(self.workers.len());
        if helpers == 0 || self.shared.taken.swap(true, Ordering::Acquire) {
            return work(0);
        }
        let shared = Part { work, raised: AtomicU64::new(0), panicked: AtomicBool::new(false) };
        let job = Job { data: (&raw const shared).cast(), call: Part::<W>::help };
        // SAFETY: `taken` makes this thread the only caller.
        unsafe { self.shared.gate.open(job) };
        // Closes the gate even if the caller's own part panics: no thread is inside when `shared` is dropped.
        let open = Opened(self.shared);
        self.workers[..helpers].iter().for_each(Thread::unpark);
        (shared.work)(0);
        drop(open);
        flags::raise(shared.raised.load(Ordering::Relaxed));
        assert!(!shared.panicked.load(Ordering::Relaxed), "a thread of the pool panicked");
    }
}

/// One operation as the threads of a pool see it.
struct Part<W> {
    work: W,
    raised: AtomicU64,
    panicked: AtomicBool,
}

impl<W: Fn(u32) + Sync> Part<W> {
    /// The part of a thread other than the caller. Safety: `data` is a `Part<W>`.
    unsafe fn help(data: *const (), thread: u32) {
        // SAFETY: the caller's promise.
        let part = unsafe { &*data.cast::<Self>() };
        let done = catch_unwind(AssertUnwindSafe(|| flags::collect(|| (part.work)(thread))));
        match done {
            Ok(raised) => _ = part.raised.fetch_or(raised, Ordering::Relaxed),
            Err(_) => part.panicked.store(true, Ordering::Relaxed),
        }
    }
}

/// An open gate; dropping this closes it.
struct Opened(&'static Shared);

impl Drop for Opened {
    fn drop(&mut self) {
        let mut turns = 0u32;
        // SAFETY: opened by this thread, which has `taken`.
        unsafe {
            self.0.gate.close(|| {
                turns += 1;
                // A thread inside has a piece to finish: microseconds, unless its CPU was taken away.
                if turns < 2_000 && self.0.spins {
                    std::hint::spin_loop();
                } else {
                    std::thread::yield_now();
                }
            });
        }
        self.0.taken.store(false, Ordering::Release);
    }
}

impl Shared {
    /// The main loop of a pool's thread.
    fn serve(&self, thread: u32) {
        let mut seen = 0;
        loop {
            seen = self.wait(seen);
            if self.ended.load(Ordering::Acquire) {
                return;
            }
            if let Some(job) = self.gate.enter() {
                // SAFETY: inside the gate, so the caller keeps the closure; `call` goes with `data`.
                unsafe { (job.call)(job.data, thread) };
                self.gate.leave();
            }
        }
    }

    /// Waits for the gate to be opened again: its new turn.
    fn wait(&self, seen: u32) -> u32 {
        loop {
            if self.spins {
                let start = Instant::now();
                // Reading the clock costs as much as some ten reads of the turn.
                while start.elapsed() < SPIN {
                    for _ in 0..32 {
                        let turn = self.gate.turn();
                        if turn != seen {
                            return turn;
                        }
                        std::hint::spin_loop();
                    }
                }
            }
            let turn = self.gate.turn();
            if turn != seen {
                return turn;
            }
            // The caller opens the gate before it unparks, so no opening is missed.
            std::thread::park();
        }
    }

    fn end(&self, workers: &[Thread]) {
        self.ended.store(true, Ordering::Release);
        self.gate.nudge();
        workers.iter().for_each(Thread::unpark);
    }
}
