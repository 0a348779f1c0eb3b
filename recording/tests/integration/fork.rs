//! A forked child records nothing, and does not disturb its parent.

use raptors_recording::{Error, Options, Reader, Writer, active};

use crate::common::{check_numbered, one_at_a_time, place, push_numbered, records};

/// Runs `child` in a forked process; true if it gave true.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs only `child`, which takes no lock that another thread of this test may
    // hold (the C library makes its allocator usable after fork), and leaves by `_exit`.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid == 0 {
            libc::alarm(30);
            libc::_exit(if child() { 0 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

#[test]
fn a_forked_child_records_nothing_and_the_parent_goes_on() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options::default()).unwrap();
    for i in 0..1500 {
        push_numbered(1, i);
    }
    let quiet = in_child(|| {
        let was_active = active();
        for i in 0..5000 {
            push_numbered(2, i);
        }
        let document = writer.document("warning", "{}");
        let finish = writer.finish();
        !was_active && matches!(document, Err(Error::Closed(_))) && matches!(finish, Err(Error::Closed(_)))
    });
    assert!(quiet, "the child found a writer, or could write to the parent's");
    for i in 1500..4000 {
        push_numbered(1, i);
    }
    writer.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert!(reader.documents().is_empty());
    let all = records(&reader);
    assert_eq!(all.len(), 4000);
    for (i, (_, record)) in all.iter().enumerate() {
        assert_eq!(check_numbered(record), (1, i as u64));
    }
}

#[test]
fn a_forked_child_may_record_for_itself() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let own = path.with_extension("child");
    let writer = Writer::create(&path, Options::default()).unwrap();
    push_numbered(1, 0);
    let recorded = in_child(|| {
        let Ok(mine) = Writer::create(&own, Options::default()) else {
            return false;
        };
        for i in 0..2000 {
            push_numbered(2, i);
        }
        mine.finish().is_ok()
    });
    assert!(recorded);
    push_numbered(1, 1);
    writer.finish().unwrap();
    let parent: Vec<_> = records(&Reader::open(&path).unwrap());
    assert_eq!(parent.iter().map(|(_, r)| check_numbered(r)).collect::<Vec<_>>(), [(1, 0), (1, 1)]);
    let child = Reader::open(&own).unwrap();
    assert_ne!(child.header().pid, std::process::id());
    let child = records(&child);
    assert_eq!(child.len(), 2000);
    assert!(child.iter().all(|(_, r)| check_numbered(r).0 == 2));
}
