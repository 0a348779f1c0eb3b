//! Adds a document to a finished file: results that were found after the run.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use crate::{
    Error, Reader,
    documents::{TOO_MANY, entry},
    layout::{
        self, DOCUMENT_HEADER, DOCUMENT_PAYLOAD, HEADER_BYTES, MAX_DOCUMENT_BYTES, RECORD_BYTES, SEGMENT_BYTES,
        SEGMENT_DOCUMENTS, SegmentHeader, at, put_u32, put_u64, segment_at, u32_at, u64_at,
    },
};

/// Adds a document to a finished run file, in its own segments behind all others.
///
/// Apply it to a copy of the file: if the process is killed between writing the segments and the header that counts
/// them, the file is neither the old one nor the new one.
///
/// # Errors
/// Those of [`Reader::open`]; [`Error::Closed`] for a file whose recording was not finished;
/// [`Error::DocumentTooLong`] beyond 64 MiB in all or the file's limit; [`Error::Io`].
pub fn append_document(path: &Path, key: &str, json: &str) -> Result<(), Error> {
    let reader = Reader::open(path)?;
    if !reader.header().complete {
        return Err(Error::Closed("was not finished, so nothing is added to it"));
    }
    let held: usize = reader
        .documents()
        .iter()
        .map(|(key, json)| (DOCUMENT_HEADER + key.len() + json.len()).next_multiple_of(8))
        .sum();
    drop(reader);
    let bytes = key.len() + json.len();
    let too_long = |why| Error::DocumentTooLong { bytes, why };
    let entry = entry(key, json, (DOCUMENT_HEADER + bytes).next_multiple_of(8));
    if (held + entry.len()) as u64 > MAX_DOCUMENT_BYTES {
        return Err(too_long(TOO_MANY));
    }
    let io = |cause| Error::Io { what: "add to", path: path.to_path_buf(), help: "", cause };
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(io)?;
    let mut header = vec![0; at::END];
    file.read_exact_at(&mut header, 0).map_err(io)?;
    let used = u64_at(&header, at::FINAL_USED);
    let chunks = entry.chunks(DOCUMENT_PAYLOAD);
    let used_then = used + chunks.len() as u64;
    if layout::segment_offset(used_then) > u64_at(&header, at::LIMIT) {
        return Err(too_long(crate::documents::AT_LIMIT));
    }
    let sequence = document_segments(&file, used).map_err(io)?;
    for ((chunk, index), sequence) in chunks.zip(used..).zip(sequence..) {
        let segment = segment(chunk, index, sequence);
        file.write_all_at(&segment, layout::segment_offset(index)).map_err(io)?;
    }
    put_u64(&mut header, at::FINAL_USED, used_then);
    let crc = crc32fast::hash(&header[at::FINAL..at::FINAL_CRC]);
    put_u32(&mut header, at::FINAL_CRC, crc);
    file.write_all_at(&header[at::FINAL..], at::FINAL as u64).map_err(io)
}

/// The number of segments that hold documents.
fn document_segments(file: &File, used: u64) -> io::Result<u32> {
    let mut count = 0;
    let mut bytes = [0; RECORD_BYTES];
    for index in 0..used {
        file.read_exact_at(&mut bytes, layout::segment_offset(index))?;
        let there = u32_at(&bytes, segment_at::MAGIC) == layout::SEGMENT_MAGIC;
        if there && u32_at(&bytes, segment_at::KIND) == SEGMENT_DOCUMENTS {
            count += 1;
        }
    }
    Ok(count)
}

/// A whole segment of documents.
fn segment(chunk: &[u8], index: u64, sequence: u32) -> Vec<u8> {
    debug_assert!(HEADER_BYTES.is_multiple_of(SEGMENT_BYTES));
    let header = SegmentHeader {
        kind: SEGMENT_DOCUMENTS,
        tid: u64::from(std::process::id()),
        thread: u32::MAX,
        sequence,
        index,
    };
    let mut bytes = vec![0; SEGMENT_BYTES];
    bytes[..RECORD_BYTES].copy_from_slice(&header.encode());
    put_u32(&mut bytes, segment_at::MAGIC, layout::SEGMENT_MAGIC);
    put_u32(&mut bytes, segment_at::USED, chunk.len() as u32);
    bytes[RECORD_BYTES..][..chunk.len()].copy_from_slice(chunk);
    bytes
}
