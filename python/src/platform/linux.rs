//! Linux: the counters of perf_event_open(2).
//!
//! Threads that start after [`open_counters`] are counted too, earlier threads are not. It is therefore called before
//! NumPy is imported, because OpenBLAS starts its threads when it is loaded.

use std::sync::Mutex;

use perf_event::events::{Cache, CacheId, CacheOp, CacheResult, Event, Hardware};
use perf_event::{Builder, Counter, ReadFormat};

use super::Counts;

static COUNTERS: Mutex<Vec<Option<Counter>>> = Mutex::new(Vec::new());

/// Starts counting. Missing counters are left out; without cycles and instructions it fails.
pub fn open_counters() -> Result<(), String> {
    let misses = Cache { which: CacheId::DTLB, operation: CacheOp::READ, result: CacheResult::MISS };
    let opened =
        [start(Hardware::CPU_CYCLES), start(Hardware::INSTRUCTIONS), start(Hardware::CACHE_MISSES), start(misses)];
    if let (Err(error), Err(_)) = (&opened[0], &opened[1]) {
        return Err(explain(error));
    }
    let counters = opened.into_iter().map(Result::ok).collect();
    *COUNTERS.lock().unwrap_or_else(|poison| poison.into_inner()) = counters;
    Ok(())
}

fn start(event: impl Event) -> std::io::Result<Counter> {
    let format = ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING;
    let mut counter = Builder::new(event).inherit(true).exclude_kernel(true).read_format(format).build()?;
    counter.enable()?;
    Ok(counter)
}

fn explain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP) => {
            "this machine offers none, as most virtual machines".to_owned()
        }
        Some(libc::EACCES | libc::EPERM) => {
            "the system does not allow it; kernel.perf_event_paranoid must be 2 or less".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Counts so far, scaled up if the kernel had to share the counters in turns.
pub fn read_counters() -> Counts {
    let mut counters = COUNTERS.lock().unwrap_or_else(|poison| poison.into_inner());
    let mut counts = [None; 4];
    for (count, counter) in counts.iter_mut().zip(counters.iter_mut()) {
        *count = counter.as_mut().and_then(scaled);
    }
    counts
}

fn scaled(counter: &mut Counter) -> Option<f64> {
    let data = counter.read_full().ok()?;
    let (enabled, running) = (data.time_enabled()?, data.time_running()?);
    let share = running.as_secs_f64() / enabled.as_secs_f64();
    (share > 0.0).then(|| data.count() as f64 / share)
}
