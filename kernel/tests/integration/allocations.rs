//! No allocation during an operation into existing memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use raptors_kernel::{Backend, Request, scale, scale_in_place};

use crate::common::own_backends;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: forwards to the system's allocator; the counter is a plain thread-local cell.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, data: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(data, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn an_operation_of_our_own_loops_allocates_nothing() {
    let src = vec![1.5f32; 100_000];
    let mut dst = vec![0.0; src.len()];
    let own = own_backends().into_iter();
    let alone: Vec<Backend> =
        own.filter(|backend| !matches!(backend, Backend::Parallel(_) | Backend::Hybrid(_))).collect();
    assert!(alone.contains(&Backend::SIMD) && alone.contains(&Backend::CHUNKED));
    let requests =
        alone.into_iter().map(|backend| Request { backend: Some(backend), threads: None, ..Request::default() });
    for request in requests.chain([Request::default()]) {
        // The first call reads the environment and the cache's size.
        scale(&src, 2.0, &mut dst, &request).unwrap();
        let out = counted(|| _ = scale(&src, 2.0, &mut dst, &request).unwrap());
        assert_eq!(out, 0, "{request:?}");
        let in_place = counted(|| _ = scale_in_place(&mut dst, 1.0, &request).unwrap());
        assert_eq!(in_place, 0, "{request:?} in place");
    }
}
