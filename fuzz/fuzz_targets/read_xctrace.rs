//! Whatever the bytes, what `xctrace export` printed is an error or samples:
//! `cargo +nightly fuzz run read_xctrace`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raptors_flamegraphs::Folded;

fuzz_target!(|input: &[u8]| {
    if let Ok(folded) = Folded::from_xctrace(input) {
        assert!(folded.total() > 0);
    }
});
