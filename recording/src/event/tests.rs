use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn kinds_are_numbered_from_one_without_gaps() {
    for (i, kind) in Kind::ALL.iter().enumerate() {
        assert_eq!(*kind as usize, i + 1);
        assert_eq!(Kind::from_number(*kind as u8), Some(*kind));
    }
    for (i, kind) in RoundKind::ALL.iter().enumerate() {
        assert_eq!(*kind as usize, i + 1);
        assert_eq!(RoundKind::from_number(*kind as u8), Some(*kind));
    }
    let beyond = [Kind::ALL.len() as u8 + 1, RoundKind::ALL.len() as u8 + 1];
    assert_eq!([Kind::from_number(0), Kind::from_number(beyond[0])], [None; 2]);
    assert_eq!([RoundKind::from_number(0), RoundKind::from_number(beyond[1])], [None; 2]);
}

fn operands() -> impl Strategy<Value = (Alignments, Aliasing, Option<u64>)> {
    let alias = prop_oneof![Just(Alias::Apart), Just(Alias::Same), Just(Alias::Overlap)];
    (vec(any::<usize>(), 0..=8), vec(alias, 0..=16), any::<Option<u64>>()).prop_map(|(pointers, aliases, scalar)| {
        let alignments = pointers.iter().enumerate().fold(Alignments::NONE, |all, (k, pointer)| all.with(k, *pointer));
        let aliasing = aliases.iter().enumerate().fold(Aliasing::NONE, |all, (k, alias)| all.with(k, *alias));
        for (k, pointer) in pointers.iter().enumerate() {
            assert_eq!(u32::from(alignments.log2()[k]), (pointer | 1 << 12).trailing_zeros());
        }
        for (k, alias) in aliases.iter().enumerate() {
            assert_eq!(aliasing.of(k), *alias);
        }
        (alignments, aliasing, scalar)
    })
}

fn loop_call() -> impl Strategy<Value = Event> {
    let strides = any::<[i32; 4]>().prop_map(LoopShape::Strides);
    let shape = prop_oneof![strides, any::<[u32; 4]>().prop_map(LoopShape::Core)];
    (any::<u64>(), shape, operands()).prop_map(|(n, shape, (alignments, aliasing, scalar))| {
        LoopCall { n, shape, alignments, aliasing, scalar }.into()
    })
}

fn routine_call() -> impl Strategy<Value = Event> {
    (any::<u64>(), any::<[u32; 2]>(), any::<[i32; 2]>(), operands()).prop_map(
        |(m, [n, k], steps, (alignments, aliasing, scalar))| {
            RoutineCall { m, n, k, steps, alignments, aliasing, scalar }.into()
        },
    )
}

fn mark() -> impl Strategy<Value = Event> {
    let begin = any::<u64>().prop_map(|placement| Edge::Begin { placement });
    let end = (any::<(u64, u64, u16)>(), 0..1_u64 << 48).prop_map(|((wall_ns, cpu_ns, threads), faults)| Edge::End {
        wall_ns,
        cpu_ns,
        faults,
        threads,
    });
    (any::<(u32, u64)>(), 0..=1_u8, 0..RoundKind::ALL.len(), prop_oneof![begin, end])
        .prop_map(|((case, ops), side, kind, edge)| Mark { case, side, kind: RoundKind::ALL[kind], ops, edge }.into())
}

/// An event of every kind, from numbers that its fields may have.
fn event() -> impl Strategy<Value = Event> {
    let words = any::<[u64; 4]>();
    let plain =
        (words, any::<[u32; 2]>(), any::<bool>(), 0..8).prop_map(|([a, b, c, d], [e, f], yes, which)| match which {
            0 => BackendCall { n: a, src: b, dst: c, factor_bits: d, item_size: e }.into(),
            1 => Alloc { bytes: a, data: b, recycled: yes }.into(),
            2 => Free { bytes: a, data: b }.into(),
            3 => Convert { n: a, copied: yes, item_size: e }.into(),
            4 => Chunk { thread: e, start: a, end: b }.into(),
            5 => Scale { n: a, item_size: e, factor_bits: b, variant: f, ok: yes }.into(),
            6 => Dispatch { n: a, threads: e }.into(),
            _ => Touch { bytes: a, pages: b, faults: c, ticks: d }.into(),
        });
    prop_oneof![3 => loop_call(), 3 => routine_call(), 3 => mark(), 8 => plain]
}

/// Words as damage leaves them: most are small, so that many get past the checks.
fn encoded() -> impl Strategy<Value = Encoded> {
    let word = prop_oneof![4 => Just(0), 4 => 0..0x1000_u64, 1 => any::<u64>()];
    (0..Kind::ALL.len(), prop_oneof![4 => 0..4_u16, 1 => any::<u16>()], proptest::array::uniform5(word))
        .prop_map(|(kind, flags, args)| Encoded { kind: Kind::ALL[kind], flags, args })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(event in event()) {
        prop_assert_eq!(event.encode().kind, event.kind());
        prop_assert_eq!(event.encode().decode(), Ok(event));
    }

    #[test]
    fn what_is_decoded_has_no_other_encoding(encoded in encoded()) {
        if let Ok(event) = encoded.decode() {
            prop_assert_eq!(event.encode(), encoded);
        }
    }
}

#[test]
fn what_no_event_has_is_an_error_that_says_so() {
    let whole = |kind, flags, args| Encoded { kind, flags, args };
    let cases = [
        (whole(Kind::Loop, 4, [0; 5]), "kind loop has the flags 0x4"),
        (whole(Kind::Routine, 2, [0; 5]), "kind routine has the flags 0x2"),
        (whole(Kind::Free, 1, [0; 5]), "kind free has the flags 0x1"),
        (whole(Kind::Loop, 0, [0, 0, 0, 0xd0, 0]), "aligned to 2^13"),
        (whole(Kind::Loop, 0, [0, 0, 0, 3 << 62, 0]), "0xc0000000"),
        (whole(Kind::Routine, 0, [0, 0, 0, 0, 9]), "scalar, 0x9"),
        (whole(Kind::Alloc, 0, [1, 2, 7, 0, 0]), "recycled 7"),
        (whole(Kind::Backend, 0, [1, 2, 3, 4, 1 << 32]), "item_size 4294967296"),
        (whole(Kind::Dispatch, 0, [1, 2, 0, 0, 5]), "0x5 behind its last field"),
        (whole(Kind::Mark, 0, [2 << 16 | 3, 0, 0, 0, 0]), "the code 3"),
        (whole(Kind::Mark, 0, [12 << 16 | 1, 0, 0, 0, 0]), "kind 12, known are 1 to 11"),
        (whole(Kind::Mark, 0, [2 << 16 | 2 << 8 | 1, 0, 0, 0, 0]), "side 2"),
        (whole(Kind::Mark, 0, [u64::MAX << 56 | 2 << 16 | 1, 0, 0, 0, 0]), "case 1095216660480"),
        (whole(Kind::Mark, 0, [2 << 16 | 1, 0, 0, 1, 0]), "0x1 behind its last field"),
    ];
    for (encoded, part) in cases {
        let error = encoded.decode().unwrap_err();
        assert!(error.starts_with("a record of kind ") && error.contains(part), "{error}");
    }
}
