//! What a record costs, the file's growth included: `cargo bench -p raptors-recording --bench push`.
//!
//! Every line is 10 million records (of all threads together) into a new file with the default
//! options; the clock is read twice per record where it says so, as hooks do it. The file lies in
//! the directory given as argument, else in the build directory.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use raptors_recording::{Kind, Options, Reader, Writer, clock, push};

const RECORDS: u64 = 10_000_000;

fn main() {
    let place = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let place = place.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(place).expect("a directory to write to");
    let path = dir.path().join("run");
    println!("two clock reads alone: {:.1} ns", clock_reads());
    for (threads, reads, pause) in [
        (1, true, 0),
        (2, true, 0),
        (1, false, 0),
        (2, false, 0),
        (1, false, 1000),
    ] {
        let (ns, peak) = measure(&path, threads, reads, pause);
        let reader = Reader::open(&path).expect("a run");
        println!(
            "{threads} thread(s), {}{}: {ns:.1} ns per record and thread, {} lost, {} late \
             segments, at most {peak} MiB resident",
            if reads {
                "two clock reads and push"
            } else {
                "push alone"
            },
            if pause > 0 {
                ", paused so that growth keeps ahead"
            } else {
                ""
            },
            reader.header().lost.total(),
            reader.header().late_segments,
        );
        std::fs::remove_file(&path).expect("removed");
    }
}

fn clock_reads() -> f64 {
    let begun = Instant::now();
    let mut sum = 0_u64;
    for _ in 0..RECORDS {
        let start = clock::ticks();
        sum = sum.wrapping_add(clock::ticks() - start);
    }
    std::hint::black_box(sum);
    begun.elapsed().as_nanos() as f64 / RECORDS as f64
}

/// Nanoseconds per record as its thread sees them, and the peak of resident memory in MiB. `pause`
/// is how many microseconds to rest, outside the measure, after 10,000 records.
fn measure(path: &std::path::Path, threads: u64, reads: bool, pause: u64) -> (f64, u64) {
    let writer = Writer::create(path, Options::default()).expect("a writer");
    let each = RECORDS / threads;
    let total: Duration = thread::scope(|scope| {
        let pushers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(move || push_all(each, reads, Duration::from_micros(pause))))
            .collect();
        pushers
            .into_iter()
            .map(|p| p.join().expect("no panic"))
            .sum()
    });
    let peak = resident_mib();
    writer.finish().expect("finished");
    (total.as_nanos() as f64 / RECORDS as f64, peak)
}

fn push_all(records: u64, reads: bool, pause: Duration) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = records;
    while left > 0 {
        let n = if pause.is_zero() {
            left
        } else {
            left.min(10_000)
        };
        let begun = Instant::now();
        for i in 0..n {
            let start = if reads { clock::ticks() } else { i };
            let end = if reads { clock::ticks() } else { i };
            push(Kind::Loop, 0, 0, 1, start, end, [i, 1, 2, 3, 4]);
        }
        spent += begun.elapsed();
        left -= n;
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    spent
}

/// The most that was ever resident in this process.
fn resident_mib() -> u64 {
    // SAFETY: all-zero is a valid rusage, filled by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    usage.ru_maxrss as u64
        / 1024
        / if cfg!(target_vendor = "apple") {
            1024
        } else {
            1
        }
}
