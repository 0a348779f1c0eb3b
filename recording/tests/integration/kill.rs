//! A target killed at any instant leaves a readable run.

use std::{thread, time::Duration};

use raptors_recording::{Options, Reader, Writer};

use crate::common::{check_numbered, child_path, place, push_numbered, spawn_child};

const THREADS: u64 = 3;

#[test]
#[ignore = "the child half of a_killed_target_leaves_a_readable_run"]
fn push_until_killed() {
    let Some(path) = child_path() else { return };
    let writer = Writer::create(&path, Options { limit_bytes: 1 << 30, ahead_bytes: 2 << 20 }).unwrap();
    for thread in 0..THREADS {
        thread::spawn(move || {
            for i in 0.. {
                push_numbered(thread, i);
            }
        });
    }
    for i in 0.. {
        let text = format!("{i} {}", "x".repeat(i % 997));
        if writer.document("facts", &text).is_err() {
            thread::sleep(Duration::from_secs(60));
        }
    }
}

#[test]
fn a_killed_target_leaves_a_readable_run() {
    let mut seen = 0;
    for round in 0..30 {
        let (_dir, path) = place();
        let mut child = spawn_child("kill::push_until_killed", &path);
        while std::fs::metadata(&path).map_or(0, |m| m.len()) < 1 << 20 {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_micros(round * 1700));
        child.kill().unwrap();
        child.wait().unwrap();
        seen += check(&path);
    }
    assert!(seen > 0, "no child was killed while it recorded");
}

/// Every record is whole and none is missing between two that are there; gives their number.
fn check(path: &std::path::Path) -> u64 {
    let reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => panic!("{error}"),
    };
    assert!(!reader.header().complete);
    let mut next = [0; THREADS as usize];
    reader
        .for_each(|_, record| {
            let (thread, i) = check_numbered(record);
            let lost = reader.header().lost.total();
            let expected = next[thread as usize];
            assert!(i == expected || (lost > 0 && i > expected), "{i}, expected {expected}");
            next[thread as usize] = i + 1;
        })
        .unwrap();
    for (i, text) in reader.documents_of("facts").enumerate() {
        assert_eq!(text, format!("{i} {}", "x".repeat(i % 997)));
    }
    next.iter().sum()
}
