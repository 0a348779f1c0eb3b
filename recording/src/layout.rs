//! The layout of the file. Pure: no I/O and no pointers. `FORMAT.md` describes it in prose.

use crate::event::{Encoded, Event, Kind};

/// First bytes of every run file. The high bit and the newline show a transfer in text mode.
pub(crate) const MAGIC: [u8; 8] = *b"\x89RTRACE\n";
/// Version of the layout that this crate writes, and the newest that it reads. It rises with whatever an older reader
/// would refuse as damage: a new kind, flag or field of events, a new kind of rounds.
pub(crate) const VERSION: u32 = 2;
/// The oldest that it reads.
pub(crate) const OLDEST: u32 = 1;
/// Bytes before the first segment.
pub(crate) const HEADER_BYTES: usize = 64 * 1024;
/// Bytes of a segment, its own header included; a power of two, segments are aligned to it.
pub(crate) const SEGMENT_BYTES: usize = 64 * 1024;
/// Bytes of a segment's header, and of a record.
pub(crate) const RECORD_BYTES: usize = 64;
/// Bytes of a document segment that carry documents.
pub(crate) const DOCUMENT_PAYLOAD: usize = SEGMENT_BYTES - RECORD_BYTES;
/// Bytes before the key of a document.
pub(crate) const DOCUMENT_HEADER: usize = 16;
/// All documents of one file together may be this long, so that a reader can hold them.
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 64 << 20;
/// No file is longer than this.
pub(crate) const MAX_LIMIT: u64 = 1 << 40;

/// `RSEG`, little endian.
pub(crate) const SEGMENT_MAGIC: u32 = u32::from_le_bytes(*b"RSEG");
pub(crate) const SEGMENT_RECORDS: u32 = 1;
pub(crate) const SEGMENT_DOCUMENTS: u32 = 2;

pub(crate) const STATE_RECORDING: u32 = 1;
pub(crate) const STATE_COMPLETE: u32 = 2;

/// Offsets inside the file's header.
pub(crate) mod at {
    pub(crate) const VERSION: usize = 8;
    pub(crate) const HEADER_BYTES: usize = 12;
    pub(crate) const SEGMENT_BYTES: usize = 16;
    pub(crate) const RECORD_BYTES: usize = 20;
    pub(crate) const PID: usize = 24;
    pub(crate) const CLOCK: usize = 28;
    pub(crate) const STARTED: usize = 32;
    pub(crate) const START_TICKS: usize = 40;
    pub(crate) const START_NS: usize = 48;
    pub(crate) const LIMIT: usize = 56;
    pub(crate) const AHEAD: usize = 64;
    /// Of everything before it.
    pub(crate) const FIXED_CRC: usize = 124;

    pub(crate) const STATE: usize = 128;
    pub(crate) const ALLOCATED: usize = 136;
    /// Two slots of (ticks u64, nanoseconds u64, CRC u32), written in turn.
    pub(crate) const CLOCK_SLOTS: usize = 192;
    pub(crate) const CLOCK_SLOT_BYTES: usize = 32;

    /// The final section: what is true of a complete file.
    pub(crate) const FINAL: usize = 256;
    pub(crate) const FINAL_USED: usize = 256;
    pub(crate) const FINAL_TICKS: usize = 296;
    pub(crate) const FINAL_NS: usize = 304;
    /// Of the final section before it.
    pub(crate) const FINAL_CRC: usize = 380;
    /// The header is read to here; the rest of its 64 KiB is zero.
    pub(crate) const END: usize = 384;
}

/// Where the header has its counters, u64 each.
pub(crate) struct Counters {
    /// Records lost, by reason.
    pub(crate) limit: usize,
    pub(crate) not_ready: usize,
    pub(crate) disk_full: usize,
    /// 0 in older files.
    pub(crate) descriptor_closed: usize,
    /// Segments that records reached before they were touched.
    pub(crate) late: usize,
    /// Nanoseconds by which the two clocks jumped against each other; 0 in older files.
    pub(crate) clock_jump: usize,
}

/// While the file is written.
pub(crate) const LIVE: Counters =
    Counters { limit: 144, not_ready: 152, disk_full: 160, descriptor_closed: 176, late: 168, clock_jump: 184 };
/// Once it is complete.
pub(crate) const FINAL: Counters =
    Counters { limit: 264, not_ready: 272, disk_full: 280, descriptor_closed: 312, late: 288, clock_jump: 320 };

impl Counters {
    /// The lost records, each counter read by `read`.
    pub(crate) fn lost(&self, read: impl Fn(usize) -> u64) -> Lost {
        Lost {
            limit: read(self.limit),
            not_ready: read(self.not_ready),
            disk_full: read(self.disk_full),
            descriptor_closed: read(self.descriptor_closed),
        }
    }
}

/// Offsets inside a segment's header.
pub(crate) mod segment_at {
    /// Written last: without it the segment is not there.
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const KIND: usize = 4;
    pub(crate) const TID: usize = 8;
    pub(crate) const THREAD: usize = 16;
    pub(crate) const SEQUENCE: usize = 20;
    pub(crate) const INDEX: usize = 24;
    /// Of bytes 4..32.
    pub(crate) const CRC: usize = 32;
    /// Bytes of documents in the segment; 0 in a segment of records.
    pub(crate) const USED: usize = 36;
}

/// One record as the reader gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// How many observed calls on the same thread enclose this one; 0 is outermost.
    pub depth: u8,
    /// The `id` of the "site" document that describes the call; 0 where there is none.
    pub site: u32,
    /// When the call began, in ticks of the file's clock.
    pub start: u64,
    /// How long it took, in ticks of the file's clock.
    pub duration: u64,
    /// What it tells of.
    pub event: Event,
}

