//! Measures memory traffic: copy and scale, with plain and streaming stores, on one thread and on all.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::stream;
use crate::comparison::LimitDetail;
use crate::platform;

/// How long one of the measurements may take after its first run.
const BUDGET: Duration = Duration::from_millis(220);
const RUNS: usize = 12;
const FACTOR: f32 = 1.000_000_1;

/// What one run does to memory.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Work {
    scale: bool,
    streaming: bool,
}

/// Where the threads of one measurement meet before each run.
struct Meeting {
    barrier: Barrier,
    begun: Instant,
    enough: AtomicBool,
}

/// Two arrays far larger than the last-level cache.
struct Arrays {
    src: Vec<f32>,
    dst: Vec<f32>,
    lead: usize,
    length: usize,
}

impl Arrays {
    /// Arrays of `bytes` each; every page of both is written, as reading a page that never was gives cached zeroes.
    fn new(bytes: usize) -> Self {
        let length = (bytes / 4).next_multiple_of(stream::LINE);
        let filled = |value: f32| {
            let mut array: Vec<f32> = Vec::with_capacity(length + stream::LINE);
            platform::wish_huge_pages(array.as_mut_ptr().cast(), array.capacity() * 4);
            array.resize(length + stream::LINE, value);
            array
        };
        let dst = filled(0.0);
        let lead = dst.as_ptr().align_offset(64);
        Self {
            src: filled(1.0),
            dst,
            lead,
            length,
        }
    }

    /// The arrays cut into one pair of pieces per thread, whole cache lines each.
    fn pieces(&mut self, threads: usize) -> Vec<(&[f32], &mut [f32])> {
        let piece = self.length.div_ceil(threads).next_multiple_of(stream::LINE);
        let src = &self.src[..self.length];
        let dst = &mut self.dst[self.lead..self.lead + self.length];
        src.chunks(piece).zip(dst.chunks_mut(piece)).collect()
    }
}

/// Bytes of each of the two arrays: well beyond the last-level cache, within a quarter of what is available (both together).
pub fn array_bytes(last_level_cache: Option<u64>, available: Option<u64>) -> usize {
    const MIB: u64 = 1 << 20;
    let wished = (last_level_cache.unwrap_or(32 * MIB) * 4).clamp(64 * MIB, 512 * MIB);
    let bounded = wished.min(available.unwrap_or(u64::MAX) / 8).max(MIB);
    bounded as usize
}

/// Every measurement on arrays of `bytes`, with one thread and, where there are more, with `threads`.
pub fn measure(bytes: usize, threads: u32) -> Vec<LimitDetail> {
    let mut arrays = Arrays::new(bytes);
    let mut counts = vec![1];
    if threads > 1 {
        counts.push(threads);
    }
    let stores: &[bool] = if stream::AVAILABLE {
        &[false, true]
    } else {
        &[false]
    };
    let mut details = Vec::new();
    for threads in counts {
        for scale in [false, true] {
            for &streaming in stores {
                details.push(best(&mut arrays, Work { scale, streaming }, threads));
            }
        }
    }
    details
}

/// The best of several runs: traffic is only ever slowed by what else the machine does.
fn best(arrays: &mut Arrays, work: Work, threads: u32) -> LimitDetail {
    let bytes = arrays.length as f64 * 8.0;
    let pieces = arrays.pieces(threads as usize);
    let meeting = Meeting {
        barrier: Barrier::new(pieces.len()),
        begun: Instant::now(),
        enough: AtomicBool::new(false),
    };
    let times: Vec<Vec<(Instant, Instant)>> = std::thread::scope(|scope| {
        let runs: Vec<_> = pieces
            .into_iter()
            .map(|piece| scope.spawn(|| run(piece, work, &meeting)))
            .collect();
        runs.into_iter().filter_map(|run| run.join().ok()).collect()
    });
    let seconds = (1..RUNS).filter_map(|i| {
        let runs = times
            .iter()
            .map(|thread| thread.get(i))
            .collect::<Option<Vec<_>>>()?;
        let start = runs.iter().map(|run| run.0).min()?;
        let end = runs.iter().map(|run| run.1).max()?;
        Some(end.duration_since(start).as_secs_f64())
    });
    let least = seconds.fold(f64::INFINITY, f64::min);
    LimitDetail {
        work: if work.scale { "scale" } else { "copy" }.to_owned(),
        stores: if work.streaming { "streaming" } else { "plain" }.to_owned(),
        threads,
        gb_s: if least > 0.0 {
            bytes / least / 1e9
        } else {
            0.0
        },
    }
}

/// One thread's runs. The last thread to arrive decides for all whether there is another, so all make equally many.
fn run((src, dst): (&[f32], &mut [f32]), work: Work, meeting: &Meeting) -> Vec<(Instant, Instant)> {
    let mut times = Vec::with_capacity(RUNS);
    while times.len() < RUNS {
        if meeting.barrier.wait().is_leader() {
            // The first run is warm-up and one more is needed, whatever the time.
            let enough = times.len() >= 2 && meeting.begun.elapsed() > BUDGET;
            meeting.enough.store(enough, Ordering::Relaxed);
        }
        // This barrier orders the leader's store before every load.
        meeting.barrier.wait();
        if meeting.enough.load(Ordering::Relaxed) {
            break;
        }
        let start = Instant::now();
        once(src, dst, work);
        times.push((start, Instant::now()));
    }
    times
}

/// One pass over a piece. Plain copies are the C library's, which has its own ideas about large ones.
fn once(src: &[f32], dst: &mut [f32], work: Work) {
    match (work.streaming, work.scale) {
        (true, scale) => stream::scale(src, scale.then_some(FACTOR), dst),
        (false, false) => dst.copy_from_slice(src),
        (false, true) => {
            for (to, from) in dst.iter_mut().zip(src) {
                *to = from * FACTOR;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_is_measured_on_one_thread_and_on_all() {
        let details = measure(1 << 20, 3);
        let kinds = if stream::AVAILABLE { 4 } else { 2 };
        assert_eq!(details.len(), kinds * 2);
        assert!(
            details.iter().all(|d| d.gb_s.is_finite() && d.gb_s > 0.0),
            "{details:?}"
        );
        assert_eq!(details.iter().filter(|d| d.threads == 3).count(), kinds);
    }

    #[test]
    fn all_of_the_array_is_worked_on() {
        for threads in [1, 2, 3, 7] {
            let mut arrays = Arrays::new(1 << 16);
            for (src, dst) in arrays.pieces(threads) {
                once(
                    src,
                    dst,
                    Work {
                        scale: false,
                        streaming: stream::AVAILABLE,
                    },
                );
            }
            let (lead, length) = (arrays.lead, arrays.length);
            assert!(
                arrays.dst[lead..lead + length].iter().all(|&x| x == 1.0),
                "{threads} threads"
            );
        }
    }

    #[test]
    fn arrays_are_beyond_the_cache_and_within_memory() {
        assert_eq!(array_bytes(Some(32 << 20), None), 128 << 20);
        assert_eq!(array_bytes(Some(1 << 30), None), 512 << 20);
        assert_eq!(array_bytes(Some(32 << 20), Some(256 << 20)), 32 << 20);
        assert_eq!(array_bytes(None, Some(0)), 1 << 20);
    }
}
