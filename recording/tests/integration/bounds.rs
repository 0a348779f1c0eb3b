//! Limits and refusals: the file's own, the process's, the disk's.

use std::path::Path;

use raptors_recording::{Error, Options, Reader, Writer};

use crate::common::{child_path, one_at_a_time, place, push_numbered, records, spawn_child};

const MIB: u64 = 1 << 20;

#[test]
fn the_limit_bounds_the_file_and_what_is_beyond_is_counted() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options { limit_bytes: 4 * MIB, ahead_bytes: MIB }).unwrap();
    let mut lost_before = 0;
    for i in 0..200_000 {
        push_numbered(0, i);
        if i % 1000 == 0 {
            assert!(std::fs::metadata(&path).unwrap().len() <= 4 * MIB);
            assert!(writer.lost() >= lost_before);
            lost_before = writer.lost();
        }
    }
    // A starved helper may have been late; now only the limit is left.
    let mut pushed = 200_000;
    while writer.lost_by_reason().limit == 0 {
        push_numbered(0, pushed);
        pushed += 1;
    }
    // Documents come last, and have their own room.
    writer.document("facts", &"x".repeat(300_000)).unwrap();
    let too_long = writer.document("facts", &"x".repeat(3_000_000));
    assert!(too_long.unwrap_err().to_string().contains("higher"));
    writer.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    let kept = records(&reader).len() as u64;
    assert_eq!(kept + reader.header().lost.total(), pushed);
    assert!(std::fs::metadata(&path).unwrap().len() <= 4 * MIB);
}

#[test]
fn options_that_cannot_be_are_refused() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    for limit_bytes in [0, 1000, MIB - 1, 2 << 40, u64::MAX] {
        let refused = Writer::create(&path, Options { limit_bytes, ahead_bytes: MIB });
        assert!(matches!(refused, Err(Error::Options(_))), "{limit_bytes}");
        assert!(!path.exists());
    }
    for ahead_bytes in [0, u64::MAX] {
        let writer = Writer::create_replacing(&path, Options { limit_bytes: MIB, ahead_bytes }).unwrap();
        push_numbered(0, 0);
        writer.finish().unwrap();
        assert_eq!(records(&Reader::open(&path).unwrap()).len(), 1);
    }
}

#[test]
fn a_path_that_is_taken_is_left_alone() {
    let _turn = one_at_a_time();
    let (dir, path) = place();
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(Writer::create(&path, Options::default()), Err(Error::Exists(p)) if p == path));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let open = std::fs::File::open(&path).unwrap();
    Writer::create_replacing(&path, Options::default()).unwrap().finish().unwrap();
    assert!(Reader::open(&path).unwrap().header().complete);
    assert_eq!(std::io::read_to_string(open).unwrap(), "mine", "unlinked, not emptied");

    for other in [dir.path(), Path::new("/dev/full"), Path::new("/dev/null")] {
        assert!(matches!(Writer::create(other, Options::default()), Err(Error::Exists(_))));
        let refused = Writer::create_replacing(other, Options::default());
        assert!(matches!(refused, Err(Error::NotAFile(_))), "{refused:?}");
        assert!(other.exists());
    }
}

#[test]
fn a_place_that_cannot_be_says_why_and_what_to_do() {
    let _turn = one_at_a_time();
    let (dir, _) = place();
    let missing = dir.path().join("no/such/run.rtrace");
    let message = Writer::create(&missing, Options::default()).unwrap_err().to_string();
    assert!(message.contains("no/such/run.rtrace") && message.contains("make its directory"), "{message}");
    // A failure leaves the process free to record elsewhere.
    Writer::create(&dir.path().join("run"), Options::default()).unwrap().finish().unwrap();
}

#[test]
#[ignore = "the child half of the_shells_file_size_limit_is_kept"]
fn record_under_a_file_size_limit() {
    let Some(path) = child_path() else { return };
    let limit = libc::rlimit { rlim_cur: 8 * MIB, rlim_max: 8 * MIB };
    // SAFETY: `limit` is a valid rlimit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
    let writer = Writer::create(&path, Options::default()).unwrap();
    (0..300_000).for_each(|i| push_numbered(0, i));
    writer.finish().unwrap();
}

#[test]
fn the_shells_file_size_limit_is_kept() {
    let (_dir, path) = place();
    let status = spawn_child("bounds::record_under_a_file_size_limit", &path).wait().unwrap();
    assert!(status.success(), "{status}");
    let reader = Reader::open(&path).unwrap();
    assert_eq!(records(&reader).len() as u64 + reader.header().lost.total(), 300_000);
    assert!(reader.header().lost.limit > 0);
}

/// A small file system of its own, for as long as this lives.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let (dir, _) = place();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "raptors-test"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(dir)),
            failed => {
                eprintln!("skipped: needs the right to mount a small tmpfs: {failed:?}");
                None
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_records_and_kills_nobody() {
    let Some(disk) = SmallDisk::new("20m") else {
        return;
    };
    let _turn = one_at_a_time();
    let path = disk.0.path().join("run.rtrace");
    let writer = Writer::create(&path, Options { limit_bytes: 1 << 30, ahead_bytes: 4 * MIB }).unwrap();
    for i in 0..3_000_000 {
        push_numbered(0, i);
    }
    let lost = writer.lost_by_reason();
    assert!(lost.disk_full > 0, "{lost:?}");
    let refused = (0..1000).find_map(|_| writer.document("facts", &"x".repeat(60_000)).err());
    let message = refused.expect("documents have no room either").to_string();
    assert!(message.contains("free disk space"), "{message}");
    writer.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(records(&reader).len() as u64 + reader.header().lost.total(), 3_000_000);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_too_full_to_begin_is_an_error_that_leaves_nothing() {
    let Some(disk) = SmallDisk::new("1m") else {
        return;
    };
    let _turn = one_at_a_time();
    let path = disk.0.path().join("run.rtrace");
    let message = Writer::create(&path, Options::default()).unwrap_err().to_string();
    assert!(message.contains("free disk space"), "{message}");
    assert!(!path.exists());
}
