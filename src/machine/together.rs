//! Work that one thread or several do at the same time, run after run: how long the fastest run takes.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Runs at most.
const RUNS: usize = 12;

/// Where the threads meet before each run.
struct Meeting {
    barrier: Barrier,
    begun: Instant,
    budget: Duration,
    enough: AtomicBool,
}

/// Seconds of the fastest of several runs, each from the first thread's begin to the last one's end: what else the
/// machine does only ever slows work. Each of `works` has a thread of its own. None where no run was counted.
///
/// The first run is warm-up. After `budget` no other is begun, but one is always counted.
pub fn fastest<W: FnMut() + Send>(works: Vec<W>, budget: Duration) -> Option<f64> {
    let meeting =
        Meeting { barrier: Barrier::new(works.len()), begun: Instant::now(), budget, enough: AtomicBool::new(false) };
    let meeting = &meeting;
    let times: Vec<Vec<(Instant, Instant)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = works.into_iter().map(|work| scope.spawn(move || runs(work, meeting))).collect();
        let joined = threads.into_iter().filter_map(|thread| thread.join().ok());
        joined.collect()
    });
    let seconds = (1..RUNS).filter_map(|i| {
        let runs = times.iter().map(|thread| thread.get(i)).collect::<Option<Vec<_>>>()?;
        let start = runs.iter().map(|run| run.0).min()?;
        let end = runs.iter().map(|run| run.1).max()?;
        Some(end.duration_since(start).as_secs_f64())
    });
    let least = seconds.fold(f64::INFINITY, f64::min);
    (least.is_finite() && least > 0.0).then_some(least)
}

/// One thread's runs. The last thread to arrive decides for all whether there is another, so all make equally many.
fn runs(mut work: impl FnMut(), meeting: &Meeting) -> Vec<(Instant, Instant)> {
    let mut times = Vec::with_capacity(RUNS);
    while times.len() < RUNS {
        if meeting.barrier.wait().is_leader() {
            let enough = times.len() >= 2 && meeting.begun.elapsed() > meeting.budget;
            meeting.enough.store(enough, Ordering::Relaxed);
        }
        // This barrier orders the leader's store before every load.
        meeting.barrier.wait();
        if meeting.enough.load(Ordering::Relaxed) {
            break;
        }
        let start = Instant::now();
        work();
        times.push((start, Instant::now()));
    }
    times
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn every_thread_makes_as_many_runs_and_one_is_counted_whatever_the_budget() {
        let counts: Vec<AtomicUsize> = (0..3).map(|_| AtomicUsize::new(0)).collect();
        let works = counts.iter().map(|count| {
            move || {
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(10));
            }
        });
        assert!(fastest(works.collect(), Duration::ZERO).is_some());
        let counts: Vec<usize> = counts.into_iter().map(AtomicUsize::into_inner).collect();
        assert_eq!(counts, [2, 2, 2]);
        assert_eq!(fastest(Vec::<fn()>::new(), Duration::ZERO), None);
    }
}
