//! A file that an earlier version wrote: every kind of event in it is read, and is still written with the same bytes.

use raptors_recording::{
    Alias, Aliasing, Alignments, Alloc, BackendCall, Chunk, Convert, Dispatch, Edge, Event, Free, LoopCall, LoopShape,
    Mark, Options, Reader, Record, RoundKind, RoutineCall, Scale, Touch, Writer, push,
};

use crate::common::{one_at_a_time, place, records};

/// See its first line.
const FIRST: &str = include_str!("data/layout-1.txt");
const BYTES: usize = 196_608;
/// Records begin behind the file's header, the documents' segment and their own segment's header.
const RECORDS: usize = 2 * 65_536 + 64;

fn first() -> Vec<u8> {
    let mut file = vec![0; BYTES];
    for line in FIRST.lines().skip(1) {
        let (at, bytes) = line.split_once(' ').expect("an offset and bytes");
        let at = usize::from_str_radix(at, 16).expect("an offset");
        for (i, digits) in bytes.as_bytes().chunks(2).enumerate() {
            let digits = std::str::from_utf8(digits).expect("text");
            file[at + i] = u8::from_str_radix(digits, 16).expect("a byte");
        }
    }
    file
}

fn aligned(log2: &[u32]) -> Alignments {
    log2.iter().enumerate().fold(Alignments::NONE, |all, (k, log2)| all.with(k, 1 << log2))
}

fn aliasing(inputs: &[Alias]) -> Aliasing {
    inputs.iter().enumerate().fold(Aliasing::NONE, |all, (k, alias)| all.with(k, *alias))
}

fn bits(value: f32) -> u64 {
    value.to_bits().into()
}

fn routines() -> [RoutineCall; 2] {
    let gemm = RoutineCall {
        m: 5,
        n: 7,
        k: 6,
        steps: [6, 7],
        alignments: aligned(&[12, 12, 12]),
        aliasing: Aliasing::NONE,
        scalar: Some(bits(1.5)),
    };
    let dot = RoutineCall {
        m: 20,
        steps: [1, -2],
        alignments: aligned(&[12, 2]),
        aliasing: aliasing(&[Alias::Overlap]),
        ..RoutineCall::default()
    };
    [gemm, dot]
}

/// What the file holds: depth, site and event.
fn held() -> [(u8, u32, Event); 16] {
    use Alias::{Overlap, Same};
    let mark = |edge| Mark { case: 3, side: 1, kind: RoundKind::Timed, ops: 6, edge }.into();
    let strided = |n, strides, alignments: &[u32], inputs: &[Alias], scalar| LoopCall {
        n,
        shape: LoopShape::Strides(strides),
        alignments: aligned(alignments),
        aliasing: aliasing(inputs),
        scalar,
    };
    let core = LoopCall { shape: LoopShape::Core([5, 6, 7, 0]), ..strided(2, [0; 4], &[3, 3, 3], &[Same], None) };
    let [gemm, dot] = routines();
    let scale = Scale { n: 100, item_size: 4, factor_bits: bits(2.5), variant: 1, ok: true };
    [
        (0, 0, mark(Edge::Begin { placement: 9 })),
        (1, 1, strided(64, [4, 0, 4, 0], &[6, 2, 6], &[Same], Some(bits(2.5))).into()),
        (0, 1, strided(16, [-4, -4, 4, 0], &[2, 2, 2], &[Same, Overlap], None).into()),
        (0, 2, core.into()),
        (255, 3, gemm.into()),
        (1, u32::MAX, dot.into()),
        (1, 4, BackendCall { n: 100, src: 16, dst: 32, factor_bits: bits(-7.0), item_size: 4 }.into()),
        (0, 0, Alloc { bytes: 400, data: 4096, recycled: true }.into()),
        (0, 0, Free { bytes: 400, data: 4096 }.into()),
        (0, 5, Convert { n: 100, copied: true, item_size: 4 }.into()),
        (1, 0, Chunk { thread: 2, start: 10, end: 20 }.into()),
        (0, 0, scale.into()),
        (0, 0, Scale { item_size: 8, factor_bits: 2.5_f64.to_bits(), variant: 2, ok: false, ..scale }.into()),
        (0, 6, Dispatch { n: 100, threads: 3 }.into()),
        (1, 0, Touch { bytes: 4 << 20, pages: 1024, faults: 1030, ticks: 700 }.into()),
        (0, 0, mark(Edge::End { wall_ns: 6_000, cpu_ns: 5_000, faults: 17, threads: 3 })),
    ]
}

#[test]
fn a_file_of_layout_1_is_read() {
    let reader = Reader::from_bytes(first(), false).unwrap();
    assert!(reader.header().complete);
    assert_eq!(reader.warnings(), Vec::<String>::new());
    assert_eq!(reader.documents().len(), 1);
    let read: Vec<Record> = records(&reader).into_iter().map(|(_, record)| record).collect();
    let held = held().into_iter().enumerate().map(|(i, (depth, site, event))| {
        let i = i as u64;
        Record { depth, site, start: 1_000_000 + 100 * i, duration: 50 + i, event }
    });
    assert_eq!(read, held.collect::<Vec<_>>());
}

#[test]
fn records_are_written_as_layout_1_has_them() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options { limit_bytes: 1 << 20, ahead_bytes: 1 << 16 }).unwrap();
    writer.document("site", "{}").unwrap();
    for (i, (depth, site, event)) in held().into_iter().enumerate() {
        let start = 1_000_000 + 100 * i as u64;
        push(event, depth, site, start, start + 50 + i as u64);
    }
    writer.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[RECORDS..], first()[RECORDS..]);
}
