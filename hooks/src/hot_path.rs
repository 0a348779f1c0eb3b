//! Tests the promise about the path of every observed call: no allocation, no lock.

use crate::record::ticks;
use crate::{kernel, loops, memory, routines, sites, touch};
use raptors_recording::{Options, Reader, Writer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::mpsc;
use std::time::Duration;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's; counting touches a cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's own layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, data: *mut u8, layout: Layout) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's own block and layout.
        unsafe { System.dealloc(data, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As in the catalogue's cblas_sscal.
type Scal = unsafe extern "C" fn(isize, f32, *const c_void, isize);

unsafe extern "C" fn scal(_: isize, _: f32, _: *const c_void, _: isize) {}

unsafe extern "C" fn inner_loop(_: *mut *mut c_char, _: *const isize, _: *const isize, _: *mut c_void) {}

unsafe extern "C" fn replace(ufunc: *mut c_void, new: *mut c_void, _: *const c_int, old: *mut *mut c_void) -> c_int {
    // SAFETY: the test's ufunc has one loop, whose place is the fifth word.
    unsafe { *old = ufunc.cast::<*mut *mut c_void>().add(4).read().replace(new) };
    0
}

/// What is called on the observed thread.
#[derive(Clone, Copy)]
struct Calls {
    routine: Scal,
    table: *mut *mut c_void,
}

// SAFETY: the table belongs to a ufunc that lives forever.
unsafe impl Send for Calls {}

impl Calls {
    /// Arms all observers, on objects made for this test.
    fn armed() -> Self {
        let table = Box::leak(Box::new(inner_loop as *const () as *mut c_void));
        let name = c"multiply".as_ptr() as usize;
        let types = [11_u8, 11, 11].to_vec().leak().as_ptr() as usize;
        let nin_nout = 2_usize | 1 << 32;
        let pointer = std::ptr::from_mut(table) as usize;
        let words = vec![1, 0, nin_nout, 3, pointer, 0, 1, name, types];
        let ufunc = [words, vec![0; 16]].concat().leak().as_mut_ptr();
        let api = loops::UfuncApi { replace };
        // SAFETY: laid out as a ufunc with one loop of two inputs, and lives forever.
        unsafe { loops::arm(api, &[ufunc.cast()]) }.unwrap();
        routines::arm().unwrap();
        kernel::arm();
        let routine = routines::test_wrapper("cblas_sscal", scal as *const () as usize);
        // SAFETY: the wrapper has the signature of its original; on every machine but Apple's arm64, where cblas_sscal
        // without a suffix has 32-bit integers, it takes words.
        let routine = unsafe { std::mem::transmute::<usize, Scal>(routine) };
        Calls { routine, table }
    }

    /// Each observed thing, `times` times.
    fn run(self, times: usize) {
        let mut data = [0.0_f32; 16];
        let p = data.as_mut_ptr();
        let mut args = [p.cast::<c_char>(); 3];
        for _ in 0..times {
            // SAFETY: the loop and the routine touch nothing.
            unsafe {
                let function: unsafe extern "C" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void) =
                    std::mem::transmute(*self.table);
                function(args.as_mut_ptr(), &4, [4; 3].as_ptr(), std::ptr::null_mut());
                (self.routine)(4, 2.5, p.cast(), 1);
            }
            memory::test_round_trip();
            raptors_probes::scale_entry(4, 4, 0, 0);
            raptors_probes::dispatch(c"hot", c"path", 1, 4);
            raptors_probes::backend_entry(c"hot", 4, 0, 0, 0, 4);
            raptors_probes::backend_return(c"hot", 4);
            raptors_probes::scale_return(4, 1);
        }
    }
}

/// Loop, routine, malloc, free, dispatch, backend, scale.
const RECORDS_PER_ROUND: usize = 7;

#[test]
fn observed_calls_neither_allocate_nor_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.rtrace");
    let writer = Writer::create(&path, Options::default()).unwrap();
    sites::record_into(writer).unwrap();
    memory::test_handler();
    touch::set(false);
    let calls = Calls::armed();
    // The first names are registered, which may allocate.
    calls.run(1);
    let (sender, receiver) = mpsc::channel();
    let worker = {
        // Every lock of this crate is held while the calls are made.
        let _held = (sites::test_lock(), loops::test_lock(), routines::test_lock(), memory::test_lock());
        let worker = std::thread::spawn(move || {
            let calls = calls;
            let before = ALLOCATIONS.get();
            calls.run(20_000);
            sender.send(ALLOCATIONS.get() - before).unwrap();
        });
        let allocations = receiver.recv_timeout(Duration::from_secs(60));
        assert_eq!(allocations, Ok(0), "an allocation; or, on a timeout, a lock was waited for");
        worker
    };
    worker.join().unwrap();
    kernel::disarm();
    let _ = routines::disarm();
    // SAFETY: the ufunc lives forever; there is no GIL.
    let _ = unsafe { loops::disarm() };
    let lost = writer.lost();
    writer.finish().unwrap();
    let mut seen = 0;
    Reader::open(&path).unwrap().for_each(|_, r| seen += usize::from(r.start < ticks())).unwrap();
    assert_eq!(seen + lost as usize, 20_001 * RECORDS_PER_ROUND);
}
