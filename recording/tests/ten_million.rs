//! Ten million records without a pause: none is lost, memory stays bounded, and they are read back.

mod common;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use common::place;
use raptors_recording::{Dispatch, Event, Options, Reader, Writer, clock, push};

const RECORDS: u64 = 10_000_000;

#[test]
fn ten_million_records_lose_none_and_stay_small() {
    static DONE: AtomicBool = AtomicBool::new(false);
    static PEAK: AtomicU64 = AtomicU64::new(0);
    let (_dir, path) = place();
    let before = resident();
    let options = Options::default();
    let writer = Writer::create(&path, options).unwrap();
    let watcher = thread::spawn(|| {
        while !DONE.load(Ordering::Acquire) {
            PEAK.fetch_max(resident(), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
        }
    });
    for i in 0..RECORDS {
        // As a hook does: two readings of the clock around the call.
        let start = clock::ticks();
        push(Dispatch { n: i, threads: 1 }, 0, 1, start, clock::ticks());
    }
    writer.finish().unwrap();
    assert_eq!(writer.lost(), 0, "{:?}", writer.lost_by_reason());
    let mut next = 0;
    Reader::open(&path)
        .unwrap()
        .for_each(|_, record| {
            assert_eq!(record.event, Event::Dispatch(Dispatch { n: next, threads: 1 }));
            next += 1;
        })
        .unwrap();
    DONE.store(true, Ordering::Release);
    watcher.join().unwrap();
    assert_eq!(next, RECORDS);
    let grown = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    // The touched memory, the memory that threads may still hold, and the growth between two looks of a helper that
    // shares its processor; the file itself has 640 MB.
    assert!(grown < options.ahead_bytes + (192 << 20), "{} MiB more resident", grown >> 20);
}

#[cfg(target_os = "linux")]
fn resident() -> u64 {
    common::resident_bytes()
}

#[cfg(not(target_os = "linux"))]
fn resident() -> u64 {
    eprintln!("skipped: resident memory is read from /proc, which this system has not");
    0
}
