//! What an observed call costs more than an unobserved one, over ten million records, the file's growth included.
//!
//! ```text
//! cargo bench -p raptors-hooks [-- RECORDS]
//! ```
//! The routine is called through a real slot of a C library that it compiles; it does nothing, so that the
//! difference is the observer's. Times are the calling thread's own processor time, page faults included, as the
//! wall time of a loaded machine tells of the load. `paced` pauses after each batch of calls, as programs that do
//! more than nothing in a call do, so that the file's growth keeps ahead; `back to back` makes 3 GB of records a
//! second, which no disk takes. The bound is 30 ns, paced.

#[cfg(target_os = "linux")]
#[path = "../tests/integration/support/ufunc.rs"]
mod ufunc;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("skipped: the bench builds ELF libraries; run it on Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use super::ufunc::{LoopFn, Ufunc, replace, ufunc};
    use raptors_hooks::{loops, routines};
    use raptors_recording::{Options, Writer};
    use std::ffi::{CString, c_char, c_void};
    use std::hint::black_box;
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    /// Calls between two pauses: four segments of the run file.
    const BATCH: u64 = 4 * 1023;

    const BLAS: &str = "void cblas_sscal(int n, float a, float *x, int inc) { __asm__ volatile(\"\"); }";
    const CALLER: &str = "void cblas_sscal(int, float, float *, int);\n\
        void call(long times, float *x) { for (long i = 0; i < times; i++) cblas_sscal(4096, 2.5f, x, 1); }";

    unsafe extern "C" fn nothing(args: *mut *mut c_char, _: *const isize, _: *const isize, _: *mut c_void) {
        black_box(args);
    }

    pub fn main() {
        let wanted = std::env::args().skip(1).find_map(|a| a.parse().ok());
        let calls: u64 = wanted.unwrap_or(10_000_000);
        let dir = tempfile::tempdir().expect("a directory for the libraries and the run file");
        let call = routine(dir.path());
        let multiply = std::ptr::from_mut(ufunc("multiply", 2, &[&[11, 11, 11]], &[nothing as LoopFn]));
        let api = loops::UfuncApi { replace };
        let run_loops = |n| loop_calls(multiply, n);
        let plain = [per_call(calls, false, run_loops), per_call(calls, false, &call)];

        for (pace, paced) in [("paced", true), ("back to back", false)] {
            let writer = start(dir.path(), "loops", calls);
            // SAFETY: a ufunc that lives forever, and the function that replaces its loops.
            unsafe { loops::arm(api, &[multiply.cast()]) }.expect("a sound ufunc");
            let hooked = per_call(calls, paced, run_loops);
            // SAFETY: as above.
            let _ = unsafe { loops::disarm() };
            finish(writer, &format!("loop, {pace}"), plain[0], hooked);

            let writer = start(dir.path(), "routines", calls);
            let report = routines::arm().expect("Linux has slots");
            let hooked = per_call(calls, paced, &call);
            let again = routines::rescan().expect("Linux has slots");
            let _ = routines::disarm();
            finish(writer, &format!("routine, {pace}"), plain[1], hooked);
            println!(
                "scan: {} slots in {:.2} ms; rescan with nothing new: {:.1} us",
                report.armed,
                report.elapsed_ns as f64 / 1e6,
                again.elapsed_ns as f64 / 1e3
            );
        }
    }

    /// Nanoseconds of the thread's processor time per call.
    fn per_call(calls: u64, paced: bool, run: impl Fn(u64)) -> f64 {
        let mut spent = Duration::ZERO;
        for _ in 0..calls / BATCH {
            let begun = thread_time();
            run(BATCH);
            spent += thread_time() - begun;
            if paced {
                std::thread::sleep(Duration::from_micros(500));
            }
        }
        spent.as_nanos() as f64 / (calls / BATCH * BATCH) as f64
    }

    fn thread_time() -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call stores into the structure handed in.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn loop_calls(ufunc: *mut Ufunc, calls: u64) {
        let mut data = [1.0_f32; 64];
        let base = data.as_mut_ptr().cast::<c_char>();
        let mut args = [base, base.wrapping_add(64), base.wrapping_add(128)];
        let (dimensions, steps) = ([16_isize], [4_isize, 0, 4]);
        for _ in 0..calls {
            // SAFETY: the ufunc lives forever; its loop takes three operands and touches none.
            unsafe {
                let function = (*black_box(ufunc)).functions.read_volatile();
                function(args.as_mut_ptr(), dimensions.as_ptr(), steps.as_ptr(), std::ptr::null_mut());
            }
        }
    }

    fn start(dir: &Path, name: &str, records: u64) -> &'static Writer {
        let options = Options { limit_bytes: 64 * records * 11 / 10 + (64 << 20), ..Options::default() };
        let path = dir.join(format!("{name}.rtrace"));
        let writer = Writer::create(&path, options).expect("a fresh directory");
        raptors_hooks::record_into(writer).expect("a fresh file");
        writer
    }

    fn finish(writer: &'static Writer, what: &str, plain: f64, hooked: f64) {
        let lost = writer.lost();
        writer.finish().expect("a disk with room");
        let more = hooked - plain;
        println!("{what}: unhooked {plain:.2} ns, hooked {hooked:.2} ns: {more:.1} ns a call, {lost} lost");
        std::fs::remove_file(writer.path()).expect("just written");
    }

    /// Builds both libraries; how to call the routine so many times.
    fn routine(dir: &Path) -> impl Fn(u64) {
        compile(dir, "tinyblas", BLAS, &[]);
        let link = [format!("-L{}", dir.display()), "-ltinyblas".into(), format!("-Wl,-rpath,{}", dir.display())];
        compile(dir, "tinycaller", CALLER, &link);
        let path = CString::new(dir.join("libtinycaller.so").to_str().expect("UTF-8")).expect("no NUL");
        // SAFETY: a string; the library has no code that runs when loaded.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY) };
        assert!(!handle.is_null(), "{path:?} does not load");
        // SAFETY: an open handle and a string.
        let symbol = unsafe { libc::dlsym(handle, c"call".as_ptr()) };
        // SAFETY: the function's type in CALLER.
        let call: extern "C" fn(i64, *mut f32) = unsafe { std::mem::transmute(symbol) };
        let data = vec![1.0_f32; 4096].leak().as_mut_ptr() as usize;
        move |times| call(times as i64, data as *mut f32)
    }

    fn compile(dir: &Path, name: &str, text: &str, link: &[String]) {
        let source = dir.join(format!("{name}.c"));
        std::fs::write(&source, text).expect("a fresh directory");
        let mut gcc = Command::new("gcc");
        gcc.args(["-O2", "-shared", "-fPIC", "-o"]).arg(dir.join(format!("lib{name}.so")));
        let status = gcc.arg(source).args(link).status().expect("gcc is there");
        assert!(status.success(), "gcc: {status}");
    }
}
