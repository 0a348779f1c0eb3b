//! Folds `perf script` output with this crate and with inferno's `collapse-perf` as a library, alternately, so that a
//! busy machine slows both: `cargo bench -p raptors-flamegraphs --bench fold [-- FILE]`. Without a file it makes one of
//! a hundred thousand samples, 25 frames deep.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use inferno::collapse::Collapse;
use inferno::collapse::perf::Folder;
use raptors_flamegraphs::{PerfScript, Tag};

const ROUNDS: usize = 15;

fn main() {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let script = file.map_or_else(made, |path| std::fs::read_to_string(path).unwrap());
    println!("{:.1} MB, {ROUNDS} rounds in turns", script.len() as f64 / 1e6);
    let (mut ours, mut infernos) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(timed(|| {
            let read = PerfScript::read(script.as_bytes()).unwrap();
            let folded = read.profile.folded(Tag::A).unwrap();
            folded.to_string().len()
        }));
        infernos.push(timed(|| {
            let mut folded = Vec::new();
            Folder::default().collapse(script.as_bytes(), &mut folded).unwrap();
            folded.len()
        }));
    }
    let ratios = ours.iter().zip(&infernos).map(|(ours, theirs)| theirs.as_secs_f64() / ours.as_secs_f64());
    let mut ratios: Vec<f64> = ratios.collect();
    ratios.sort_by(f64::total_cmp);
    let (ours, infernos) = (median(ours), median(infernos));
    println!("ours    {:.1} ms", ours.as_secs_f64() * 1e3);
    println!("inferno {:.1} ms", infernos.as_secs_f64() * 1e3);
    println!(
        "inferno's time ÷ ours: median {:.2}, from {:.2} to {:.2}",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
}

fn timed(work: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Stacks that share their outer frames and differ in their inner ones, as real stacks do.
fn made() -> String {
    let mut script = String::new();
    for sample in 0..100_000_u64 {
        let time = sample as f64 / 1e3;
        writeln!(script, "python3 71/71 [001] {time:.6}:     250000 cpu-clock:pppH: ").unwrap();
        for depth in (0..25_u64).rev() {
            let varied = if depth > 20 { sample * 7919 % 97 } else { sample % 3 };
            let address = 0x7f00_0000_0000 + depth * 4096 + varied * 16;
            let name = format!("function_{depth}_{}", varied / 4);
            writeln!(script, "\t{address:16x} {name}+{:#x} (/usr/lib/lib{depth}.so)", varied * 16 + 4).unwrap();
        }
        script.push('\n');
    }
    script
}
