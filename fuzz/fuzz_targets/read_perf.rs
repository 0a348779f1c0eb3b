//! Whatever the bytes, what `perf script` printed is an error or samples: `cargo +nightly fuzz run read_perf`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raptors_flamegraphs::{PerfScript, Roles, Side, Tag, Tree, View};

fuzz_target!(|input: &[u8]| {
    let Ok(script) = PerfScript::read(input) else {
        return;
    };
    let side = Side::new(&script.profile, Tag::A);
    for view in [View::Stacks, View::Roles] {
        let tree = Tree::new(side, view, &Roles::default()).unwrap();
        let count = script.profile.tags()[&Tag::A].0;
        assert!((tree.nodes()[0].total[0] - count as f64).abs() < 1e-6);
    }
});
