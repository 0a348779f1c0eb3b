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
