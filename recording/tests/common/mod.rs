//! What several test files need.
#![allow(dead_code, reason = "each of the two test programs uses its part")]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use raptors_recording::{BackendCall, Event, Reader, Record, ThreadId, push};

/// A process has one writer at a time: tests of one file take turns.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fresh directory for one test, on a real file system, and a path in it.
pub fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("run.rtrace");
    (dir, path)
}

/// One record whose every field follows from `i`, so that half a record shows.
pub fn push_numbered(thread: u64, i: u64) {
    let start = 1_000_000 + i * 10;
    push(numbered(thread, i), (i % 7) as u8, i as u32, start, start + 5);
}

fn numbered(thread: u64, i: u64) -> BackendCall {
    BackendCall { n: i, src: !i, dst: thread, factor_bits: i ^ thread, item_size: 3 * i as u32 }
}

/// Fails unless `record` is just what `push_numbered` wrote; gives (thread, i).
pub fn check_numbered(record: &Record) -> (u64, u64) {
    let Event::Backend(BackendCall { n: i, dst: thread, .. }) = record.event else { panic!("{record:?}") };
    assert_eq!(record.depth, (i % 7) as u8);
    assert_eq!(record.site, i as u32);
    assert_eq!((record.start, record.duration), (1_000_000 + i * 10, 5));
    assert_eq!(record.event, numbered(thread, i).into());
    (thread, i)
}

/// All records of a file.
pub fn records(reader: &Reader) -> Vec<(ThreadId, Record)> {
    let mut all = Vec::new();
    reader.for_each(|thread, record| all.push((thread, *record))).unwrap();
    all
}

/// Runs `test` of this test program in a process of its own, as the child of the calling test: the
/// child finds `path` in its environment.
pub fn spawn_child(test: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env("RECORDING_CHILD", path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The path that a parent gave to its child process; None for whoever runs the ignored tests alone.
pub fn child_path() -> Option<PathBuf> {
    let path = std::env::var_os("RECORDING_CHILD").map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: this is the child half of another test, which starts it itself");
    }
    path
}

/// The descriptor under which this process has the file open.
pub fn descriptor_of(path: &Path) -> i32 {
    use std::{mem::ManuallyDrop, os::fd::FromRawFd, os::unix::fs::MetadataExt};
    let wanted = std::fs::metadata(path).unwrap();
    let is_it = |descriptor: &i32| {
        // SAFETY: only asked what it is, and never closed; a number that nobody has open is an error of that question.
        let file = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(*descriptor) });
        file.metadata().is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    };
    (0..1024).find(is_it).expect("the run file is open")
}

/// Bytes of this process's memory that are resident.
#[cfg(target_os = "linux")]
pub fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
