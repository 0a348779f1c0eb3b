//! The writer: creates the file, hands out its segments, finishes it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    Error,
    clock::{self, Pair},
    cursor::{self, Left},
    descriptor::Descriptor,
    documents::Documents,
    growth::{self, Growth},
    layout::{self, FINAL, HEADER_BYTES, LIVE, Lost, SEGMENT_BYTES, SegmentHeader, at, put_u32, put_u64},
    platform::{self, Mapping},
    steady::Steady,
};

/// The limits of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The file's length never exceeds this many bytes; records beyond are counted as lost. At least 1 MiB. An eighth
    /// of it, at most 16 MiB, is reserved for documents and the marks of rounds.
    pub limit_bytes: u64,
    /// This many bytes are touched ahead of use, off the hot path; as many again are allocated behind them. At least 1
    /// MiB (less if the limit is less).
    pub ahead_bytes: u64,
}

impl Default for Options {
    /// 4 GiB (67 million records) and 64 MiB (a million records).
    fn default() -> Self {
        Self { limit_bytes: 4 << 30, ahead_bytes: 64 << 20 }
    }
}

/// The reason that no segment is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Limit,
    NotReady,
    DiskFull,
    NoDescriptor,
    Closed,
}

/// What a segment is for. Calls leave room for documents and marks, and documents leave room for marks: a run without a
/// call is still a run, one without its marks or documents is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Records,
    Documents,
    Marks,
}

/// Why the file cannot grow, in [`Writer::refused`].
pub(crate) mod refused {
    pub(crate) const NOT: u8 = 0;
    pub(crate) const DISK: u8 = 1;
    pub(crate) const DESCRIPTOR: u8 = 2;
}

/// The state of a segment.
pub(crate) mod state {
    pub(crate) const FREE: u8 = 0;
    /// The helper writes zeros to it; a thread that would take it takes the next one, and it stays blank.
    pub(crate) const BEING_ZEROED: u8 = 1;
    /// Free, and touched ahead of use.
    pub(crate) const TOUCHED: u8 = 2;
    pub(crate) const TAKEN: u8 = 3;
    pub(crate) const FULL: u8 = 4;
}

/// The most segments with room on disk that calls leave (1 MiB): half an hour of marks, and the documents of a case.
const MOST_RESERVED: u64 = 16;
/// `Writer::next` of a finished writer.
const CLOSED: u64 = u64::MAX;
/// One writer at a time.
static BUSY: AtomicBool = AtomicBool::new(false);
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// Writes one run file. A process has at most one active writer; [`push`](crate::push) finds it.
///
/// It cannot be dropped, because observers on any thread may still hold it. [`Writer::finish`] ends a recording; a
/// recording that ends with its process is still readable. A forked child records nothing, and may create its own
/// writer.
pub struct Writer {
    pub(crate) generation: u64,
    pub(crate) pid: u32,
    pub(crate) path: PathBuf,
    pub(crate) map: Mapping,
    pub(crate) start: Pair,
    /// Segments that fit below the limit, and those of them that records may take.
    pub(crate) capacity: u64,
    pub(crate) record_cap: u64,
    /// So many of the segments that have room on disk are not for calls.
    pub(crate) reserve: u64,
    pub(crate) ahead: u64,
    /// The next free segment.
    pub(crate) next: AtomicU64,
    /// Segments below this may be taken: they have room on disk.
    pub(crate) ready: AtomicU64,
    /// Segments below this were touched ahead of use.
    pub(crate) populated: AtomicU64,
    /// One of [`refused`].
    pub(crate) refused: AtomicU8,
    /// Per segment, one of [`state`].
    pub(crate) states: Box<[AtomicU8]>,
    pub(crate) threads: AtomicU32,
    /// Segments that threads have left.
    pub(crate) left: Left,
    pub(crate) growth: Mutex<Growth>,
    pub(crate) stopping: AtomicBool,
    documents: Mutex<Documents>,
    steady: Mutex<Steady>,
    helper: Mutex<Option<JoinHandle<()>>>,
    /// The lost records, once the recording is finished.
    lost_in_all: OnceLock<Lost>,
}

