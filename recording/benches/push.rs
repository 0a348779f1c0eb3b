//! The cost of a record, with the file's growth: `cargo bench -p raptors-recording --bench push`.
//!
//! Times are the recording thread's own processor time, page faults included, because the wall time of a loaded machine
//! depends on the load. The helper's time is a separate line.
//!
//! Every line is 10 million records (of all threads together) into a new file with the default options; where the line
//! says so, the clock is read twice per record, as hooks do. The file is in the directory given as argument, else in
//! the build directory.

use std::{path::PathBuf, thread, time::Duration};

use raptors_recording::{BackendCall, Options, Reader, Writer, clock, push};

const RECORDS: u64 = 10_000_000;

fn main() {
    let place = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let place = place.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(place).expect("a directory to write to");
    let path = dir.path().join("run");
    println!("two clock reads alone: {:.1} ns", clock_reads());
    for (threads, reads, pause) in [(1, true, 0), (2, true, 0), (1, false, 0), (2, false, 0), (1, false, 1000)] {
        let (ns, helper, peak) = measure(&path, threads, reads, pause);
        let reader = Reader::open(&path).expect("a run");
        println!(
            "{threads} thread(s), {}{}: {ns:.1} ns per record (helper {helper:.1}), {} lost, {} \
             of 9776 segments late, at most {peak} MiB resident",
            if reads { "two clock reads and push" } else { "push alone" },
            if pause > 0 { ", paused so that growth keeps ahead" } else { "" },
            reader.header().lost.total(),
            reader.header().late_segments,
        );
        std::fs::remove_file(&path).expect("removed");
    }
}

fn clock_reads() -> f64 {
    let begun = thread_time();
    let mut sum = 0_u64;
    for _ in 0..RECORDS {
        let start = clock::ticks();
        sum = sum.wrapping_add(clock::ticks() - start);
    }
    std::hint::black_box(sum);
    (thread_time() - begun).as_nanos() as f64 / RECORDS as f64
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    time_of(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Processor time of the whole process.
fn process_time() -> Duration {
    time_of(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn time_of(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Nanoseconds per record that its thread spent and that all others did, and the peak of resident memory in MiB.
/// `pause` is the rest in microseconds, outside the measurement, after 10,000 records.
fn measure(path: &std::path::Path, threads: u64, reads: bool, pause: u64) -> (f64, f64, u64) {
    let all = process_time();
    let writer = Writer::create(path, Options::default()).expect("a writer");
    let each = RECORDS / threads;
    let total: Duration = thread::scope(|scope| {
        let pushers: Vec<_> =
            (0..threads).map(|_| scope.spawn(move || push_all(each, reads, Duration::from_micros(pause)))).collect();
        pushers.into_iter().map(|p| p.join().expect("no panic")).sum()
    });
    let peak = resident_mib();
    writer.finish().expect("finished");
    let helper = process_time() - all - total;
    let per_record = |time: Duration| time.as_nanos() as f64 / RECORDS as f64;
    (per_record(total), per_record(helper), peak)
}

fn push_all(records: u64, reads: bool, pause: Duration) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = records;
    while left > 0 {
        let n = if pause.is_zero() { left } else { left.min(10_000) };
        let begun = thread_time();
        for i in 0..n {
            let start = if reads { clock::ticks() } else { i };
            let end = if reads { clock::ticks() } else { i };
            push(BackendCall { n: i, src: 1, dst: 2, factor_bits: 3, item_size: 4 }, 0, 1, start, end);
        }
        spent += thread_time() - begun;
        left -= n;
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    spent
}

/// The peak of resident memory in this process.
fn resident_mib() -> u64 {
    // SAFETY: all-zero is a valid rusage, filled by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    usage.ru_maxrss as u64 / 1024 / if cfg!(target_vendor = "apple") { 1024 } else { 1 }
}
