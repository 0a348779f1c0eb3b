//! The sampler sees code that uses CPU time and its tag, and reports an error if there is no sample.
#![cfg(feature = "capture")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use raptors_flamegraphs::capture::python::{Call, Interpreter};
use raptors_flamegraphs::capture::{Capture, Sampler};
use raptors_flamegraphs::names::Names;
use raptors_flamegraphs::{Error, Frame, Profile, Tag};

/// Long enough for dozens of samples, on a busy machine too: the timer counts CPU time.
const BURN: Duration = Duration::from_millis(400);

/// A process has one sampler, and the tests of this file may share a process.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The system's allocator with a counter for each thread. The signal comes to the thread that uses the CPU time; what
/// the test harness allocates on its own thread is not counted.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator as it came; the counter is a const thread-local without
// Drop.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[inline(never)]
fn burn(time: Duration) {
    let start = Instant::now();
    let mut sum = 0_u64;
    while start.elapsed() < time {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(7));
    }
}

/// Uses so much CPU time of this thread, however busy the machine is.
fn burn_cpu(time: Duration) {
    let now = || {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes to `now` only.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) }, 0);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    };
    let end = now() + time;
    while now() < end {
        burn(Duration::from_millis(1));
    }
}

#[inline(never)]
fn burn_for_a(time: Duration) {
    burn(time);
    black_box(());
}

#[inline(never)]
fn burn_for_b(time: Duration) {
    burn(time);
    black_box(());
}

fn named(capture: &Capture) -> Profile {
    Names::default().name(&capture.profile)
}

#[test]
fn each_side_has_the_samples_of_its_blocks_and_no_others() {
    let _alone = alone();
    let mut sampler = Sampler::start(1000).unwrap();
    for _ in 0..4 {
        sampler.switch(Some(Tag::A)).unwrap();
        burn_for_a(BURN / 4);
        sampler.switch(None).unwrap();
        burn(BURN / 8);
        sampler.switch(Some(Tag::B)).unwrap();
        burn_for_b(BURN / 4);
    }
    let capture = sampler.finish().unwrap();
    let profile = named(&capture);
    for (tag, own) in [(Tag::A, "burn_for_a"), (Tag::B, "burn_for_b")] {
        let folded = profile.folded(tag).unwrap();
        let sampled = capture.sampled[&tag];
        assert_eq!(folded.total(), sampled.samples);
        assert!(sampled.samples > 3, "{sampled:?}");
        let inside: u64 = folded.stacks().filter(|(stack, _)| stack.contains(own)).map(|(_, count)| count).sum();
        // A sample at the border may still be in `switch`.
        assert!(inside + 2 >= folded.total(), "{own} is not in\n{folded}");
        assert!(!folded.to_string().contains("on_signal"), "{folded}");
        let (wall, cpu) = (sampled.wall.as_secs_f64(), sampled.cpu.as_secs_f64());
        assert!(wall >= BURN.as_secs_f64() && cpu > 0.0, "{sampled:?}");
        assert!((sampled.rate() * cpu - sampled.samples as f64).abs() < 1e-6);
    }
}

#[test]
fn frames_are_named_from_this_programs_own_symbols_with_what_is_inlined() {
    let _alone = alone();
    let mut sampler = Sampler::start(1000).unwrap();
    sampler.switch(Some(Tag::A)).unwrap();
    burn_for_a(BURN);
    let profile = named(&sampler.finish().unwrap());
    let folded = profile.folded(Tag::A).unwrap().to_string();
    assert!(folded.contains("capture::burn_for_a;capture::burn"), "{folded}");
    let burn = profile.frames().iter().find(|frame| &*frame.name == "capture::burn");
    let file = burn.unwrap().file.as_deref().unwrap();
    assert!(file.ends_with("tests/capture.rs"), "{file}");
}

#[test]
fn the_signal_path_allocates_nothing() {
    let _alone = alone();
    let mut sampler = Sampler::start(1000).unwrap();
    sampler.switch(Some(Tag::A)).unwrap();
    let before = ALLOCATIONS.get();
    burn_cpu(BURN);
    let allocations = ALLOCATIONS.get() - before;
    let sampled = sampler.finish().unwrap().sampled[&Tag::A];
    assert!(sampled.samples > 10, "{sampled:?}");
    assert_eq!(allocations, 0, "{sampled:?}");
}

