//! The reader: it checks a file before it uses it, and streams its records.

use std::{
    fs::File,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use crate::{
    Error,
    clock::{Calibration, ClockSource},
    layout::{self, Lost, RECORD_BYTES, Record, SEGMENT_BYTES, u32_at},
    scan::{self, Scan, Source},
};

/// The header of the file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// The process that recorded.
    pub pid: u32,
    /// The start of the recording.
    pub started: SystemTime,
    /// The clock of its ticks.
    pub clock: ClockSource,
    /// The length of a tick, over the longest span that the file knows.
    pub calibration: Calibration,
    /// The clock when the recording began.
    pub start_ticks: u64,
    /// Whether the recording was finished; if not, its process was killed or is still writing.
    pub complete: bool,
    /// Records without room.
    pub lost: Lost,
    /// Nanoseconds by which the clock of the records and `CLOCK_MONOTONIC` jumped against each other, as a suspend of
    /// the machine makes them; 0 if they kept pace. The calibration is of the time before the jump.
    pub clock_jump_ns: u64,
    /// Segments that records reached before the helper touched their pages: the observed process took page faults for
    /// them.
    pub late_segments: u64,
    /// The limit on the file's length.
    pub limit_bytes: u64,
    /// The bytes that were touched ahead of use.
    pub ahead_bytes: u64,
}

/// The thread of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId {
    /// The system's id of the thread. A system may reuse an id after its thread has ended.
    pub tid: u64,
    /// Its number in this recording, from 0, in order of first records; unique.
    pub index: u32,
}

/// Reads one run file. While a file is being written, it reads the part that exists.
pub struct Reader {
    source: Source,
    name: String,
    lossy: bool,
    scan: Scan,
    skipped: AtomicU64,
}

