//! A memory handler of NumPy's layout over malloc; NumPy's own is tested from Python.

use raptors_hooks::{memory, touch};
use raptors_recording::{Alloc, Event, Free};
use std::ffi::c_void;

use crate::support::{Recording, alone};

#[repr(C)]
struct Handler {
    name: [u8; 127],
    version: u8,
    context: *mut c_void,
    malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
}

const CONTEXT: *mut c_void = 0x77 as *mut c_void;

unsafe extern "C" fn own_malloc(context: *mut c_void, bytes: usize) -> *mut c_void {
    assert_eq!(context, CONTEXT);
    // SAFETY: malloc takes any size.
    unsafe { libc::malloc(bytes) }
}

unsafe extern "C" fn own_calloc(_: *mut c_void, items: usize, size: usize) -> *mut c_void {
    // SAFETY: calloc takes any size.
    unsafe { libc::calloc(items, size) }
}

unsafe extern "C" fn own_realloc(_: *mut c_void, old: *mut c_void, bytes: usize) -> *mut c_void {
    // SAFETY: the tests hand in what this allocator gave.
    unsafe { libc::realloc(old, bytes) }
}

unsafe extern "C" fn own_free(_: *mut c_void, data: *mut c_void, _: usize) {
    // SAFETY: the tests hand in what this allocator gave.
    unsafe { libc::free(data) }
}

fn handler(name: &str, version: u8) -> *mut Handler {
    let mut field = [0; 127];
    field[..name.len()].copy_from_slice(name.as_bytes());
    Box::into_raw(Box::new(Handler {
        name: field,
        version,
        context: CONTEXT,
        malloc: own_malloc,
        calloc: own_calloc,
        realloc: own_realloc,
        free: own_free,
    }))
}

fn arm(handler: *mut Handler) -> Result<raptors_hooks::Report, raptors_hooks::Error> {
    // SAFETY: a handler that lives forever; there is no GIL.
    unsafe { memory::arm(handler.cast()) }
}

/// Allocates as NumPy does.
fn malloc(handler: *mut Handler, bytes: usize) -> *mut c_void {
    // SAFETY: a handler of the tests.
    unsafe { ((*handler).malloc)((*handler).context, bytes) }
}

fn free(handler: *mut Handler, data: *mut c_void, bytes: usize) {
    // SAFETY: a handler of the tests, and what it gave.
    unsafe { ((*handler).free)((*handler).context, data, bytes) }
}

#[test]
fn allocations_and_releases_are_recorded() {
    let _alone = alone();
    let handler = handler("default_allocator", 1);
    let recording = Recording::start();
    assert_eq!(arm(handler).unwrap().armed, 4);
    assert_eq!(arm(handler).unwrap().armed, 4, "armed twice is armed once");
    let data = malloc(handler, 100);
    // SAFETY: a handler of the tests, and what it gave.
    let (zeros, larger) = unsafe {
        let zeros = ((*handler).calloc)(CONTEXT, 10, 8);
        (zeros, ((*handler).realloc)(CONTEXT, data, 1 << 20))
    };
    free(handler, larger, 1 << 20);
    free(handler, zeros, 80);
    let report = memory::disarm();
    assert_eq!((report.restored, report.not_armed.len()), (4, 0));
    free(handler, malloc(handler, 5), 5);
    let seen: Vec<_> = recording.finish().records.iter().map(|r| r.event).collect();
    let alloc = |bytes, data: *mut c_void| Event::from(Alloc { bytes, data: data as u64, recycled: false });
    let free = |bytes, data: *mut c_void| Event::from(Free { bytes, data: data as u64 });
    let mut expected = vec![
        alloc(100, data),
        alloc(80, zeros),
        alloc(1 << 20, larger),
        free(0, data),
        free(1 << 20, larger),
        free(80, zeros),
    ];
    if larger == data {
        expected.remove(3);
    }
    assert_eq!(seen, expected);
}

#[test]
fn a_handler_of_somebody_else_is_refused() {
    let _alone = alone();
    let refuse = |h| arm(h).unwrap_err().to_string();
    assert!(refuse(handler("my_allocator", 1)).contains("my_allocator"));
    assert!(refuse(handler("default_allocator_of_mine", 1)).contains("default_allocator_of_mine"));
    assert!(refuse(handler("default_allocator", 2)).contains("version is 2"));
    assert!(refuse(std::ptr::null_mut()).contains("address"));
    assert_eq!(memory::disarm().restored, 0);
}