/// A thread state of a replacement for CPython 3.11: `OUTER` calls `INNER`, which runs native code.
/// tests/python/test_python_frames.py samples the real one.
unsafe extern "C" fn hand_made_thread() -> *mut std::ffi::c_void {
    HAND_MADE.load(Ordering::Relaxed) as *mut std::ffi::c_void
}

static HAND_MADE: AtomicU64 = AtomicU64::new(0);

/// Code objects of 16 instructions, a frame in the middle of each, and the structures that lead to the innermost.
fn hand_made_calls() -> [Call; 2] {
    let words = |words: &[usize]| Box::leak(words.to_vec().into_boxed_slice()).as_ptr() as usize;
    let code = || words(&[1, 0, 16]);
    let frame = |code: usize, previous: usize, is_entry: usize| {
        let instruction = code + 184 + 6;
        words(&[0, 0, 0, 0, code, 0, previous, instruction, is_entry << 32])
    };
    let (outer, inner) = (code(), code());
    let current = frame(inner, frame(outer, 0, 1), 0);
    let cframe = words(&[0, current]);
    HAND_MADE.store(words(&[0, 0, 0, 0, 0, 0, 0, cframe]) as u64, Ordering::Relaxed);
    let call = |code, is_entry| Call { code, instruction: 6, is_entry };
    [call(inner, false), call(outer, true)]
}

#[test]
#[cfg(target_os = "linux")]
fn python_functions_come_with_their_sample_and_cost_no_allocation() {
    let _alone = alone();
    let [inner, outer] = hand_made_calls();
    // SAFETY: the replacement takes no lock, and its result leads through memory with the layout of CPython's.
    let interpreter = unsafe { Interpreter::new((3, 11), hand_made_thread) }.unwrap();
    assert_eq!(interpreter.calls(), [inner, outer]);
    let mut sampler = Sampler::start(1000).unwrap();
    sampler.watch_python(interpreter);
    sampler.switch(Some(Tag::A)).unwrap();
    let before = ALLOCATIONS.get();
    burn_cpu(BURN);
    let allocations = ALLOCATIONS.get() - before;
    sampler.switch(None).unwrap();
    sampler.name_python(|call| {
        let name = if call.code == inner.code { "inner" } else { "outer" };
        Frame::python(name, "hand_made.py", 3)
    });
    let capture = sampler.finish().unwrap();
    let samples = capture.sampled[&Tag::A].samples;
    assert!(samples > 10, "{samples}");
    assert_eq!(allocations, 0);
    let folded = named(&capture).folded(Tag::A).unwrap();
    let with_both = folded.stacks().filter(|(stack, _)| stack.starts_with("outer;inner;"));
    let with_both: u64 = with_both.map(|(_, count)| count).sum();
    // A sample at the border may be taken before the interpreter is watched.
    assert!(with_both + 1 >= samples, "{folded}");
}

