//! Documents: JSON texts in their own segments, which form one stream.

use std::{
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    Error,
    layout::{
        self, DOCUMENT_HEADER, DOCUMENT_PAYLOAD, MAX_DOCUMENT_BYTES, RECORD_BYTES, SEGMENT_DOCUMENTS, SegmentHeader,
        put_u32, segment_at,
    },
    platform,
    writer::{Purpose, Refusal, Writer, growth_error, lock},
};

pub(crate) const AT_LIMIT: &str = "the file has reached its limit; record with a higher one";
pub(crate) const TOO_MANY: &str = "all documents of a run together may have 64 MiB";

/// The position in the stream of documents.
#[derive(Default)]
pub(crate) struct Documents {
    /// Segments taken, with their used bytes; the last ones may be empty spares.
    open: Vec<(u64, usize)>,
    sequence: u32,
    total: u64,
}

impl Documents {
    /// Adds one document to the stream. If the process is killed meanwhile, the stream does not have it.
    pub(crate) fn append(&mut self, writer: &Writer, key: &str, json: &str) -> Result<(), Error> {
        let bytes = key.len() + json.len();
        let entry_len = (DOCUMENT_HEADER + bytes).next_multiple_of(8);
        if self.total + entry_len as u64 > MAX_DOCUMENT_BYTES {
            return Err(Error::DocumentTooLong { bytes, why: TOO_MANY });
        }
        self.make_room(writer, entry_len, bytes)?;
        self.write(writer, &entry(key, json, entry_len));
        self.total += entry_len as u64;
        Ok(())
    }

    fn make_room(&mut self, writer: &Writer, needed: usize, bytes: usize) -> Result<(), Error> {
        let room = |open: &[(u64, usize)]| -> usize { open.iter().map(|(_, used)| DOCUMENT_PAYLOAD - used).sum() };
        while room(&self.open) < needed {
            match writer.take(Purpose::Documents) {
                Ok((index, _)) => self.begin(writer, index),
                Err(Refusal::Closed) => return Err(Error::Closed("was finished already")),
                Err(Refusal::Limit) => {
                    return Err(Error::DocumentTooLong { bytes, why: AT_LIMIT });
                }
                Err(Refusal::NotReady | Refusal::DiskFull | Refusal::NoDescriptor) => {
                    writer.grow_for_document().map_err(|e| growth_error(&writer.path, e))?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, writer: &Writer, index: u64) {
        writer.begin_segment(&SegmentHeader {
            kind: SEGMENT_DOCUMENTS,
            tid: platform::thread_id(),
            thread: u32::MAX,
            sequence: self.sequence,
            index,
        });
        self.sequence += 1;
        self.open.push((index, 0));
    }

    /// Copies the entry into the open segments, then publishes their new lengths.
    fn write(&mut self, writer: &Writer, mut entry: &[u8]) {
        // On systems where the helper touches pages by hand, it must not do so now.
        let _growth = lock(&writer.growth);
        for (index, used) in &mut self.open {
            let n = entry.len().min(DOCUMENT_PAYLOAD - *used);
            let at = layout::segment_offset(*index) + (RECORD_BYTES + *used) as u64;
            // SAFETY: this thread owns the segment (the lock is held), which is inside mapping and file, and n bytes
            // fit behind the used ones; the entry is no part of the mapping.
            unsafe { ptr::copy_nonoverlapping(entry.as_ptr(), writer.map.at(at), n) };
            *used += n;
            entry = &entry[n..];
        }
        for (index, used) in &self.open {
            let at = layout::segment_offset(*index) + segment_at::USED as u64;
            // SAFETY: an aligned word in an owned segment, only accessed as an atomic now.
            let length = unsafe { AtomicU32::from_ptr(writer.map.at(at).cast()) };
            length.store(*used as u32, Ordering::Release);
        }
        self.open.retain(|(index, used)| {
            let full = *used == DOCUMENT_PAYLOAD;
            if full {
                writer.close(writer.map.at(layout::segment_offset(*index + 1)));
            }
            !full
        });
    }
}

/// The bytes of one document: CRC of everything behind it, lengths, key, text, zeros up to `len`.
pub(crate) fn entry(key: &str, json: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    put_u32(&mut bytes, 4, key.len() as u32);
    put_u32(&mut bytes, 8, json.len() as u32);
    bytes[DOCUMENT_HEADER..][..key.len()].copy_from_slice(key.as_bytes());
    bytes[DOCUMENT_HEADER + key.len()..][..json.len()].copy_from_slice(json.as_bytes());
    let crc = crc32fast::hash(&bytes[4..]);
    put_u32(&mut bytes, 0, crc);
    bytes
}
