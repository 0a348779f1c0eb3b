//! Whatever the bytes, the reader gives an error or records, and never panics:
//! `cargo +nightly fuzz run read_run`.
//!
//! Random bytes do not get past a CRC. The first byte of the input chooses what is fixed before the
//! reader sees the rest: nothing, the CRCs of the header, and those of segments and documents, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raptors_recording::Reader;

const HEADER: usize = 65536;
const SEGMENT: usize = 65536;

fuzz_target!(|input: &[u8]| {
    let Some((how, rest)) = input.split_first() else {
        return;
    };
    let file = if how & 1 == 0 { rest.to_vec() } else { unpack(rest) };
    let file = if how & 2 == 0 { file } else { help(file) };
    for lossy in [false, true] {
        if let Ok(reader) = Reader::from_bytes(file.clone(), lossy) {
            let _ = reader.for_each(|_, record| {
                let _ = record.end();
                // What passed the checks is an event, and has one encoding.
                assert_eq!(record.event.encode().decode(), Ok(record.event));
            });
            let _ = reader.warnings();
        }
    }
});

/// A file from little input: 384 bytes of header, then 256 for the start of each segment.
fn unpack(input: &[u8]) -> Vec<u8> {
    let (header, rest) = input.split_at(input.len().min(384));
    let mut file = header.to_vec();
    file.resize(HEADER, 0);
    for start in rest.chunks(256).take(8) {
        file.extend_from_slice(start);
        file.resize(file.len().next_multiple_of(SEGMENT), 0);
    }
    file
}

fn help(mut file: Vec<u8>) -> Vec<u8> {
    if file.len() < HEADER {
        return file;
    }
    file[..8].copy_from_slice(b"\x89RTRACE\n");
    file[8..24].copy_from_slice(&[1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 64, 0, 0, 0]);
    file[62..64].fill(0); // the limit is below 1 TiB
    crc(&mut file, 0..124, 124);
    crc(&mut file, 256..380, 380);
    crc(&mut file, 192..208, 208);
    crc(&mut file, 224..240, 240);
    let mut at = HEADER;
    while at + 80 <= file.len() {
        crc(&mut file, at + 4..at + 32, at + 32);
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let len = (16 + (number(at + 68) & 0xff) + (number(at + 72) & 0xff)).next_multiple_of(8);
        if at + 64 + len <= file.len() {
            crc(&mut file, at + 68..at + 64 + len, at + 64);
        }
        at += SEGMENT;
    }
    file
}

fn crc(file: &mut [u8], of: std::ops::Range<usize>, at: usize) {
    let sum = crc32fast::hash(&file[of]);
    file[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}