#[test]
fn threads_come_and_go_and_children_are_forked_meanwhile() {
    let _alone = alone();
    let mut sampler = Sampler::start(1000).unwrap();
    sampler.switch(Some(Tag::A)).unwrap();
    let start = Instant::now();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let burner = std::thread::Builder::new().name("burner".into());
                burner.spawn(|| burn(Duration::from_millis(10))).unwrap().join().unwrap();
            }
        });
        while start.elapsed() < BURN {
            // SAFETY: the child uses its stack only and exits without running destructors.
            let child = unsafe { libc::fork() };
            if child == 0 {
                burn(Duration::from_millis(5));
                // SAFETY: ends the child.
                unsafe { libc::_exit(7) };
            }
            let mut status = 0;
            // SAFETY: `status` is a local int.
            let waited = unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!(waited, child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "{status:#x}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let capture = sampler.finish().unwrap();
    let threads = |name: &str| {
        let samples = capture.profile.samples().iter();
        samples.filter(|sample| capture.profile.thread(sample.thread).starts_with(name)).count()
    };
    assert!(threads("burner") > 0, "no sample of the threads that came and went");
}

/// The action of SIGPROF in this process.
fn sigprof() -> usize {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a query only; `action` is large enough, and all-zero bytes are a valid one.
    unsafe {
        libc::sigaction(libc::SIGPROF, std::ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction
    }
}

#[test]
fn a_second_sampler_is_refused_and_the_signal_is_given_back() {
    let _alone = alone();
    let before = sigprof();
    let sampler = Sampler::start(100).unwrap();
    assert_ne!(sigprof(), before);
    assert!(matches!(Sampler::start(100), Err(Error::Busy)));
    drop(sampler);
    assert_eq!(sigprof(), before);
    let mut again = Sampler::start(100).unwrap();
    assert!(matches!(again.switch(Some(Tag(8))), Err(Error::Tag(Tag(8)))));
    assert!(matches!(again.finish(), Err(Error::NoSamples)));
}

/// The signals that came to [`their_handler`].
static THEIRS: AtomicU64 = AtomicU64::new(0);

extern "C" fn their_handler(_: libc::c_int) {
    THEIRS.fetch_add(1, Ordering::Relaxed);
}

fn their_address() -> usize {
    their_handler as extern "C" fn(libc::c_int) as usize
}

/// Sets the handler, as a profiler of the sampled program does.
fn set_sigprof(handler: usize) {
    // SAFETY: all-zero bytes are a valid sigaction; the handler is the default action or a function that is never
    // unloaded and only adds to an atomic.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        assert_eq!(libc::sigaction(libc::SIGPROF, &action, std::ptr::null_mut()), 0);
    }
}

/// Sets the timer of SIGPROF to so many microseconds and returns what it was.
fn set_timer(microseconds: libc::suseconds_t) -> libc::suseconds_t {
    let every = libc::timeval { tv_sec: 0, tv_usec: microseconds };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    let mut before = timer;
    // SAFETY: both are itimervals of this function.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, &mut before) }, 0);
    before.it_interval.tv_usec
}

#[test]
fn a_handler_that_the_program_sets_meanwhile_stays_and_what_it_took_is_counted() {
    let _alone = alone();
    let mut sampler = Sampler::start(1000).unwrap();
    sampler.switch(Some(Tag::A)).unwrap();
    burn_cpu(BURN / 2);
    sampler.switch(Some(Tag::B)).unwrap();
    burn_cpu(BURN / 4);
    set_sigprof(their_address());
    burn_cpu(BURN / 2);
    sampler.switch(None).unwrap();
    // It has not asked for the signals of our timer.
    let theirs = THEIRS.load(Ordering::Relaxed);
    burn_cpu(BURN / 4);
    sampler.switch(Some(Tag::B)).unwrap();
    burn_cpu(BURN / 2);
    let capture = sampler.finish().unwrap();
    assert_eq!(THEIRS.load(Ordering::Relaxed), theirs);
    assert_eq!(sigprof(), their_address());
    set_sigprof(libc::SIG_DFL);
    let [a, b] = [Tag::A, Tag::B].map(|tag| capture.sampled[&tag]);
    assert_eq!(a.missed, 0, "{a:?}");
    // How many is arithmetic that has its own tests; on a busy machine the rate of the signals changes from block to
    // block.
    assert!(b.samples > 0 && b.missed > 0, "{b:?}");
    assert!((b.missed as f64) < 1000.0 * b.cpu.as_secs_f64(), "{b:?}");
}

#[test]
fn a_timer_that_the_program_sets_stays_and_one_that_it_stopped_is_set_again() {
    let _alone = alone();
    let mut sampler = Sampler::start(1000).unwrap();
    sampler.switch(Some(Tag::A)).unwrap();
    burn_cpu(BURN / 4);
    set_timer(0);
    burn_cpu(BURN / 2);
    sampler.switch(Some(Tag::B)).unwrap();
    burn_cpu(BURN / 2);
    sampler.switch(None).unwrap();
    set_sigprof(their_address());
    set_timer(50_000);
    let capture = sampler.finish().unwrap();
    assert_eq!((sigprof(), set_timer(0)), (their_address(), 50_000));
    set_sigprof(libc::SIG_DFL);
    let [a, b] = [Tag::A, Tag::B].map(|tag| capture.sampled[&tag]);
    assert!(a.missed > 0, "{a:?}");
    assert!(b.samples > 0 && b.missed == 0, "{b:?}");
}

#[test]
fn a_profiler_that_puts_our_handler_back_afterwards_is_in_nobodys_way() {
    let _alone = alone();
    let mut sampler = Sampler::start(1000).unwrap();
    let ours = sigprof();
    set_sigprof(their_address());
    sampler.switch(Some(Tag::A)).unwrap();
    burn_cpu(BURN / 4);
    assert!(matches!(sampler.finish(), Err(Error::Taken)));
    set_sigprof(ours);
    let mut again = Sampler::start(1000).unwrap();
    again.switch(Some(Tag::A)).unwrap();
    burn_cpu(BURN / 2);
    assert!(again.finish().unwrap().sampled[&Tag::A].samples > 0);
    set_sigprof(libc::SIG_DFL);
}