impl Reader {
    /// Opens a run file and checks its header, all segment headers and all documents. It accepts the file of a killed
    /// process; its [`Header::complete`] is false.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NotARunFile`], [`Error::NewerVersion`], [`Error::Truncated`] or [`Error::Damaged`]; each
    /// names the file, and the offset if there is one.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, false)
    }

    /// As [`Reader::open`], and skips damaged or missing parts; [`Reader::warnings`] lists them. The header must be
    /// intact.
    ///
    /// # Errors
    /// As [`Reader::open`], if the file is not a run file or has lost its header.
    pub fn open_lossy(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, true)
    }

    fn open_with(path: &Path, lossy: bool) -> Result<Self, Error> {
        let io = |help| move |cause| Error::Io { what: "open", path: path.into(), help, cause };
        let check = "check the name and your right to read it";
        // Checked before it is opened: opening a pipe waits for its writer, and opening a device may have any effect.
        let about = std::fs::metadata(path).map_err(io(check))?;
        if !about.is_file() {
            return Err(Error::NotAFile(path.into()));
        }
        let file = File::open(path).map_err(io(check))?;
        Self::new(Source::File(file), path.display().to_string(), lossy)
    }

    /// Reads a run file from memory. `lossy` as in [`Reader::open_lossy`].
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_bytes(bytes: Vec<u8>, lossy: bool) -> Result<Self, Error> {
        Self::new(Source::Bytes(bytes), "the run in memory".to_string(), lossy)
    }

    fn new(source: Source, name: String, lossy: bool) -> Result<Self, Error> {
        let scan = scan::scan(&source, &name, lossy)?;
        Ok(Self { source, name, lossy, scan, skipped: AtomicU64::new(0) })
    }

    /// The header of the file.
    pub fn header(&self) -> &Header {
        &self.scan.header
    }

    /// All documents, (key, JSON text), in the order in which they were added.
    pub fn documents(&self) -> &[(String, String)] {
        &self.scan.documents
    }

    /// The texts of all documents under `key`, in order.
    pub fn documents_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.documents().iter().filter(move |(k, _)| k == key).map(|(_, json)| json.as_str())
    }

    /// Facts that limit the trust in the file: skipped damage (lossy), a short calibration, a missing end. Records that
    /// [`Reader::for_each`] skips are counted here after it ran.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.scan.warnings.clone();
        let header = self.header();
        let limits = [scan::short_calibration(header), scan::jumped_clock(header), scan::lost_descriptor(header)];
        warnings.extend(limits.into_iter().flatten());
        if !self.header().complete {
            warnings.push("the recording was not finished: its process was killed or still runs".into());
        }
        let skipped = self.skipped.load(Ordering::Relaxed);
        if skipped > 0 {
            warnings.push(format!("{skipped} damaged records were skipped"));
        }
        warnings
    }

    /// Passes every record to `f`, segment by segment in the order of the file. Each thread's records come in the order
    /// in which their calls ended; those of several threads are interleaved by the thousand. Holds 128 KiB at a time,
    /// whatever the length of the file.
    ///
    /// # Errors
    /// [`Error::Damaged`] for an invalid record, with its offset; a lossy reader skips it. [`Error::Io`] if reading
    /// fails. `f` may have seen records by then.
    pub fn for_each(&self, mut f: impl FnMut(ThreadId, &Record)) -> Result<(), Error> {
        self.skipped.store(0, Ordering::Relaxed);
        let mut block = vec![0; SEGMENT_BYTES];
        let mut first_look = Vec::new();
        for (index, thread) in &self.scan.segments {
            let offset = layout::segment_offset(*index);
            let n = self.read(&mut block, offset)?;
            let present = if self.header().complete {
                present(&block[..n])
            } else {
                // The writer may be writing this segment. A record whose tag was there at the first reading is complete
                // in the second.
                first_look.clear();
                first_look.extend_from_slice(&block[..n]);
                let n = self.read(&mut block, offset)?.min(n);
                present(&first_look[..n])
            };
            self.segment(&block, present, offset, *thread, &mut f)?;
        }
        Ok(())
    }

    /// Passes on the first `present` records of a segment that `thread` began.
    fn segment(
        &self,
        block: &[u8],
        present: usize,
        offset: u64,
        mut thread: ThreadId,
        f: &mut impl FnMut(ThreadId, &Record),
    ) -> Result<(), Error> {
        for (i, bytes) in block.chunks_exact(RECORD_BYTES).enumerate().skip(1).take(present) {
            let damaged = |what| {
                let offset = offset + (i * RECORD_BYTES) as u64;
                Error::Damaged { path: self.name.clone(), offset, what }
            };
            if u32_at(bytes, 0) == layout::HANDOVER {
                match layout::decode_handover(bytes) {
                    Ok((tid, index)) => thread = ThreadId { tid, index },
                    // Nobody knows whose records follow.
                    Err(_) if self.lossy => {
                        self.skipped.fetch_add((present + 1 - i) as u64, Ordering::Relaxed);
                        return Ok(());
                    }
                    Err(what) => return Err(damaged(what)),
                }
                continue;
            }
            match layout::decode_record(bytes) {
                Ok(record) => f(thread, &record),
                Err(_) if self.lossy => {
                    self.skipped.fetch_add(1, Ordering::Relaxed);
                }
                Err(what) => return Err(damaged(what)),
            }
        }
        Ok(())
    }

    fn read(&self, into: &mut [u8], offset: u64) -> Result<usize, Error> {
        self.source.read(into, offset).map_err(|cause| Error::Io {
            what: "read",
            path: self.name.clone().into(),
            help: "",
            cause,
        })
    }
}

/// Whether a file that begins with these bytes is a run file, damaged or not.
pub fn begins_as_run_file(bytes: &[u8]) -> bool {
    bytes.starts_with(&layout::MAGIC)
}

/// The number of records in a segment: a thread fills its segment in order, so the first absent tag is the end.
fn present(block: &[u8]) -> usize {
    block.chunks_exact(RECORD_BYTES).skip(1).take_while(|bytes| u32_at(bytes, 0) != 0).count()
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("name", &self.name).finish_non_exhaustive()
    }
}
