//! Whatever the bytes, the stacks that DTrace printed are an error or samples: `cargo +nightly fuzz run read_dtrace`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raptors_flamegraphs::{DtraceStacks, Loaded, Place, Tag};

fuzz_target!(|input: &[u8]| {
    let whole = DtraceStacks::read(input);
    let loaded = Loaded {
        place_of: &|address| match address % 3 {
            0 => Place::NoCode,
            1 => Place::Unknown,
            _ => Place::File("/bin/a".into(), address),
        },
        path_of: &|name| Some(name.into()),
    };
    let placed = DtraceStacks::read_in(input, &loaded);
    // What is left out of a stack is still counted.
    match (whole, placed) {
        (Ok(whole), Ok(placed)) => {
            let count = |stacks: &DtraceStacks| stacks.profile.tags()[&Tag::A].0;
            assert_eq!(count(&whole), count(&placed));
            assert!(placed.cut <= count(&placed));
        }
        (Err(_), _) => {}
        (Ok(_), Err(error)) => panic!("{error}"),
    }
});
