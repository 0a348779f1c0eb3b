//! Whatever file is said to hold a frame's code, the frame gets a name: `cargo +nightly fuzz run read_module`.
//! The first two bytes of the input are the frame's offset, in sixteens.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use raptors_flamegraphs::names::Names;
use raptors_flamegraphs::{Frame, Profile, Tag};

fuzz_target!(|input: &[u8]| {
    let Some((&[high, low], module)) = input.split_first_chunk() else {
        return;
    };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(module).unwrap();
    let mut profile = Profile::default();
    let offset = u64::from(u16::from_be_bytes([high, low])) * 16;
    let path = file.path().to_str().unwrap().into();
    let frame = profile.intern(Frame::unnamed(path, offset));
    profile.add([frame], 0, Tag::A, 1);
    let named = Names::default().debug_root("/nonexistent").name(&profile);
    assert_eq!(named.tags()[&Tag::A].0, 1);
    assert!(named.frames().iter().all(|frame| !frame.name.is_empty()));
});
