//! The cost of sampling for the sampled code: blocks of work with and without it, alternately, by their CPU time:
//! `cargo bench -p raptors-flamegraphs --features capture --bench sampling`. The stacks are 40 frames deep, like those
//! of a ufunc below a Python script.

use std::hint::black_box;
use std::time::{Duration, Instant};

use raptors_flamegraphs::Tag;
use raptors_flamegraphs::capture::Sampler;

const ROUNDS: usize = 300;
const DEPTH: u32 = 40;

fn main() {
    let start = Instant::now();
    let mut sampler = Sampler::start(1000).unwrap();
    println!("start   {:8.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    for _ in 0..1000 {
        sampler.switch(Some(Tag::A)).unwrap();
        sampler.switch(None).unwrap();
    }
    println!("switch  {:8.0} ns", start.elapsed().as_secs_f64() * 1e9 / 2000.0);
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let mut times = [0.0; 2];
        for side in [round % 2, (round + 1) % 2] {
            sampler.switch((side == 1).then_some(Tag::A)).unwrap();
            times[side] = timed();
            sampler.switch(None).unwrap();
        }
        ratios.push(times[1] / times[0]);
    }
    ratios.sort_by(f64::total_cmp);
    let sampled = sampler.finish().unwrap().sampled[&Tag::A];
    println!("{} samples, {:.0} a second of CPU time, {} dropped", sampled.samples, sampled.rate(), sampled.dropped);
    println!("sampled ÷ not sampled: median {:.4} of {ROUNDS}", ratios[ROUNDS / 2]);
}

/// CPU seconds of a block.
fn timed() -> f64 {
    let start = cpu_time();
    black_box(deep(DEPTH));
    (cpu_time() - start).as_secs_f64()
}

#[inline(never)]
fn deep(depth: u32) -> u64 {
    if depth > 0 {
        return black_box(deep(depth - 1)).wrapping_add(1);
    }
    (0..8_000_000_u64).fold(1, |sum, index| black_box(sum.wrapping_mul(31) ^ index))
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to `time` only.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
