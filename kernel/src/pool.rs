//! Pools of threads that live as long as the process.
//!
//! A pool belongs to a process, a number of threads and a CPU affinity. After `fork` the child finds
//! no pool of its own process id and starts one: it never waits for threads that are not there.
//! After a change of the caller's affinity the next operation gets a pool whose threads inherit the
//! new one. Pools are kept in a list without a lock, which `fork` could leave taken, and are never
//! freed: there is one for each combination that was asked for.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::loops::flags;
use crate::platform::{self, Affinity};

/// A pool of `threads` threads, the caller being one of them.
pub(crate) struct Pool {
    threads: usize,
    process: u32,
    affinity: Affinity,
    workers: rayon::ThreadPool,
    next: *mut Pool,
}

static POOLS: AtomicPtr<Pool> = AtomicPtr::new(ptr::null_mut());

/// The pool of this process, this thread's affinity and that many threads (2 or more); none where
/// its threads could not be started.
pub(crate) fn of(threads: usize) -> Option<&'static Pool> {
    let process = std::process::id();
    let affinity = platform::affinity();
    let fits = |pool: &&Pool| {
        pool.threads == threads && pool.process == process && pool.affinity == affinity
    };
    if let Some(pool) = listed().find(fits) {
        return Some(pool);
    }
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads - 1)
        .thread_name(|index| format!("raptors-{}", index + 1))
        .build()
        .ok()?;
    let next = ptr::null_mut();
    Some(list(Pool {
        threads,
        process,
        affinity,
        workers,
        next,
    }))
}

/// The pools, newest first.
fn listed() -> impl Iterator<Item = &'static Pool> {
    // SAFETY: null, or a pool that `list` has leaked after it was written whole (Acquire/Release).
    let head = unsafe { POOLS.load(Ordering::Acquire).as_ref() };
    // SAFETY: `next` was the head of the list, see above.
    std::iter::successors(head, |pool: &&Pool| unsafe { pool.next.as_ref() })
}

/// Two threads that start the same pool at once both list theirs; the older is then idle.
fn list(pool: Pool) -> &'static Pool {
    let pool = Box::leak(Box::new(pool));
    loop {
        pool.next = POOLS.load(Ordering::Acquire);
        let pointer = ptr::from_mut(pool);
        if POOLS
            .compare_exchange(pool.next, pointer, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            return pool;
        }
    }
}

/// One thread for each CPU that this thread may use, within the process's quota.
pub(crate) fn usable_threads() -> usize {
    static QUOTA: OnceLock<usize> = OnceLock::new();
    let quota =
        *QUOTA.get_or_init(|| std::thread::available_parallelism().map_or(1, |count| count.get()));
    platform::affinity()
        .count()
        .map_or(quota, |cpus| cpus.min(quota))
        .max(1)
}

impl Pool {
    /// Runs `work` on the caller (thread 0) and on at most `pieces` − 1 other threads of the pool;
    /// returns when all are done. `work` is given what tells its thread's number. Floating-point
    /// flags that other threads raised are then raised on the caller too.
    pub(crate) fn run(&self, pieces: usize, work: impl Fn(fn() -> u32) + Sync) {
        let helpers = pieces.saturating_sub(1).min(self.threads - 1);
        let raised = AtomicU64::new(0);
        let (raised, work) = (&raised, &work);
        self.workers.in_place_scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(move |_| {
                    raised.fetch_or(flags::collect(|| work(worker)), Ordering::Relaxed);
                });
            }
            work(|| 0);
        });
        flags::raise(raised.load(Ordering::Relaxed));
    }
}

/// The number of a thread of the pool: 1 and on.
fn worker() -> u32 {
    rayon::current_thread_index().map_or(0, |index| index as u32 + 1)
}
