//! Run files: their bytes, and their documents.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use raptors_flamegraphs::is_hidden;
use raptors_recording::{Reader, RoundKind, append_document};
use raptors_trace::analysis;
use raptors_trace::views::export::{self, Format, Options};
use raptors_trace::views::{self, Part, TextOptions};

use crate::recorded::{A, B, CONTROL, OBSERVED, Recording, Round, TIMED, TOUCHED, UNIT_OBSERVED, UNIT_TIMED};
use crate::recorded::{gemm, multiply, round};
use crate::targets::file;

const HEADER: usize = 65536;
const SEGMENT: usize = 65536;

/// The reader gives an error or records, and what passes its checks is an event with one encoding.
///
/// Random bytes do not get past a checksum. The first byte of the input chooses what is fixed before the reader sees
/// the rest: nothing, the checksums of the header, and those of segments and documents, too.
pub fn run(input: &[u8]) -> bool {
    let Some((how, rest)) = input.split_first() else {
        return false;
    };
    let bytes = if how & 1 == 0 { rest.to_vec() } else { unpack(rest) };
    let bytes = if how & 2 == 0 { bytes } else { with_checksums(bytes) };
    let mut taken = false;
    for lossy in [false, true] {
        if let Ok(reader) = Reader::from_bytes(bytes.clone(), lossy) {
            let _ = reader.for_each(|_, record| {
                let _ = record.end();
                assert_eq!(record.event.encode().decode(), Ok(record.event));
            });
            let _ = reader.warnings();
            taken = true;
        }
    }
    if how & 4 != 0 {
        show(&file("run.rtrace", &bytes), false);
    }
    taken
}

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

/// The file with what random bytes do not have: its beginning, its sizes and its checksums.
fn with_checksums(mut file: Vec<u8>) -> Vec<u8> {
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
        let number = |at: usize| u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]) as usize;
        let len = (16 + (number(at + 68) & 0xff) + (number(at + 72) & 0xff)).next_multiple_of(8);
        if at + 64 + len <= file.len() {
            crc(&mut file, at + 68..at + 64 + len, at + 64);
        }
        at += SEGMENT;
    }
    file
}

fn crc(file: &mut [u8], of: Range<usize>, at: usize) {
    let sum = crc32fast::hash(&file[of]);
    file[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}

/// The documents of a run are replaced; all that is shown of the run is an error or a text.
pub fn documents(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let path = file("run.rtrace", records());
    // A document that has no room is left out, as a recording leaves it out.
    for (key, json) in text.lines().filter_map(|line| line.split_once('\t')) {
        let _ = append_document(&path, key, json);
    }
    // A page with its pictures takes a hundred times the rest.
    show(&path, crc32fast::hash(input).is_multiple_of(8))
}

/// The bytes of a run with rounds of every kind and calls of every site, and without any document.
fn records() -> &'static [u8] {
    static RECORDS: OnceLock<Vec<u8>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let mut recording = Recording::empty(64);
        // The control has the number behind the last case: the documents of the corpus have one.
        recording.round(Round { ops: 3, ..round(1, A, CONTROL) }, &[gemm(64)]);
        for _ in 0..6 {
            for side in [A, B] {
                for kind in [TIMED, OBSERVED, TOUCHED, UNIT_TIMED, UNIT_OBSERVED, RoundKind::Sampled] {
                    let calls = [multiply(4096, 100), gemm(16)];
                    recording.round(round(0, side, kind).lasting(1_000_000), &calls);
                }
            }
        }
        let run = recording.finish();
        std::fs::read(&run.path).expect("the file that was just written")
    })
}

/// Everything that a command makes of a run file. Whether it has a case.
fn show(path: &Path, page: bool) -> bool {
    let Ok((comparison, _, samples)) = analysis::read_whole(path, false) else {
        let _ = analysis::read(path, true);
        return false;
    };
    let options = TextOptions { width: 80, color: false, unicode: true, part: Part::All };
    let text = views::text(&comparison, &options);
    assert!(!text.contains(|c: char| c != '\n' && is_hidden(c)), "{text:?}");
    let _ = views::markdown::text(&comparison);
    let samples = samples.unwrap_or_default();
    if page {
        let _ = views::html::page(&comparison, &samples);
    }
    for format in [Format::Csv, Format::Json, Format::Chrome] {
        let options = Options { file: path.to_owned(), format, output: None, case: None, lossy: false };
        let _ = export::write(&options, &mut std::io::sink());
    }
    !comparison.cases.is_empty()
}
