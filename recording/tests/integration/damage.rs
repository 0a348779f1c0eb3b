//! Damaged files: never a panic, always an offset.

use std::sync::OnceLock;

use proptest::prelude::*;
use raptors_recording::{Error, Options, Reader, Writer};

use crate::common::{one_at_a_time, place, push_numbered};

const SEGMENT: usize = 65536;

/// A small real file: documents, and records of two threads.
fn small() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let _turn = one_at_a_time();
        let (_dir, path) = place();
        let writer = Writer::create(&path, Options::default()).unwrap();
        writer.document("site", r#"{"id":1,"kind":"loop"}"#).unwrap();
        writer.document("facts", "{}").unwrap();
        (0..30).for_each(|i| push_numbered(1, i));
        std::thread::spawn(|| (0..1100).for_each(|i| push_numbered(2, i))).join().unwrap();
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    })
}

/// Reads all of it; gives the number of records.
fn read(bytes: Vec<u8>, lossy: bool) -> Result<usize, Error> {
    let reader = Reader::from_bytes(bytes, lossy)?;
    let mut n = 0;
    reader.for_each(|_, record| {
        let _ = record.end();
        n += 1;
    })?;
    let _ = reader.warnings();
    Ok(n)
}

fn with(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = small().to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

#[test]
fn every_byte_may_be_wrong() {
    assert_eq!(read(small().to_vec(), false).unwrap(), 1130);
    let interesting = |at: &usize| at % SEGMENT < 512 || small()[*at] != 0 || at.is_multiple_of(509);
    let places = (0..small().len()).filter(interesting).filter(|at| at % SEGMENT < 6000);
    for at in places {
        let bytes = with(at, &[small()[at] ^ (1 << (at % 8))]);
        let strict = read(bytes.clone(), false);
        if at < 124 {
            assert!(strict.is_err(), "a changed header at {at} went unseen");
        }
        let kept = read(bytes, true).unwrap_or(0);
        assert!(kept <= 1130, "{kept} records at {at}");
        if at >= SEGMENT {
            assert!(kept >= 30, "damage at {at} of one segment took more than that: {kept}");
        }
    }
}

#[test]
fn the_end_may_be_missing_anywhere() {
    let len = small().len();
    let bounds = (0..=len / SEGMENT)
        .flat_map(|i| [-65, -64, -1, 0, 1, 63, 64, 65, 127, 128, 383, 384].map(|d| (i * SEGMENT) as i64 + d));
    let mut last = 0;
    for at in bounds.filter(|at| (0..len as i64).contains(at)) {
        let bytes = small()[..at as usize].to_vec();
        let error = read(bytes.clone(), false).unwrap_err();
        match error {
            Error::NotARunFile { .. } => assert_eq!(at, 0),
            Error::Truncated { len: have, missing, .. } => {
                assert_eq!(have, at as u64);
                if at >= 384 {
                    assert_eq!(missing as usize, len - at as usize);
                    let kept = read(bytes, true).unwrap();
                    assert!(kept >= last, "{kept} records of {at} bytes, {last} before");
                    last = kept;
                }
            }
            other => panic!("at {at}: {other}"),
        }
    }
    assert!(last > 1000);
}

#[test]
fn a_truncated_file_says_how_much_is_missing() {
    let bytes = small()[..small().len() - 1000].to_vec();
    let message = read(bytes.clone(), false).unwrap_err().to_string();
    assert!(message.contains(&format!("offset {}", bytes.len())), "{message}");
    assert!(message.contains("1000 of") && message.contains("copy it again"), "{message}");
    let reader = Reader::from_bytes(bytes, true).unwrap();
    assert!(reader.warnings()[0].contains("1000 of"));
}

#[test]
fn what_is_wrong_is_named_with_its_offset() {
    let cases: [(usize, &[u8], &str); 7] = [
        (0, b"PK", "not a run file"),
        (8, &[9, 0, 0, 0], "made by a newer raptors-trace (layout 9, this one reads up to 2); update"),
        (8, &[0, 0, 0, 0], "made by an older raptors-trace (layout 0, this one reads from 1 on); record it again"),
        (30, &[1], "at offset 124: the header's CRC"),
        (300, &[1], "at offset 380: the closing CRC"),
        (SEGMENT + 9, &[0xff], "at offset 65536: the segment header's CRC"),
        (SEGMENT + 64, &[0], "at offset 65600: a document's CRC"),
    ];
    for (at, value, expected) in cases {
        let message = read(with(at, value), false).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    // Records follow the document's segment.
    let message = read(with(2 * SEGMENT + 128, &[77]), false).unwrap_err().to_string();
    assert!(message.contains("at offset 131200: a record has kind 77"), "{message}");
    let lossy = Reader::from_bytes(with(2 * SEGMENT + 128, &[77]), true).unwrap();
    let mut kept = 0;
    lossy.for_each(|_, _| kept += 1).unwrap();
    assert_eq!(kept, 1129);
    assert_eq!(lossy.warnings(), ["1 damaged records were skipped"]);
    let message = read(with(2 * SEGMENT + 130, &[8]), false).unwrap_err().to_string();
    assert!(message.contains("at offset 131200: a record of kind backend has the flags 0x8"), "{message}");
    let message = read(with(2 * SEGMENT + 136, &[0xff; 16]), false).unwrap_err().to_string();
    assert!(message.contains("at offset 131200: a record starts at tick"), "{message}");
}

#[test]
fn segments_in_the_wrong_place_are_found() {
    let mut bytes = small().to_vec();
    let (a, b) = bytes.split_at_mut(3 * SEGMENT);
    a[2 * SEGMENT..].swap_with_slice(&mut b[..SEGMENT]);
    let message = read(bytes, false).unwrap_err().to_string();
    assert!(message.contains("at offset 131072: segment 2 lies in the place of segment 1"), "{message}");
    // Thread 2's first segment of two is gone.
    let message = read(with(3 * SEGMENT, &[0; 4]), false).unwrap_err().to_string();
    assert!(message.contains("goes on with segment 1 after 0"), "{message}");
}

#[test]
fn what_is_no_run_file_is_said_to_be_none() {
    let (dir, path) = place();
    for (content, expected) in [("", "is empty"), ("#!/bin/sh\nexit 0\n", "first bytes")] {
        std::fs::write(&path, content).unwrap();
        for opened in [Reader::open(&path), Reader::open_lossy(&path)] {
            let message = opened.unwrap_err().to_string();
            assert!(message.contains("not a run file") && message.contains(expected), "{message}");
        }
    }
    assert!(matches!(Reader::open(dir.path()), Err(Error::NotAFile(_))));
    let message = Reader::open(&dir.path().join("none")).unwrap_err().to_string();
    assert!(message.contains("cannot open") && message.contains("check the name"), "{message}");
}

/// Opening a pipe that nobody writes to would wait forever: hence the thread, and a limit on the waiting.
#[test]
fn a_pipe_is_refused_without_waiting_for_its_writer() {
    let (dir, _) = place();
    let pipe = dir.path().join("pipe");
    let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    // SAFETY: the name is a live C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(Reader::open(&pipe).map(drop)));
    let refused = told.recv_timeout(std::time::Duration::from_secs(20));
    assert!(matches!(refused, Ok(Err(Error::NotAFile(_)))), "{refused:?}");
}

#[test]
fn an_error_is_its_sentence_and_its_fix() {
    let (dir, _) = place();
    let error = Reader::open(&dir.path().join("none")).unwrap_err();
    let help = error.help().unwrap();
    assert!(!error.sentence().contains(help));
    assert_eq!(error.to_string(), format!("{}; {help}", error.sentence()));
}

#[test]
fn a_writer_killed_at_birth_leaves_an_empty_run() {
    let mut bytes = small()[..384].to_vec();
    bytes[128] = 1; // recording
    bytes[136..].fill(0); // no length, no clock, no end
    for tail in [0, SEGMENT - 384, 4 * SEGMENT] {
        bytes.resize(384 + tail, 0);
        let reader = Reader::from_bytes(bytes.clone(), false).unwrap();
        assert!(!reader.header().complete);
        assert_eq!(reader.header().calibration.ns_per_tick, 0.0);
        assert!(reader.documents().is_empty());
        reader.for_each(|_, _| panic!("a record")).unwrap();
    }
    // With records in it, the clock cannot be missing.
    let mut bytes = small().to_vec();
    bytes[128] = 1;
    bytes[136..144].copy_from_slice(&(small().len() as u64).to_le_bytes());
    bytes[192..256].fill(0);
    let message = read(bytes, false).unwrap_err().to_string();
    assert!(message.contains("at offset 192: there are records and no clock"), "{message}");
}

#[test]
fn a_document_cut_by_the_writers_end_is_not_there() {
    let used = SEGMENT + 36;
    let mut bytes = with(used, &[small()[used] - 8]);
    let message = read(bytes.clone(), false).unwrap_err().to_string();
    assert!(message.contains("the documents end inside this one"), "{message}");
    bytes[128] = 1;
    bytes[136..144].copy_from_slice(&(small().len() as u64).to_le_bytes());
    let reader = Reader::from_bytes(bytes, false).unwrap();
    assert!(!reader.header().complete);
    assert_eq!(reader.documents().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_damage_makes_the_reader_panic(
        changes in prop::collection::vec((0..small().len(), any::<[u8; 8]>()), 1..12),
        near in prop::collection::vec((0..small().len() / SEGMENT, 0..400_usize, any::<u8>()), 0..12),
        keep in 0..=small().len(),
        lossy: bool,
    ) {
        let mut bytes = small().to_vec();
        for (at, value) in changes {
            let n = value.len().min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&value[..n]);
        }
        for (segment, at, value) in near {
            bytes[segment * SEGMENT + at] = value;
        }
        bytes.truncate(keep);
        let _ = read(bytes, lossy);
    }

    #[test]
    fn bytes_that_only_look_like_a_run_make_no_panic(
        tail in prop::collection::vec(any::<u8>(), 0..4000),
        lossy: bool,
    ) {
        let mut bytes = small()[..8].to_vec();
        bytes.extend_from_slice(&tail);
        prop_assert!(read(bytes, lossy).is_err());
    }
}