impl Writer {
    /// Creates the file `path` and starts recording into it.
    ///
    /// The file appears under this name at once, so that a killed process leaves it there. For a name that never shows
    /// half a run, give a temporary one and rename it at the end.
    ///
    /// # Errors
    /// [`Error::Exists`] if the path exists, [`Error::Active`] while another writer is active, [`Error::Options`] for a
    /// limit below 1 MiB, [`Error::Io`] with its fix for a directory that is missing or not writable, a full disk, or
    /// too little address space. No file is left then.
    pub fn create(path: &Path, options: Options) -> Result<&'static Writer, Error> {
        Self::start(path, options, false)
    }

    /// As [`Writer::create`], and replaces a regular file of that name. The old file is unlinked, not
    /// emptied, so a process that still has it open keeps it.
    ///
    /// # Errors
    /// As [`Writer::create`]; [`Error::NotAFile`] for a directory, a device or a link.
    pub fn create_replacing(path: &Path, options: Options) -> Result<&'static Writer, Error> {
        Self::start(path, options, true)
    }

    fn start(path: &Path, options: Options, replace: bool) -> Result<&'static Writer, Error> {
        watch_forks().map_err(|e| io_error("start a recording to", path, "", e))?;
        if BUSY.swap(true, Ordering::AcqRel) {
            let other = cursor::active_writer().map_or_else(PathBuf::new, |w| w.path.clone());
            return Err(Error::Active(other));
        }
        let made = checked(options)
            .and_then(|options| Ok((options, create_file(path, replace)?)))
            .and_then(|(options, file)| Self::build(path, file, options).inspect_err(|_| drop(fs::remove_file(path))));
        made.inspect_err(|_| BUSY.store(false, Ordering::Release))
    }

    fn build(path: &Path, file: File, options: Options) -> Result<&'static Writer, Error> {
        let start = Pair::now();
        let full = |e| growth_error(path, e);
        let descriptor = Descriptor::new(file).map_err(full)?;
        let file = descriptor.get().map_err(full)?;
        let capacity = (options.limit_bytes - HEADER_BYTES as u64) / SEGMENT_BYTES as u64;
        platform::advise_new_file(file);
        // The header comes first: a process that is killed from here on leaves a run file.
        file.write_all_at(&fixed_header(&start, options), 0).map_err(full)?;
        platform::allocate(file, 0, HEADER_BYTES as u64).map_err(full)?;
        let map = Mapping::new(file, HEADER_BYTES + capacity as usize * SEGMENT_BYTES).map_err(|e| {
            let help = "allow more memory (ulimit -v), or lower the recording's limit";
            io_error("map", path, help, e)
        })?;
        let kept = (capacity / 8).clamp(2, 256);
        let writer = Box::new(Writer {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            pid: std::process::id(),
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
            map,
            start,
            capacity,
            record_cap: capacity - kept,
            reserve: kept.min(MOST_RESERVED),
            ahead: (options.ahead_bytes / SEGMENT_BYTES as u64).clamp(1, capacity),
            next: AtomicU64::new(0),
            ready: AtomicU64::new(0),
            populated: AtomicU64::new(0),
            refused: AtomicU8::new(refused::NOT),
            states: (0..capacity).map(|_| AtomicU8::new(state::FREE)).collect(),
            threads: AtomicU32::new(0),
            left: Left::new(),
            growth: Mutex::new(Growth::new(descriptor)),
            stopping: AtomicBool::new(false),
            documents: Mutex::new(Documents::default()),
            steady: Mutex::new(Steady::new(start)),
            helper: Mutex::new(None),
            lost_in_all: OnceLock::new(),
        });
        writer.grow_first().map_err(full)?;
        // The first calibration, over the time that this took.
        writer.write_clock_slot(0);
        let writer: &'static Writer = Box::leak(writer);
        let helper = growth::spawn(writer).map_err(|e| io_error("grow", path, "", e))?;
        *lock(&writer.helper) = Some(helper);
        cursor::activate(writer);
        Ok(writer)
    }

    /// Adds a document: a JSON text under a key ("site", "spec", "facts", "hooks", "case", "warning", …). A key may be
    /// used many times. Takes a lock: not for the hot path. The text is stored unchanged, with a CRC; it is not parsed.
    ///
    /// # Errors
    /// [`Error::DocumentTooLong`] beyond 64 MiB in all or if the file's limit is reached, [`Error::Io`] if the disk is
    /// full, [`Error::Closed`] after [`Writer::finish`] or in a forked child.
    pub fn document(&self, key: &str, json: &str) -> Result<(), Error> {
        self.check_ours()?;
        lock(&self.documents).append(self, key, json)
    }

    /// Records lost so far, for any reason.
    pub fn lost(&self) -> u64 {
        self.lost_by_reason().total()
    }

    /// Records lost so far, by reason.
    pub fn lost_by_reason(&self) -> Lost {
        self.lost_in_all.get().copied().unwrap_or_else(|| self.counted_lost())
    }

    fn counted_lost(&self) -> Lost {
        LIVE.lost(|offset| self.header_u64(offset).load(Ordering::Relaxed))
    }

    /// The file being written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the recording and marks the file complete. Later pushes are dropped; a push that another thread is making
    /// is in the file or absent, never half. May take 20 ms in a recording that is shorter than its clock's calibration
    /// needs.
    ///
    /// # Errors
    /// [`Error::Closed`] if it was finished before, or in a forked child; [`Error::Io`] if the file cannot be cut to
    /// its length, which leaves it complete and readable.
    pub fn finish(&self) -> Result<(), Error> {
        self.check_ours()?;
        let documents = lock(&self.documents);
        let used = self.next.swap(CLOSED, Ordering::AcqRel);
        if used == CLOSED {
            return Err(Error::Closed("was finished already"));
        }
        cursor::deactivate();
        self.stopping.store(true, Ordering::Release);
        if let Some(helper) = lock(&self.helper).take() {
            helper.thread().unpark();
            let _ = helper.join();
        }
        clock::wait_for_span(self.start.ns);
        self.write_final(used);
        drop(documents);
        let end = layout::segment_offset(used);
        // SAFETY: `next` is CLOSED, so no thread takes a segment from `used` on, and none was taken.
        unsafe { self.map.retire(end) };
        let cut = lock(&self.growth).end().map_or(Ok(()), |file| file.cut(&self.path, end));
        BUSY.store(false, Ordering::Release);
        cut.map_err(|e| io_error("cut to its length", &self.path, "", e))
    }

    fn check_ours(&self) -> Result<(), Error> {
        if std::process::id() != self.pid {
            return Err(Error::Closed("belongs to the process that this one was forked from"));
        }
        if self.is_finished() {
            return Err(Error::Closed("was finished already"));
        }
        Ok(())
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.next.load(Ordering::Acquire) == CLOSED
    }

    /// The segments below the limit that this purpose may take, and how many of those with room on disk it leaves.
    fn bounds(&self, purpose: Purpose) -> (u64, u64) {
        match purpose {
            Purpose::Records => (self.record_cap, self.reserve),
            Purpose::Documents => {
                let share_of = |kept: u64| (kept / 4).max(1);
                (self.capacity - share_of(self.capacity - self.record_cap), share_of(self.reserve))
            }
            Purpose::Marks => (self.capacity, 0),
        }
    }

    /// Takes the next segment, if the limit and the room on disk allow this purpose one, and returns whether it was
    /// touched ahead. No lock.
    pub(crate) fn take(&self, purpose: Purpose) -> Result<(u64, bool), Refusal> {
        let (cap, left) = self.bounds(purpose);
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            if next == CLOSED {
                return Err(Refusal::Closed);
            } else if next >= cap {
                return Err(Refusal::Limit);
            } else if next + left >= self.ready.load(Ordering::Acquire) {
                return Err(match self.refused.load(Ordering::Relaxed) {
                    refused::NOT => Refusal::NotReady,
                    refused::DESCRIPTOR => Refusal::NoDescriptor,
                    _ => Refusal::DiskFull,
                });
            }
            let order = (Ordering::AcqRel, Ordering::Relaxed);
            match self.next.compare_exchange_weak(next, next + 1, order.0, order.1) {
                Ok(index) => match self.claim(index) {
                    Some(touched) => return Ok((index, touched)),
                    None => next = index + 1,
                },
                Err(now) => next = now,
            }
        }
    }

    /// Keeps the helper off a taken segment, and returns whether it had touched it; None while it is writing to it.
    fn claim(&self, index: u64) -> Option<bool> {
        let state = &self.states[index as usize];
        [state::TOUCHED, state::FREE].into_iter().find_map(|from| {
            let order = (Ordering::AcqRel, Ordering::Relaxed);
            let claimed = state.compare_exchange(from, state::TAKEN, order.0, order.1);
            claimed.is_ok().then_some(from == state::TOUCHED)
        })
    }

    /// Writes the header of a taken segment, its magic last, and returns the address after it.
    pub(crate) fn begin_segment(&self, header: &SegmentHeader) -> *mut u8 {
        let bytes = header.encode();
        let base = self.map.at(layout::segment_offset(header.index));
        // SAFETY: the segment was taken by this thread alone, lies in the mapping and has room on
        // disk; its magic is only accessed atomically, so the copy leaves it out.
        unsafe {
            base.add(4).copy_from_nonoverlapping(bytes.as_ptr().add(4), bytes.len() - 4);
            AtomicU32::from_ptr(base.cast()).store(layout::SEGMENT_MAGIC, Ordering::Release);
            base.add(bytes.len())
        }
    }

    /// Notes that the segment which ends at `end` is full: its pages may be released.
    pub(crate) fn close(&self, end: *mut u8) {
        let offset = self.map.offset_of(end) - HEADER_BYTES as u64;
        let index = (offset / SEGMENT_BYTES as u64).wrapping_sub(1);
        if let Some(state) = self.states.get(index as usize) {
            state.store(state::FULL, Ordering::Release);
        }
    }

    /// A counter in the file's header.
    pub(crate) fn header_u64(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(offset < HEADER_BYTES && offset.is_multiple_of(8));
        // SAFETY: the header is inside the mapping and the file for as long as the writer lives, the offset is aligned,
        // and these words are only accessed as atomics once mapped.
        unsafe { AtomicU64::from_ptr(self.map.at(offset as u64).cast()) }
    }

    /// Writes both clocks into the older slot, so that one is complete at any instant.
    pub(crate) fn write_clock_slot(&self, turn: u64) {
        let now = self.steady_now();
        let mut bytes = [0; at::CLOCK_SLOT_BYTES];
        put_u64(&mut bytes, 0, now.ticks);
        put_u64(&mut bytes, 8, now.ns);
        let crc = crc32fast::hash(&bytes[..16]);
        put_u32(&mut bytes, 16, crc);
        let slot = at::CLOCK_SLOTS + (turn % 2) as usize * at::CLOCK_SLOT_BYTES;
        for (i, word) in bytes.chunks_exact(8).enumerate() {
            self.header_u64(slot + 8 * i).store(layout::u64_at(word, 0), Ordering::Release);
        }
    }

    /// Both clocks as far as they kept pace, and a jump into the header.
    fn steady_now(&self) -> Pair {
        let mut steady = lock(&self.steady);
        let now = steady.take(Pair::now());
        self.header_u64(LIVE.clock_jump).store(steady.jump_ns(), Ordering::Relaxed);
        now
    }

    fn write_final(&self, used: u64) {
        let lost = *self.lost_in_all.get_or_init(|| self.counted_lost());
        let late = self.header_u64(LIVE.late).load(Ordering::Relaxed);
        let end = self.steady_now();
        let jump = self.header_u64(LIVE.clock_jump).load(Ordering::Relaxed);
        let mut bytes = [0; at::END - at::FINAL];
        for (offset, word) in [
            (at::FINAL_USED, used),
            (FINAL.limit, lost.limit),
            (FINAL.not_ready, lost.not_ready),
            (FINAL.disk_full, lost.disk_full),
            (FINAL.late, late),
            (at::FINAL_TICKS, end.ticks),
            (at::FINAL_NS, end.ns),
            (FINAL.descriptor_closed, lost.descriptor_closed),
            (FINAL.clock_jump, jump),
        ] {
            put_u64(&mut bytes, offset - at::FINAL, word);
        }
        let crc_at = at::FINAL_CRC - at::FINAL;
        let crc = crc32fast::hash(&bytes[..crc_at]);
        put_u32(&mut bytes, crc_at, crc);
        for (i, word) in bytes.chunks_exact(8).enumerate() {
            self.header_u64(at::FINAL + 8 * i).store(layout::u64_at(word, 0), Ordering::Relaxed);
        }
        let state = u64::from(layout::STATE_COMPLETE);
        self.header_u64(at::STATE).store(state, Ordering::Release);
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Locks, whatever state a panicking thread left: every critical section leaves its data consistent.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Once per process: a forked child drops the parent's recording before it runs anything.
fn watch_forks() -> io::Result<()> {
    static WATCHED: OnceLock<Result<(), i32>> = OnceLock::new();
    unsafe extern "C" fn child() {
        cursor::deactivate();
        BUSY.store(false, Ordering::Release);
    }
    let watched = WATCHED.get_or_init(|| platform::at_fork_in_child(child).map_err(|e| e.raw_os_error().unwrap_or(0)));
    watched.map_err(io::Error::from_raw_os_error)
}

fn checked(options: Options) -> Result<Options, Error> {
    let limit = options.limit_bytes.min(platform::file_size_limit());
    if limit < 1 << 20 {
        return Err(Error::Options(format!(
            "a recording needs a limit of at least 1 MiB, this one has {limit} bytes (option, or the \
             shell's ulimit -f)"
        )));
    }
    if limit > layout::MAX_LIMIT {
        return Err(Error::Options(format!("a recording's limit is at most 1 TiB, not {limit} bytes")));
    }
    Ok(Options { limit_bytes: limit, ahead_bytes: options.ahead_bytes.max(1 << 20) })
}

fn create_file(path: &Path, replace: bool) -> Result<File, Error> {
    if replace {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => return Err(Error::NotAFile(path.to_path_buf())),
            Ok(_) => fs::remove_file(path).map_err(|e| io_error("replace", path, "choose another place", e))?,
            Err(_) => {}
        }
    }
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(path);
    made.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists(path.to_path_buf()),
        io::ErrorKind::NotFound => io_error("create", path, "make its directory first", e),
        _ => io_error("create", path, "choose a directory that you may write to", e),
    })
}

