//! The limits of one input: memory by an allocator that counts, CPU time by a thread that looks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// The most memory, bytes.
const MEMORY: usize = 1_000_000_000;
/// The most CPU time.
const TIME: Duration = Duration::from_secs(10);
/// A reader that waits takes no CPU time; a busy machine takes long for little of it.
const HANG: Duration = Duration::from_secs(300);

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// The CPU time at the beginning of the input, nanoseconds; and its number, 0 between two of them.
static BEGAN: AtomicU64 = AtomicU64::new(0);
static INPUT: AtomicU64 = AtomicU64::new(0);
static WATCHED: AtomicBool = AtomicBool::new(false);

/// The system's allocator up to the limit. Beyond it there is no memory, which ends the process.
pub struct Counted;

impl Counted {
    fn take(bytes: usize) -> bool {
        let now = NOW.fetch_add(bytes, Relaxed) + bytes;
        PEAK.fetch_max(now, Relaxed);
        if now > MEMORY && WATCHED.load(Relaxed) {
            NOW.fetch_sub(bytes, Relaxed);
            return false;
        }
        true
    }
}

// SAFETY: every pointer comes from the system's allocator and goes back to it with the same layout; a refused request
// gives null, as the trait allows.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !Counted::take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !Counted::take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let more = size.saturating_sub(layout.size());
        if !Counted::take(more) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's pointer, layout and size.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        let less = if moved.is_null() { more } else { layout.size().saturating_sub(size) };
        NOW.fetch_sub(less, Relaxed);
        moved
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's pointer and layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most that inputs took.
#[derive(Clone, Copy, Default)]
pub struct Worst {
    time: Duration,
    memory: usize,
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s, {} MB", self.time.as_secs_f64(), self.memory / 1_000_000)
    }
}

/// Runs inputs within their limits.
pub struct Guard {
    path: PathBuf,
    file: File,
    worst: Worst,
    /// The number of inputs so far.
    pub inputs: u64,
}

impl Guard {
    /// Keeps the current input at `path`.
    pub fn start(path: &Path) -> Result<Guard, String> {
        let failed = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        let file = File::create(path).map_err(failed)?;
        WATCHED.store(true, Relaxed);
        thread::spawn(watch);
        Ok(Guard { path: path.to_owned(), file, worst: Worst::default(), inputs: 0 })
    }

    /// Runs one input, and says whether the reader took it.
    ///
    /// A panic, a refused allocation or the watching thread ends the process, and the input stays.
    pub fn run(&mut self, run: fn(&[u8]) -> bool, input: &[u8]) -> bool {
        self.inputs += 1;
        let written = self.file.set_len(input.len() as u64).and_then(|()| self.file.write_all_at(input, 0));
        written.expect("the input can be kept");
        let before = NOW.load(Relaxed);
        PEAK.store(before, Relaxed);
        BEGAN.store(cpu_ns(), Relaxed);
        INPUT.store(self.inputs, Relaxed);
        let taken = run(input);
        INPUT.store(0, Relaxed);
        let time = Duration::from_nanos(cpu_ns().saturating_sub(BEGAN.load(Relaxed)));
        self.worst.time = self.worst.time.max(time);
        self.worst.memory = self.worst.memory.max(PEAK.load(Relaxed).saturating_sub(before));
        taken
    }

    /// The most that the inputs since the last call took.
    pub fn worst(&mut self) -> Worst {
        std::mem::take(&mut self.worst)
    }

    /// Removes the kept input: nothing failed.
    pub fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Ends the process if one input takes too long.
fn watch() {
    let mut last = (0, Instant::now());
    loop {
        thread::sleep(Duration::from_millis(50));
        let input = INPUT.load(Relaxed);
        if input != last.0 {
            last = (input, Instant::now());
        }
        let spent = Duration::from_nanos(cpu_ns().saturating_sub(BEGAN.load(Relaxed)));
        if input == 0 || input != INPUT.load(Relaxed) {
            continue;
        }
        if spent > TIME || last.1.elapsed() > HANG {
            let waited = last.1.elapsed().as_secs_f64();
            eprintln!("an input takes over {:.1} s of CPU time, {waited:.1} s by the clock", spent.as_secs_f64());
            std::process::exit(1);
        }
    }
}

/// The CPU time of this process.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to `time` only.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
