//! Many threads, each with its own place in the file.

use std::collections::HashSet;

use raptors_recording::{Options, Reader, Writer};

use crate::common::{check_numbered, one_at_a_time, place, push_numbered, records};

#[test]
fn a_thousand_short_lived_threads_lose_nothing() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    for batch in 0..125 {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || (0..5).for_each(|i| push_numbered(batch * 8 + thread, i)));
            }
        });
    }
    writer.finish().unwrap();
    assert_eq!(writer.lost(), 0);
    let reader = Reader::open(&path).unwrap();
    let mut next = [0; 1000];
    let mut indices = HashSet::new();
    for (thread, record) in records(&reader) {
        let (number, i) = check_numbered(&record);
        assert_eq!(i, next[number as usize]);
        next[number as usize] += 1;
        indices.insert(thread.index);
    }
    assert!(next.iter().all(|n| *n == 5));
    assert_eq!(indices.len(), 1000);
}

/// A thread that ends leaves the rest of its segment to one that begins: a segment for each would be 75 MiB.
#[test]
fn threads_of_one_call_fit_into_a_small_file() {
    const THREADS: u64 = 1200;
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options { limit_bytes: 64 << 20, ..Options::default() }).unwrap();
    let mut ids = Vec::new();
    for batch in 0..THREADS / 8 {
        let push = |thread| {
            push_numbered(batch * 8 + thread, 0);
            // SAFETY: takes nothing and cannot fail.
            #[cfg(target_os = "linux")]
            return unsafe { libc::gettid() } as u64;
            #[cfg(not(target_os = "linux"))]
            return 0;
        };
        std::thread::scope(|scope| {
            let started: Vec<_> = (0..8).map(|thread| scope.spawn(move || push(thread))).collect();
            ids.extend(started.into_iter().map(|thread| thread.join().unwrap()));
        });
    }
    writer.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.header().lost.total(), 0, "{:?}", reader.header().lost);
    let mut seen = HashSet::new();
    for (thread, record) in records(&reader) {
        let (number, _) = check_numbered(&record);
        assert!(seen.insert((number, thread.index)), "thread {number} twice");
        if cfg!(target_os = "linux") {
            assert_eq!(thread.tid, ids[number as usize]);
        }
    }
    assert_eq!(seen.len() as u64, THREADS);
    let (numbers, indices): (HashSet<_>, HashSet<_>) = seen.into_iter().unzip();
    assert_eq!((numbers.len() as u64, indices.len() as u64), (THREADS, THREADS));
    assert!(std::fs::metadata(&path).unwrap().len() < 4 << 20, "the segments were not shared");
}

/// Long-lived and short-lived threads in turn, so that a thread fills the rest of another's segment and goes on.
#[test]
fn a_threads_records_stay_in_order_over_a_segment_that_it_took_over() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    for thread in 0..60 {
        let calls = [3, 1022, 1500, 1021, 2500][thread as usize % 5];
        std::thread::spawn(move || (0..calls).for_each(|i| push_numbered(thread, i))).join().unwrap();
    }
    writer.finish().unwrap();
    let mut next = [0; 60];
    let mut threads = HashSet::new();
    for (thread, record) in records(&Reader::open(&path).unwrap()) {
        let (number, i) = check_numbered(&record);
        assert_eq!(i, next[number as usize]);
        next[number as usize] += 1;
        threads.insert((number, thread));
    }
    assert_eq!(threads.len(), 60);
    assert_eq!(next.iter().sum::<u64>(), 12 * (3 + 1022 + 1500 + 1021 + 2500));
}

#[test]
fn a_thread_is_named_by_its_system_id() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    push_numbered(0, 0);
    writer.finish().unwrap();
    let (thread, _) = records(&Reader::open(&path).unwrap())[0];
    assert_eq!(thread.index, 0);
    #[cfg(target_os = "linux")]
    {
        // SAFETY: takes nothing and cannot fail.
        assert_eq!(thread.tid, unsafe { libc::gettid() } as u64);
    }
}
