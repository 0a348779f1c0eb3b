//! The sampler sees code that burns CPU time, and says so when there was none to see.
#![cfg(feature = "capture")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use raptors_flamegraphs::capture::Sampler;
use raptors_flamegraphs::{Picture, draw};

/// Long enough for dozens of samples, on a busy machine too: the timer counts CPU time.
const BURN: Duration = Duration::from_millis(500);

#[test]
fn a_busy_loop_is_in_the_samples_and_the_picture() {
    let sampler = Sampler::start(200).unwrap();
    let start = Instant::now();
    let mut sum = 0_u64;
    while start.elapsed() < BURN {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(7));
    }
    let folded = sampler.finish().unwrap();
    let own = std::env::current_exe().unwrap();
    let own = own.file_name().unwrap().to_str().unwrap();
    let leaf_is_ours = |stack: &str| stack.rsplit(';').next().unwrap().starts_with(own);
    let ours: u64 = folded
        .stacks()
        .filter(|(stack, _)| leaf_is_ours(stack))
        .map(|s| s.1)
        .sum();
    // The clock is read in the vDSO, so not every leaf is ours; the handler's own frames never are.
    assert!(ours > 0, "no sample ends in {own}:\n{folded}");
    for (stack, _) in folded.stacks() {
        assert!(stack.contains(own), "a stack without this program: {stack}");
    }
    assert!(draw(&folded, &Picture::default()).unwrap().contains(own));
}
