//! The calls that an in-process observer gets: order, arguments, and none after it is removed.

use raptors_probes::{self as probes, Observer, PROBES, Text, set_observer};
use std::cell::RefCell;

thread_local! {
    // Per thread, because the observer belongs to the whole process and tests run in parallel.
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// An observer of all probes that records each call: `recorder!(name(argument: Type, …) …)`.
macro_rules! recorder {
    ($($name:ident($($argument:ident: $type:ty),*))*) => {
        Observer { $($name: {
            fn seen($($argument: $type),*) {
                let mut line = String::from(stringify!($name));
                $(line.push_str(&format!(" {:?}", $argument));)*
                SEEN.with_borrow_mut(|seen| seen.push(line));
            }
            seen
        }),* }
    };
}

static RECORDER: Observer = recorder! {
    scale_entry(n: u64, item_size: u32, factor_bits: u64, kind: u32)
    scale_return(n: u64, ok: u32)
    dispatch(backend: Text, reason: Text, threads: u32, n: u64)
    alloc_entry(bytes: u64)
    alloc_return(data: usize, bytes: u64, recycled: u32)
    free_entry(data: usize, bytes: u64)
    free_return(data: usize, bytes: u64)
    convert_entry(direction: Text, n: u64, item_size: u32)
    convert_return(direction: Text, n: u64, copied: u32)
    backend_entry(backend: Text, n: u64, src: usize, dst: usize, factor_bits: u64, item_size: u32)
    backend_return(backend: Text, n: u64)
    chunk_entry(thread: u32, start: u64, end: u64)
    chunk_return(thread: u32, start: u64, end: u64)
    round_entry(index: u32, side: u32, kind: u32, ops: u64)
    round_return(index: u32, side: u32, kind: u32, ops: u64)
};

fn fire_all() {
    probes::scale_entry(u64::MAX, 1, 2, 3);
    probes::scale_return(4, 5);
    probes::dispatch(c"simd", c"because", 6, 7);
    probes::alloc_entry(8);
    probes::alloc_return(usize::MAX, 9, 10);
    probes::free_entry(11, 12);
    probes::free_return(13, 14);
    probes::convert_entry(c"from_numpy", 15, 16);
    probes::convert_return(c"to_numpy", 17, 18);
    probes::backend_entry(c"parallel", 19, 20, 21, 22, 23);
    probes::backend_return(c"scalar", 24);
    probes::chunk_entry(u32::MAX, 25, 26);
    probes::chunk_return(27, 28, 29);
    probes::round_entry(30, 31, 32, 33);
    probes::round_return(34, 35, 36, 37);
}

const EXPECTED: [&str; 15] = [
    "scale_entry 18446744073709551615 1 2 3",
    "scale_return 4 5",
    "dispatch \"simd\" \"because\" 6 7",
    "alloc_entry 8",
    "alloc_return 18446744073709551615 9 10",
    "free_entry 11 12",
    "free_return 13 14",
    "convert_entry \"from_numpy\" 15 16",
    "convert_return \"to_numpy\" 17 18",
    "backend_entry \"parallel\" 19 20 21 22 23",
    "backend_return \"scalar\" 24",
    "chunk_entry 4294967295 25 26",
    "chunk_return 27 28 29",
    "round_entry 30 31 32 33",
    "round_return 34 35 36 37",
];

fn seen_here() -> Vec<String> {
    SEEN.take()
}

// One test only: the observer belongs to the process.
#[test]
fn an_observer_sees_every_probe_in_order_while_it_is_set() {
    fire_all();
    assert!(seen_here().is_empty(), "no observer is set");

    set_observer(Some(&RECORDER));
    fire_all();
    assert_eq!(seen_here(), EXPECTED);
    assert_eq!(EXPECTED.len(), PROBES.len(), "this test fires every probe");
    let other = std::thread::spawn(|| {
        fire_all();
        seen_here()
    });
    assert_eq!(other.join().expect("the thread ends"), EXPECTED, "on another thread");
    assert!(seen_here().is_empty(), "an observer runs on the thread that fires");

    static ONE: Observer = Observer { alloc_entry: RECORDER.alloc_entry, ..Observer::NOOP };
    set_observer(Some(&ONE));
    fire_all();
    assert_eq!(seen_here(), ["alloc_entry 8"]);

    set_observer(None);
    fire_all();
    assert!(seen_here().is_empty(), "the observer is taken away");
}
