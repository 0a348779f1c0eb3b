//! Measures memory traffic: copy and scale, with plain and streaming stores, on one thread and on all.

use std::time::Duration;

use super::{stream, together};
use crate::machine::platform;
use crate::model::comparison::LimitDetail;

/// How long one of the measurements may take after its first run.
const BUDGET: Duration = Duration::from_millis(220);
const FACTOR: f32 = 1.000_000_1;

/// What one run does to memory.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Work {
    scale: bool,
    streaming: bool,
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
        Self { src: filled(1.0), dst, lead, length }
    }

    /// The arrays cut into one pair of pieces per thread, whole cache lines each.
    fn pieces(&mut self, threads: usize) -> Vec<(&[f32], &mut [f32])> {
        let piece = self.length.div_ceil(threads).next_multiple_of(stream::LINE);
        let src = &self.src[..self.length];
        let dst = &mut self.dst[self.lead..self.lead + self.length];
        src.chunks(piece).zip(dst.chunks_mut(piece)).collect()
    }
}

/// Bytes of each of the two arrays: well beyond the last-level cache, within a quarter of what is available (both
/// together).
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
    let stores: &[bool] = if stream::AVAILABLE { &[false, true] } else { &[false] };
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
    let works = pieces.into_iter().map(|(src, dst)| move || once(src, dst, work)).collect();
    let seconds = together::fastest(works, BUDGET);
    LimitDetail {
        work: if work.scale { "scale" } else { "copy" }.to_owned(),
        stores: if work.streaming { "streaming" } else { "plain" }.to_owned(),
        threads,
        gb_s: seconds.map_or(0.0, |seconds| bytes / seconds / 1e9),
    }
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
        assert!(details.iter().all(|d| d.gb_s.is_finite() && d.gb_s > 0.0), "{details:?}");
        assert_eq!(details.iter().filter(|d| d.threads == 3).count(), kinds);
    }

    #[test]
    fn all_of_the_array_is_worked_on() {
        for threads in [1, 2, 3, 7] {
            let mut arrays = Arrays::new(1 << 16);
            for (src, dst) in arrays.pieces(threads) {
                once(src, dst, Work { scale: false, streaming: stream::AVAILABLE });
            }
            let (lead, length) = (arrays.lead, arrays.length);
            assert!(arrays.dst[lead..lead + length].iter().all(|&x| x == 1.0), "{threads} threads");
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