#[test]
fn a_handler_in_read_only_memory_is_refused() {
    let _alone = alone();
    let original = handler("default_allocator", 1);
    // SAFETY: a fresh page, filled and closed before anybody else knows it.
    let page = unsafe {
        let anywhere = std::ptr::null_mut();
        let how = libc::MAP_PRIVATE | libc::MAP_ANON;
        let page = libc::mmap(anywhere, 16384, libc::PROT_READ | libc::PROT_WRITE, how, -1, 0);
        original.copy_to(page.cast(), 1);
        assert_eq!(libc::mprotect(page, 16384, libc::PROT_READ), 0);
        page.cast()
    };
    assert!(arm(page).unwrap_err().to_string().contains("cannot be written"));
}

#[test]
fn a_function_that_somebody_else_changed_is_left_alone() {
    let _alone = alone();
    let handler = handler("default_allocator", 1);
    arm(handler).unwrap();
    // SAFETY: nobody else uses this handler.
    let ours = unsafe { std::mem::replace(&mut (*handler).calloc, own_calloc) };
    let report = memory::disarm();
    assert_eq!((report.restored, report.not_armed[0].what.as_str()), (3, "calloc"));
    // SAFETY: as above; ours still forwards.
    let data = unsafe { ours(CONTEXT, 3, 5) };
    assert!(!data.is_null());
    free(handler, data, 15);
}

#[test]
fn a_function_that_could_not_be_restored_is_not_observed_again() {
    type Calloc = unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void;
    static INNER: std::sync::OnceLock<Calloc> = std::sync::OnceLock::new();
    /// Another tool's wrapper.
    unsafe extern "C" fn wrapping(context: *mut c_void, items: usize, size: usize) -> *mut c_void {
        // SAFETY: the caller's own arguments; the test stores the function first.
        unsafe { INNER.get().unwrap()(context, items, size) }
    }
    let _alone = alone();
    let (handler, second) = (handler("default_allocator", 1), handler("default_allocator", 1));
    arm(handler).unwrap();
    // SAFETY: nobody else uses this handler.
    let ours = unsafe {
        INNER.get_or_init(|| (*handler).calloc);
        std::mem::replace(&mut (*handler).calloc, wrapping)
    };
    let zeros = || {
        // SAFETY: a handler of the tests, and what it gave.
        let data = unsafe { ((*handler).calloc)(CONTEXT, 3, 5) };
        assert!(!data.is_null());
        free(handler, data, 15);
    };
    for round in 0..3 {
        // The first time, the observers are still on.
        let report = arm(handler).unwrap();
        assert_eq!((report.armed, report.not_armed[0].what.as_str()), (3, "calloc"), "round {round}: {report:?}");
        zeros();
        assert_eq!(memory::disarm().restored, 3, "round {round}");
        zeros();
    }
    let report = arm(second).unwrap();
    assert_eq!(report.armed, 0, "calloc of the first handler still leads to ours: {report:?}");
    // Once the other tool has gone, all is as before.
    // SAFETY: as above.
    unsafe { (*handler).calloc = ours };
    assert_eq!(arm(handler).unwrap().armed, 4);
    assert_eq!(memory::disarm().restored, 4);
    assert_eq!(arm(second).unwrap().armed, 4);
    assert_eq!(memory::disarm().restored, 4);
}

#[test]
fn fresh_memory_is_touched_when_asked_for() {
    let _alone = alone();
    let handler = handler("default_allocator", 1);
    let recording = Recording::start();
    arm(handler).unwrap();
    touch::set(true);
    let bytes = 96 << 20;
    let large = malloc(handler, bytes);
    let small = malloc(handler, touch::SMALLEST as usize - 1);
    touch::set(false);
    let untouched = malloc(handler, bytes);
    for (data, bytes) in [(large, bytes), (small, 65535), (untouched, bytes)] {
        free(handler, data, bytes);
    }
    let _ = memory::disarm();
    let recorded = recording.finish();
    let touches = recorded.records.iter().filter_map(|r| match r.event {
        Event::Touch(touch) => Some((touch, r.duration)),
        _ => None,
    });
    let [(touch, duration)] = touches.collect::<Vec<_>>()[..] else { panic!("one allocation was to be touched") };
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    let whole = bytes as u64 / page;
    assert!((whole..=whole + 1).contains(&touch.pages), "{touch:?}");
    assert!(touch.faults > 0 && touch.faults <= touch.pages + 8, "fresh memory of so many pages: {touch:?}");
    assert!(duration > 0);
}
