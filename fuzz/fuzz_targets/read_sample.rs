//! Whatever the text, a report of macOS's `sample` is an error or samples: `cargo +nightly fuzz run read_sample`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raptors_flamegraphs::{Tag, is_sample, read_sample};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    if let Ok(profile) = read_sample(&text) {
        assert!(is_sample(&text));
        assert!(profile.tags()[&Tag::A].0 > 0);
    }
});
