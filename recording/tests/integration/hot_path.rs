//! What `push` promises: no allocation, no system call, and no lock that either would show.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use raptors_recording::{Options, Writer};

use crate::common::{one_at_a_time, place, push_numbered};

/// Counts the allocations of threads that ask for it.
struct Counting;

thread_local! {
    static COUNT: Cell<Option<u64>> = const { Cell::new(None) };
}

// SAFETY: forwards to the system's allocator; the counter is a const thread-local without Drop.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get().map(|n| n + 1)));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        COUNT.with(|count| count.set(count.get().map(|n| n + 1)));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(f: impl FnOnce()) -> u64 {
    COUNT.set(Some(0));
    f();
    COUNT.take().unwrap()
}

#[test]
fn pushing_allocates_nothing_even_when_segments_change_and_records_are_lost() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    assert_eq!(counted(|| drop(vec![1_u8; 100])), 2, "the counter counts");
    let writer = Writer::create(&path, Options { limit_bytes: 8 << 20, ahead_bytes: 1 << 20 }).unwrap();
    assert_eq!(counted(|| (0..200_000).for_each(|i| push_numbered(0, i))), 0);
    assert!(writer.lost() > 0, "the limit was meant to be met");
    writer.finish().unwrap();
    assert_eq!(counted(|| push_numbered(0, 0)), 0);
}

#[cfg(target_os = "linux")]
mod without_system_calls {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::common::{child_path, records, spawn_child};
    use raptors_recording::Reader;

    #[test]
    #[ignore = "the child half of a_thread_that_may_make_no_system_call_can_push"]
    fn push_in_a_cage() {
        static DONE: AtomicBool = AtomicBool::new(false);
        let Some(path) = child_path() else { return };
        let writer = Writer::create(&path, Options::default()).unwrap();
        thread::spawn(|| {
            push_numbered(0, 0);
            // From here on any system call but read, write and exit kills this thread.
            // SAFETY: changes nothing but what this thread may ask the kernel for.
            assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, 1, 0, 0, 0) }, 0);
            (1..500_000).for_each(|i| push_numbered(0, i));
            DONE.store(true, Ordering::Release);
            // To end a thread takes system calls.
            loop {
                std::hint::spin_loop();
            }
        });
        let begun = Instant::now();
        while !DONE.load(Ordering::Acquire) {
            assert!(begun.elapsed() < Duration::from_secs(30), "the caged thread was killed");
            thread::sleep(Duration::from_millis(5));
        }
        writer.finish().unwrap();
        std::process::exit(0);
    }

    #[test]
    fn a_thread_that_may_make_no_system_call_can_push() {
        let (_dir, path) = place();
        let status = spawn_child("hot_path::without_system_calls::push_in_a_cage", &path).wait().unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(records(&Reader::open(&path).unwrap()).len(), 500_000);
    }
}
