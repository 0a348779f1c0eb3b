//! A file that cannot take more calls still takes the marks of rounds and the documents that make it a run.

use raptors_recording::{Edge, Event, Mark, Options, Reader, RoundKind, Writer, push};

use crate::common::{descriptor_of, one_at_a_time, place, push_numbered, records};

const ROUNDS: u64 = 3_000;

fn push_round(round: u64) {
    let begin = Edge::Begin { placement: round };
    let end = Edge::End { wall_ns: round, cpu_ns: 0, faults: 0, threads: 1 };
    for edge in [begin, end] {
        let mark = Mark { case: 0, side: 0, kind: RoundKind::Timed, ops: round, edge };
        push(mark, 0, 0, round, round);
    }
}

/// Rounds among so many calls that the file is full before and between them.
fn push_rounds(writer: &Writer, full: impl Fn() -> bool) {
    let mut i = 0;
    while !full() {
        push_numbered(0, i);
        i += 1;
    }
    for round in 0..ROUNDS {
        push_round(round);
        (0..100).for_each(|_| push_numbered(0, 0));
        if round % 100 == 0 {
            writer.document("case", &format!("{{\"round\":{round}}}")).unwrap();
        }
    }
}

fn check(reader: &Reader) {
    let mut marks = Vec::new();
    for (_, record) in records(reader) {
        if let Event::Mark(mark) = record.event {
            marks.push((mark.ops, matches!(mark.edge, Edge::End { .. })));
        }
    }
    marks.sort_unstable();
    let expected: Vec<_> = (0..ROUNDS).flat_map(|round| [(round, false), (round, true)]).collect();
    assert!(marks == expected, "{} marks of {}", marks.len(), expected.len());
    assert_eq!(reader.documents().len() as u64, ROUNDS / 100);
    assert!(reader.header().lost.total() > 0);
}

#[test]
fn marks_and_documents_have_room_in_a_file_at_its_limit() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options { limit_bytes: 32 << 20, ahead_bytes: 1 << 20 }).unwrap();
    push_rounds(writer, || writer.lost_by_reason().limit > 0);
    writer.finish().unwrap();
    check(&Reader::open(&path).unwrap());
}

#[test]
fn marks_and_documents_have_room_in_a_file_that_cannot_grow() {
    let _turn = one_at_a_time();
    let (_dir, path) = place();
    let writer = Writer::create(&path, Options { limit_bytes: 1 << 30, ahead_bytes: 1 << 20 }).unwrap();
    // SAFETY: the number of a descriptor that is open; without it the file stays as it is.
    assert_eq!(unsafe { libc::close(descriptor_of(&path)) }, 0);
    push_rounds(writer, || writer.lost_by_reason().descriptor_closed > 0);
    writer.finish().unwrap();
    check(&Reader::open(&path).unwrap());
}
