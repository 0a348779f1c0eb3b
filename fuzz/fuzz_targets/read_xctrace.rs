//! Whatever the text, what `xctrace export` printed is an error, or samples and signposts:
//! `cargo +nightly fuzz run read_xctrace`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raptors_flamegraphs::Folded;
use raptors_flamegraphs::xctrace::Interval;

fuzz_target!(|input: &[u8]| {
    let Ok(export) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(folded) = Folded::from_xctrace(export) {
        assert!(folded.total() > 0);
    }
    let _ = Interval::from_xctrace(export);
});
