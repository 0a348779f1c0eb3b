//! Whatever the text, folded stacks are an error or stacks that are written as they were read, and can be
//! drawn and written for every tool: `cargo +nightly fuzz run read_folded`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raptors_flamegraphs::{Folded, Format, Picture, Profile, draw, export};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let Ok(folded) = Folded::parse(&text) else {
        return;
    };
    assert_eq!(Folded::parse(&folded.to_string()).unwrap(), folded);
    if folded.total() == 0 {
        return;
    }
    let svg = draw(&folded, &Picture { title: &text, ..Picture::default() }).unwrap();
    assert_eq!(svg.matches("<script").count(), 1);
    let profile = Profile::from(&folded);
    for format in Format::ALL {
        assert!(!export(&profile, format, &text).unwrap().is_empty());
    }
});
