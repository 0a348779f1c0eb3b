//! The first pass over a file: header, segment headers, documents. Everything is checked before it is used, and every
//! finding names its offset.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    Error,
    clock::{Calibration, ClockSource, Pair, SHORTEST_SPAN_NS},
    layout::{
        self, Counters, DOCUMENT_HEADER, DOCUMENT_PAYLOAD, FINAL, HEADER_BYTES, LIVE, MAX_DOCUMENT_BYTES, MAX_LIMIT,
        RECORD_BYTES, SEGMENT_BYTES, SEGMENT_DOCUMENTS, SEGMENT_RECORDS, SegmentHeader, at, segment_at, u32_at, u64_at,
    },
    reader::{Header, ThreadId},
};

/// The source of the bytes.
pub(crate) enum Source {
    File(File),
    Bytes(Vec<u8>),
}

impl Source {
    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Source::File(file) => Ok(file.metadata()?.len()),
            Source::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Fills `into` from `offset`; returns the number of bytes.
    pub(crate) fn read(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Source::Bytes(bytes) => {
                let from = bytes.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
                let n = into.len().min(bytes.len() - from);
                into[..n].copy_from_slice(&bytes[from..from + n]);
                Ok(n)
            }
            Source::File(file) => {
                let mut n = 0;
                while n < into.len() {
                    match file.read_at(&mut into[n..], offset + n as u64) {
                        Ok(0) => break,
                        Ok(more) => n += more,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
                Ok(n)
            }
        }
    }
}

/// The result of the first pass.
pub(crate) struct Scan {
    pub(crate) header: Header,
    pub(crate) documents: Vec<(String, String)>,
    /// Segments of records: index and thread.
    pub(crate) segments: Vec<(u64, ThreadId)>,
    pub(crate) warnings: Vec<String>,
}

/// The segments that are in use.
#[derive(Default)]
struct Found {
    /// Those of records: index and thread.
    records: Vec<(u64, ThreadId)>,
    /// Those of documents: index and bytes in use.
    documents: Vec<(u64, usize)>,
}

/// One pass over one file.
struct Scanner<'a> {
    source: &'a Source,
    name: &'a str,
    lossy: bool,
    warnings: Vec<String>,
}

pub(crate) fn scan(source: &Source, name: &str, lossy: bool) -> Result<Scan, Error> {
    Scanner { source, name, lossy, warnings: Vec::new() }.run()
}