/// An error of growing the file, with the help for a full disk.
pub(crate) fn growth_error(path: &Path, source: io::Error) -> Error {
    let help = match source.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => "free disk space, or record to another file system",
        _ => "record to another file system",
    };
    io_error("make room in", path, help, source)
}

fn io_error(what: &'static str, path: &Path, help: &'static str, cause: io::Error) -> Error {
    Error::Io { what, path: path.to_path_buf(), help, cause }
}

/// The part of the header that never changes, and the state.
fn fixed_header(start: &Pair, options: Options) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&layout::MAGIC);
    put_u32(&mut bytes, at::VERSION, layout::VERSION);
    put_u32(&mut bytes, at::HEADER_BYTES, HEADER_BYTES as u32);
    put_u32(&mut bytes, at::SEGMENT_BYTES, SEGMENT_BYTES as u32);
    put_u32(&mut bytes, at::RECORD_BYTES, layout::RECORD_BYTES as u32);
    put_u32(&mut bytes, at::PID, std::process::id());
    put_u32(&mut bytes, at::CLOCK, clock::source() as u32);
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    put_u64(&mut bytes, at::STARTED, started.as_nanos() as u64);
    put_u64(&mut bytes, at::START_TICKS, start.ticks);
    put_u64(&mut bytes, at::START_NS, start.ns);
    put_u64(&mut bytes, at::LIMIT, options.limit_bytes);
    put_u64(&mut bytes, at::AHEAD, options.ahead_bytes);
    let crc = crc32fast::hash(&bytes[..at::FIXED_CRC]);
    put_u32(&mut bytes, at::FIXED_CRC, crc);
    put_u32(&mut bytes, at::STATE, layout::STATE_RECORDING);
    bytes
}
