//! Calls that are left by an exception: the next call of the thread is an outermost one again.

use raptors_hooks::loops;
use std::ffi::{c_char, c_void};

use crate::support::ufunc::{self, LoopFn};
use crate::support::{Recording, alone};

/// Compiles `throws.cpp` into `libNAME.so`.
#[cfg(target_os = "linux")]
fn compiled(dir: &std::path::Path, name: &str, flags: &[&str]) -> Option<std::path::PathBuf> {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/throws.cpp");
    let out = dir.join(format!("lib{name}.so"));
    let mut compiler = std::process::Command::new("g++");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&out).arg(fixture).args(flags);
    match compiler.status() {
        Ok(status) => assert!(status.success(), "g++: {status}"),
        Err(error) => {
            crate::support::skip(&format!("g++ cannot be run: {error}"));
            return None;
        }
    }
    Some(out)
}

#[test]
#[cfg(target_os = "linux")]
fn exceptions_through_a_routine_leave_no_depth_behind() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let Some(routine) = compiled(dir.path(), "routine", &["-DROUTINE"]) else { return };
    let (path, rpath) = crate::support::linked(&routine);
    let caller = compiled(dir.path(), "catches", &[&path, &rpath]).unwrap();
    let caller = crate::support::Library::open(&caller, libc::RTLD_LAZY | libc::RTLD_LOCAL);
    // SAFETY: the function's type in throws.cpp.
    let call: extern "C" fn(i32) -> f32 = unsafe { std::mem::transmute(caller.symbol("call")) };
    let recording = Recording::start();
    raptors_hooks::routines::arm().unwrap();
    let results = [4, -1, -2, 5].map(|n| call(n));
    let _ = raptors_hooks::routines::disarm();
    assert_eq!(results, [4.0, -1.0, -2.0, 5.0]);
    let recorded = recording.finish();
    let depths: Vec<u8> = recorded.records.iter().map(|r| r.depth).collect();
    assert_eq!(depths, [0, 0], "the two calls that returned");
}

/// A loop that does not return, as one in C++ may.
unsafe extern "C-unwind" fn throwing(_: *mut *mut c_char, n: *const isize, _: *const isize, _: *mut c_void) {
    // SAFETY: the test hands in a length.
    if unsafe { *n } < 0 {
        std::panic::resume_unwind(Box::new(()));
    }
}

#[test]
fn exceptions_through_a_loop_leave_no_depth_behind() {
    type Throwing = unsafe extern "C-unwind" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void);
    let _alone = alone();
    // SAFETY: the same function but for what it may do instead of returning; it is called by its own type below.
    let function = unsafe { std::mem::transmute::<Throwing, LoopFn>(throwing) };
    let ufunc = std::ptr::from_mut(ufunc::ufunc("throwing", 1, &[&[11, 11]], &[function]));
    let recording = Recording::start();
    // SAFETY: a ufunc that lives forever; there is no GIL.
    unsafe { loops::arm(loops::UfuncApi { replace: ufunc::replace }, &[ufunc.cast()]) }.unwrap();
    let call = |n: isize| {
        let (mut value, steps) = (0.0_f32, [4, 4]);
        let mut args = [(&raw mut value).cast::<c_char>(); 2];
        // SAFETY: a loop of two operands that touches neither.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe {
            let function: Throwing = std::mem::transmute(*(*ufunc).functions);
            function(args.as_mut_ptr(), &n, steps.as_ptr(), std::ptr::null_mut());
        }))
    };
    let left = [1, -1, -1, 1].map(|n| call(n).is_err());
    // SAFETY: as above.
    let _ = unsafe { loops::disarm() };
    assert_eq!(left, [false, true, true, false]);
    let depths: Vec<u8> = recording.finish().records.iter().map(|r| r.depth).collect();
    assert_eq!(depths, [0, 0]);
}
