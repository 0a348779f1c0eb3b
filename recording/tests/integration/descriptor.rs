//! A process may close descriptors that it did not open. Their numbers are then those of its own files.

use std::{
    fs::{self, OpenOptions},
    os::fd::AsRawFd,
    path::Path,
};

use raptors_recording::{Options, Reader, Writer};

use crate::common::{descriptor_of, one_at_a_time, place, push_numbered, records};

const MIB: usize = 1 << 20;
const CONTENT: u8 = 0xa5;

fn small() -> Options {
    Options { limit_bytes: 64 << 20, ahead_bytes: 1 << 20 }
}

/// Gives the number of the run file's descriptor to a file of the user with 8 MiB in it.
fn recycle(run: &Path, name: &Path) -> i32 {
    fs::write(name, vec![CONTENT; 8 * MIB]).unwrap();
    let users = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let number = descriptor_of(run);
    // SAFETY: takes two open descriptors; that this closes the second is what the test is about.
    assert_eq!(unsafe { libc::dup2(users.as_raw_fd(), number) }, number);
    number
}

fn check_untouched(name: &Path, descriptor: i32) {
    let content = fs::read(name).unwrap();
    assert_eq!(content.len(), 8 * MIB, "the user's file has another length");
    assert!(content.iter().all(|byte| *byte == CONTENT), "the user's file was written to");
    // SAFETY: closes a descriptor that this test opened.
    assert_eq!(unsafe { libc::close(descriptor) }, 0, "the user's descriptor was closed");
}

#[test]
fn a_recycled_descriptor_leaves_the_users_file_alone() {
    for calls in [10, 200_000] {
        let _turn = one_at_a_time();
        let (dir, path) = place();
        let users = dir.path().join("users");
        let writer = Writer::create(&path, small()).unwrap();
        let descriptor = recycle(&path, &users);
        (0..calls).for_each(|i| push_numbered(0, i));
        writer.finish().unwrap();
        check_untouched(&users, descriptor);
        let reader = Reader::open(&path).unwrap();
        assert!(reader.header().complete);
        let (kept, lost) = (records(&reader).len() as u64, reader.header().lost);
        assert_eq!(kept + lost.total(), calls);
        let length = fs::metadata(&path).unwrap().len();
        assert!(length < kept * 64 + 2 * MIB as u64, "{length} bytes for {kept} records: not cut to its length");
        let said = reader.warnings().iter().any(|warning| warning.contains("closed the run file's descriptor"));
        assert_eq!(said, lost.descriptor_closed > 0, "{lost:?}");
    }
}

#[test]
fn a_file_that_cannot_grow_says_that_its_descriptor_was_closed() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, small()).unwrap();
    // SAFETY: the number of a descriptor that is open; closing it is what the test is about.
    assert_eq!(unsafe { libc::close(descriptor_of(&path)) }, 0);
    let mut pushed = 0;
    while writer.lost_by_reason().descriptor_closed == 0 {
        push_numbered(0, pushed);
        pushed += 1;
    }
    let message = loop {
        if let Err(error) = writer.document("facts", &"x".repeat(60_000)) {
            break error.to_string();
        }
    };
    assert!(message.contains("closed the run file's descriptor"), "{message}");
    writer.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(records(&reader).len() as u64 + reader.header().lost.total(), pushed);
}

#[test]
fn a_removed_file_is_written_to_its_end_and_no_other_is_cut() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, small()).unwrap();
    let descriptor = descriptor_of(&path);
    fs::remove_file(&path).unwrap();
    fs::write(&path, vec![CONTENT; 8 * MIB]).unwrap();
    (0..100_000).for_each(|i| push_numbered(0, i));
    // SAFETY: as above.
    assert_eq!(unsafe { libc::close(descriptor) }, 0);
    writer.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), vec![CONTENT; 8 * MIB]);
}