impl Scanner<'_> {
    fn run(mut self) -> Result<Scan, Error> {
        let (header, segments_end) = self.header()?;
        let Found { records, documents } = self.segments(segments_end, header.complete)?;
        if header.calibration.ns_per_tick == 0.0 && !records.is_empty() {
            return Err(self.damaged(at::CLOCK_SLOTS as u64, "there are records and no clock"));
        }
        let documents = self.documents(&documents, header.complete)?;
        Ok(Scan { header, documents, segments: records, warnings: self.warnings })
    }

    /// The segments before `end`.
    ///
    /// While a file is written, a thread may take a segment behind the place of this pass and its next one before it.
    /// The first of them is there before the second, so a pass up to the second finds both: only what is wrong in that
    /// pass too is damage.
    fn segments(&mut self, mut end: u64, complete: bool) -> Result<Found, Error> {
        loop {
            let noted = self.warnings.len();
            match self.segments_once(end) {
                Err((index, _)) if !complete && index + 1 < end => {
                    self.warnings.truncate(noted);
                    end = index + 1;
                }
                found => return found.map_err(|(_, error)| error),
            }
        }
    }

    /// One pass; where it ends early, the segment it ends at and why.
    fn segments_once(&mut self, end: u64) -> Result<Found, (u64, Error)> {
        let mut threads = HashMap::new();
        let mut all = Found::default();
        for index in 0..end {
            let found = self.segment(index, &mut threads, all.documents.len() as u32);
            match found.map_err(|error| (index, error))? {
                Some((found, _)) if found.kind == SEGMENT_RECORDS => {
                    all.records.push((index, ThreadId { tid: found.tid, index: found.thread }));
                }
                Some((_, used)) => all.documents.push((index, used)),
                None => {}
            }
        }
        Ok(all)
    }

    fn damaged(&self, offset: u64, what: impl Into<String>) -> Error {
        Error::Damaged { path: self.name.to_string(), offset, what: what.into() }
    }

    fn foreign(&self, why: impl Into<String>) -> Error {
        Error::NotARunFile { path: self.name.to_string(), why: why.into() }
    }

    /// Notes and skips damage in a lossy reader.
    fn tolerate(&mut self, error: Error) -> Result<(), Error> {
        if !self.lossy {
            return Err(error);
        }
        self.warnings.push(error.to_string());
        Ok(())
    }

    fn read(&self, into: &mut [u8], offset: u64) -> Result<usize, Error> {
        self.source.read(into, offset).map_err(|cause| Error::Io {
            what: "read",
            path: self.name.into(),
            help: "",
            cause,
        })
    }

    /// The header, and the number of segments to read. A file that is being finished at this moment shrinks after its
    /// header says so, hence the second look.
    fn header(&mut self) -> Result<(Header, u64), Error> {
        for _ in 0..3 {
            let (header, expected) = self.checked_header()?;
            let len = self.source.len().map_err(|cause| Error::Io {
                what: "read the length of",
                path: self.name.into(),
                help: "",
                cause,
            })?;
            let (_, again) = self.checked_header()?;
            if again != expected && len < expected {
                continue;
            }
            if len < expected {
                self.tolerate(Error::Truncated {
                    path: self.name.to_string(),
                    len,
                    expected,
                    missing: expected - len,
                })?;
            }
            // A live file may have grown since its header was read: the new part is not read.
            let bytes = expected.min(len).saturating_sub(HEADER_BYTES as u64);
            return Ok((header, bytes.div_ceil(SEGMENT_BYTES as u64)));
        }
        Err(self.damaged(at::STATE as u64, "the file changes faster than it can be read"))
    }

    fn checked_header(&mut self) -> Result<(Header, u64), Error> {
        let mut bytes = [0; at::END];
        let n = self.read(&mut bytes, 0)?;
        self.check_identity(&bytes[..n])?;
        if n < bytes.len() {
            return Err(Error::Truncated {
                path: self.name.to_string(),
                len: n as u64,
                expected: HEADER_BYTES as u64,
                missing: (HEADER_BYTES - n) as u64,
            });
        }
        self.check_fixed(&bytes)?;
        match u32_at(&bytes, at::STATE) {
            layout::STATE_RECORDING => self.live(&bytes),
            layout::STATE_COMPLETE => self.complete(&bytes),
            other => Err(self.damaged(
                at::STATE as u64,
                format!("the file's state is {other}, known are 1 (recording) and 2 (complete)"),
            )),
        }
    }

    /// Checks that this is a run file, of a version that this reader knows.
    fn check_identity(&self, bytes: &[u8]) -> Result<(), Error> {
        let magic = &bytes[..bytes.len().min(8)];
        if bytes.is_empty() {
            return Err(self.foreign("it is empty, as a recording killed before its first byte leaves it"));
        }
        if magic != &layout::MAGIC[..magic.len()] {
            return Err(self.foreign("its first bytes at offset 0 are not those of a run file"));
        }
        if bytes.len() >= at::VERSION + 4 {
            let found = u32_at(bytes, at::VERSION);
            if found > layout::VERSION {
                let known = layout::VERSION;
                return Err(Error::NewerVersion { path: self.name.to_string(), found, known });
            }
            if found < layout::OLDEST {
                let known = layout::OLDEST;
                return Err(Error::OlderVersion { path: self.name.to_string(), found, known });
            }
        }
        Ok(())
    }

    fn check_fixed(&self, bytes: &[u8]) -> Result<(), Error> {
        let (stored, computed) = (u32_at(bytes, at::FIXED_CRC), crc32fast::hash(&bytes[..at::FIXED_CRC]));
        if stored != computed {
            let what = format!("the header's CRC is {stored:#010x}, its bytes give {computed:#010x}");
            return Err(self.damaged(at::FIXED_CRC as u64, what));
        }
        let sizes = [
            ("header", at::HEADER_BYTES, HEADER_BYTES),
            ("segment", at::SEGMENT_BYTES, SEGMENT_BYTES),
            ("record", at::RECORD_BYTES, RECORD_BYTES),
        ];
        for (what, offset, known) in sizes {
            let found = u32_at(bytes, offset);
            if found as usize != known {
                let what = format!("the size of a {what} is {found}, in this version it is {known}");
                return Err(self.damaged(offset as u64, what));
            }
        }
        if u64_at(bytes, at::LIMIT) > MAX_LIMIT {
            return Err(self.damaged(at::LIMIT as u64, "the file's limit is above 1 TiB"));
        }
        Ok(())
    }

    /// The header of a file that is being written, or whose writer was killed, and the minimum length of the file.
    fn live(&self, bytes: &[u8]) -> Result<(Header, u64), Error> {
        let allocated = u64_at(bytes, at::ALLOCATED);
        if allocated != 0 {
            self.check_length(at::ALLOCATED, allocated, u64_at(bytes, at::LIMIT))?;
        }
        let latest = (0..2)
            .filter_map(|i| {
                let slot = &bytes[at::CLOCK_SLOTS + i * at::CLOCK_SLOT_BYTES..];
                let whole = crc32fast::hash(&slot[..16]) == u32_at(slot, 16);
                whole.then(|| Pair { ticks: u64_at(slot, 0), ns: u64_at(slot, 8) })
            })
            .max_by_key(|pair| pair.ns);
        let header = self.build(bytes, &LIVE, latest, false)?;
        Ok((header, allocated.max(at::END as u64)))
    }

    fn complete(&self, bytes: &[u8]) -> Result<(Header, u64), Error> {
        let stored = u32_at(bytes, at::FINAL_CRC);
        let computed = crc32fast::hash(&bytes[at::FINAL..at::FINAL_CRC]);
        if stored != computed {
            let what = format!("the closing CRC is {stored:#010x}, its bytes give {computed:#010x}");
            return Err(self.damaged(at::FINAL_CRC as u64, what));
        }
        let used = u64_at(bytes, at::FINAL_USED);
        let length = used.saturating_mul(SEGMENT_BYTES as u64).saturating_add(HEADER_BYTES as u64);
        self.check_length(at::FINAL_USED, length, u64_at(bytes, at::LIMIT))?;
        let end = Pair { ticks: u64_at(bytes, at::FINAL_TICKS), ns: u64_at(bytes, at::FINAL_NS) };
        Ok((self.build(bytes, &FINAL, Some(end), true)?, length))
    }

    fn check_length(&self, offset: usize, length: u64, limit: u64) -> Result<(), Error> {
        if length > limit || length < HEADER_BYTES as u64 {
            let what = format!("the file should have {length} bytes, with a limit of {limit}");
            return Err(self.damaged(offset as u64, what));
        }
        Ok(())
    }

    fn build(&self, bytes: &[u8], counters: &Counters, end: Option<Pair>, complete: bool) -> Result<Header, Error> {
        let number = u32_at(bytes, at::CLOCK);
        let Some(clock) = ClockSource::from_number(number) else {
            return Err(self.damaged(at::CLOCK as u64, format!("clock {number} is not known")));
        };
        let start = Pair { ticks: u64_at(bytes, at::START_TICKS), ns: u64_at(bytes, at::START_NS) };
        let started = UNIX_EPOCH.checked_add(Duration::from_nanos(u64_at(bytes, at::STARTED)));
        Ok(Header {
            pid: u32_at(bytes, at::PID),
            started: started.unwrap_or(SystemTime::UNIX_EPOCH),
            clock,
            calibration: self.calibration(bytes, clock, &start, end)?,
            start_ticks: start.ticks,
            complete,
            lost: counters.lost(|offset| u64_at(bytes, offset)),
            clock_jump_ns: u64_at(bytes, counters.clock_jump),
            late_segments: u64_at(bytes, counters.late),
            limit_bytes: u64_at(bytes, at::LIMIT),
            ahead_bytes: u64_at(bytes, at::AHEAD),
        })
    }

    fn calibration(
        &self,
        bytes: &[u8],
        clock: ClockSource,
        start: &Pair,
        end: Option<Pair>,
    ) -> Result<Calibration, Error> {
        if clock == ClockSource::System {
            return Ok(Calibration { ns_per_tick: 1.0, span_ns: 0 });
        }
        let never = (0..2).all(|i| u32_at(bytes, at::CLOCK_SLOTS + i * at::CLOCK_SLOT_BYTES + 16) == 0);
        if end.is_none() && never {
            // Killed while the file was being made: no record is older than the first reading.
            return Ok(Calibration { ns_per_tick: 0.0, span_ns: 0 });
        }
        let measured = end.and_then(|end| start.until(&end));
        let sane = measured.filter(|c| (0.01..=1000.0).contains(&c.ns_per_tick));
        sane.ok_or_else(|| {
            let what = "the clock's readings give no sane length of a tick";
            self.damaged(at::CLOCK_SLOTS as u64, what)
        })
    }

    /// Segment `index`: its header and bytes of documents; None if it was never begun.
    fn segment(
        &mut self,
        index: u64,
        threads: &mut HashMap<u32, (u64, u32)>,
        documents: u32,
    ) -> Result<Option<(SegmentHeader, usize)>, Error> {
        let offset = layout::segment_offset(index);
        let mut bytes = [0; RECORD_BYTES];
        let n = self.read(&mut bytes, offset)?;
        if n < bytes.len() || u32_at(&bytes, segment_at::MAGIC) == 0 {
            return Ok(None);
        }
        let checked = SegmentHeader::decode(&bytes)
            .and_then(|found| check_segment(&found, index, threads, documents).map(|()| found));
        match checked {
            Err(what) => {
                let error = self.damaged(offset, what);
                self.tolerate(error).map(|()| None)
            }
            Ok(found) if found.kind == SEGMENT_DOCUMENTS => {
                let used = u32_at(&bytes, segment_at::USED) as usize;
                if used > DOCUMENT_PAYLOAD {
                    let what = format!("{used} bytes of documents in a segment");
                    let error = self.damaged(offset + segment_at::USED as u64, what);
                    return self.tolerate(error).map(|()| None);
                }
                Ok(Some((found, used)))
            }
            Ok(found) => Ok(Some((found, 0))),
        }
    }

    /// Reads the stream of documents.
    fn documents(&mut self, segments: &[(u64, usize)], complete: bool) -> Result<Vec<(String, String)>, Error> {
        let total: u64 = segments.iter().map(|(_, used)| *used as u64).sum();
        if total > MAX_DOCUMENT_BYTES {
            return Err(self.damaged(0, "its documents are longer than 64 MiB together"));
        }
        let mut stream = Vec::with_capacity(total as usize);
        let mut starts = Vec::with_capacity(segments.len());
        for (index, used) in segments {
            let (from, offset) = (stream.len(), layout::segment_offset(*index) + RECORD_BYTES as u64);
            starts.push((from, offset));
            stream.resize(from + used, 0);
            let n = self.read(&mut stream[from..], offset)?;
            stream.truncate(from + n);
        }
        let offset_of = |at: usize| {
            let place = starts.partition_point(|(from, _)| *from <= at).saturating_sub(1);
            starts.get(place).map_or(0, |(from, offset)| offset + (at - from) as u64)
        };
        let mut found = Vec::new();
        let mut at = 0;
        while at < stream.len() {
            match document(&stream[at..]) {
                Ok((key, json, len)) => {
                    found.push((key, json));
                    at += len;
                }
                // The writer was killed between two steps, or is still writing: the last document is not there.
                Err(Flaw::Cut) if !complete => break,
                Err(flaw) => {
                    let error = self.damaged(offset_of(at), flaw.to_string());
                    self.tolerate(error)?;
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// Position, kind and order of a segment whose CRC holds.
fn check_segment(
    found: &SegmentHeader,
    index: u64,
    threads: &mut HashMap<u32, (u64, u32)>,
    documents: u32,
) -> Result<(), String> {
    if found.index != index {
        return Err(format!("segment {} lies in the place of segment {index}", found.index));
    }
    match found.kind {
        SEGMENT_DOCUMENTS if found.sequence != documents => {
            Err(format!("document segment {} follows {documents} others", found.sequence))
        }
        SEGMENT_DOCUMENTS => Ok(()),
        SEGMENT_RECORDS => {
            let (tid, next) = *threads.entry(found.thread).or_insert((found.tid, 0));
            threads.insert(found.thread, (tid, found.sequence.wrapping_add(1)));
            if tid != found.tid {
                Err(format!("thread {} is both {tid} and {}", found.thread, found.tid))
            } else if next != found.sequence {
                let (thread, sequence) = (found.thread, found.sequence);
                Err(format!("thread {thread} goes on with segment {sequence} after {next} of its own"))
            } else {
                Ok(())
            }
        }
        other => Err(format!("a segment has kind {other}, known are 1 and 2")),
    }
}

/// What is wrong with a document.
enum Flaw {
    /// The stream ends inside it.
    Cut,
    Crc(u32, u32),
    NotUtf8,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Flaw::Cut => f.write_str("the documents end inside this one"),
            Flaw::Crc(stored, computed) => {
                write!(f, "a document's CRC is {stored:#010x}, its bytes give {computed:#010x}")
            }
            Flaw::NotUtf8 => f.write_str("a document is not UTF-8"),
        }
    }
}

/// Key, text and length of the document at the start of `stream`.
fn document(stream: &[u8]) -> Result<(String, String, usize), Flaw> {
    if stream.len() < DOCUMENT_HEADER {
        return Err(Flaw::Cut);
    }
    let (key, json) = (u32_at(stream, 4) as usize, u32_at(stream, 8) as usize);
    let text = DOCUMENT_HEADER.saturating_add(key);
    let len = text.saturating_add(json).checked_next_multiple_of(8).unwrap_or(usize::MAX);
    let bytes = stream.get(..len).ok_or(Flaw::Cut)?;
    let (stored, computed) = (u32_at(bytes, 0), crc32fast::hash(&bytes[4..]));
    if stored != computed {
        return Err(Flaw::Crc(stored, computed));
    }
    let string = |range: &[u8]| String::from_utf8(range.to_vec()).map_err(|_| Flaw::NotUtf8);
    Ok((string(&bytes[DOCUMENT_HEADER..text])?, string(&bytes[text..text + json])?, len))
}

/// The warning about clocks that did not keep one pace.
pub(crate) fn jumped_clock(header: &Header) -> Option<String> {
    let jump = header.clock_jump_ns;
    (jump > 0).then(|| {
        format!(
            "the clock of the records and the system's clock moved apart by {:.1} s, as they do when the machine is \
             suspended or a virtual machine is moved: the times of calls around that moment are wrong; measure again",
            jump as f64 / 1e9
        )
    })
}

/// The warning about a file that could not grow for lack of its descriptor.
pub(crate) fn lost_descriptor(header: &Header) -> Option<String> {
    let lost = header.lost.descriptor_closed;
    (lost > 0).then(|| {
        format!(
            "the recorded program closed the run file's descriptor (as `os.closerange` does), so the file could not \
             grow: {lost} records are missing from then on; keep descriptors open that the program did not open"
        )
    })
}

/// The warning about a calibration that is too short to trust.
pub(crate) fn short_calibration(header: &Header) -> Option<String> {
    let span = header.calibration.span_ns;
    (header.clock != ClockSource::System && span < SHORTEST_SPAN_NS).then(|| {
        format!("the clock was calibrated over {:.1} ms only: times may be off by more than 0.01 %", span as f64 / 1e6)
    })
}