impl Record {
    /// The kind of its event.
    pub fn kind(&self) -> Kind {
        self.event.kind()
    }

    /// When the call ended, in ticks of the file's clock. The reader has checked that it fits.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.duration)
    }
}

/// Records that were not written, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// The file had reached the limit given in [`Options`](crate::Options).
    pub limit: u64,
    /// The next segment was not allocated yet: records came faster than the file grew.
    pub not_ready: u64,
    /// The file system had no more room, or refused to grow the file.
    pub disk_full: u64,
    /// The file could not grow any more, because the process closed its descriptor.
    pub descriptor_closed: u64,
}

impl Lost {
    /// All lost records together.
    pub fn total(&self) -> u64 {
        [self.limit, self.not_ready, self.disk_full, self.descriptor_closed].into_iter().fold(0, u64::saturating_add)
    }
}

/// The first word of a record; never 0 for a record that is there.
#[inline]
pub(crate) fn tag(event: &Encoded, depth: u8) -> u32 {
    event.kind as u32 | u32::from(depth) << 8 | u32::from(event.flags) << 16
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Where segment `index` begins in the file.
pub(crate) fn segment_offset(index: u64) -> u64 {
    HEADER_BYTES as u64 + index * SEGMENT_BYTES as u64
}

/// A segment's header, as bytes 4..36 of it hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) kind: u32,
    pub(crate) tid: u64,
    pub(crate) thread: u32,
    pub(crate) sequence: u32,
    pub(crate) index: u64,
}

impl SegmentHeader {
    /// The header's bytes without its magic, which is written last.
    pub(crate) fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        put_u32(&mut bytes, segment_at::KIND, self.kind);
        put_u64(&mut bytes, segment_at::TID, self.tid);
        put_u32(&mut bytes, segment_at::THREAD, self.thread);
        put_u32(&mut bytes, segment_at::SEQUENCE, self.sequence);
        put_u64(&mut bytes, segment_at::INDEX, self.index);
        let crc = crc32fast::hash(&bytes[segment_at::KIND..segment_at::CRC]);
        put_u32(&mut bytes, segment_at::CRC, crc);
        bytes
    }

    /// The header in `bytes`, or what is wrong with it. `bytes` has at least 64 bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let magic = u32_at(bytes, segment_at::MAGIC);
        if magic != SEGMENT_MAGIC {
            return Err(format!("the segment's first word is {magic:#010x}, not \"RSEG\""));
        }
        let stored = u32_at(bytes, segment_at::CRC);
        let computed = crc32fast::hash(&bytes[segment_at::KIND..segment_at::CRC]);
        if stored != computed {
            return Err(format!("the segment header's CRC is {stored:#010x}, its bytes give {computed:#010x}"));
        }
        Ok(Self {
            kind: u32_at(bytes, segment_at::KIND),
            tid: u64_at(bytes, segment_at::TID),
            thread: u32_at(bytes, segment_at::THREAD),
            sequence: u32_at(bytes, segment_at::SEQUENCE),
            index: u64_at(bytes, segment_at::INDEX),
        })
    }
}

/// The first word of a record that is no event: from here on the segment has the records of another thread.
pub(crate) const HANDOVER: u32 = 0xff;

/// The words of such a record: the thread, and a CRC.
pub(crate) fn handover(tid: u64, thread: u32) -> [u64; 5] {
    [tid, thread.into(), handover_crc(tid, thread).into(), 0, 0]
}

fn handover_crc(tid: u64, thread: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&tid.to_le_bytes());
    hasher.update(&thread.to_le_bytes());
    hasher.finalize()
}

/// The thread (system's id, number) in `bytes`, a record whose first word is [`HANDOVER`], or what is wrong with it.
pub(crate) fn decode_handover(bytes: &[u8]) -> Result<(u64, u32), String> {
    let (tid, thread, crc) = (u64_at(bytes, 24), u64_at(bytes, 32), u64_at(bytes, 40));
    match u32::try_from(thread) {
        Ok(thread) if crc == u64::from(handover_crc(tid, thread)) => Ok((tid, thread)),
        _ => Err(format!("a segment goes on with thread {thread}, and the CRC of that record is another")),
    }
}

/// The record in `bytes` (64 of them) whose tag is not 0, or what is wrong with it.
#[inline]
pub(crate) fn decode_record(bytes: &[u8]) -> Result<Record, String> {
    let tag = u32_at(bytes, 0);
    let Some(kind) = Kind::from_number(tag as u8) else {
        return Err(format!("a record has kind {}, known are 1 to {}", tag as u8, Kind::ALL.len()));
    };
    let (start, duration) = (u64_at(bytes, 8), u64_at(bytes, 16));
    if start.checked_add(duration).is_none() {
        return Err(format!("a record starts at tick {start} and lasts {duration}: no such time"));
    }
    let mut args = [0; 5];
    for (i, arg) in args.iter_mut().enumerate() {
        *arg = u64_at(bytes, 24 + 8 * i);
    }
    let event = Encoded { kind, flags: (tag >> 16) as u16, args }.decode()?;
    Ok(Record { depth: (tag >> 8) as u8, site: u32_at(bytes, 4), start, duration, event })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_header_survives_its_bytes() {
        let header = SegmentHeader { kind: 1, tid: 7 << 40, thread: 3, sequence: 9, index: 12 };
        let mut bytes = header.encode();
        assert!(SegmentHeader::decode(&bytes).unwrap_err().contains("RSEG"));
        put_u32(&mut bytes, segment_at::MAGIC, SEGMENT_MAGIC);
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        bytes[9] ^= 1;
        assert!(SegmentHeader::decode(&bytes).unwrap_err().contains("CRC"));
    }
}
