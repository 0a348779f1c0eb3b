//! The table of loop trampolines.

use std::fmt::Write as _;

/// As `CAPACITY` in `src/loops/trampolines.rs`, which the compiler holds this against.
const LOOPS: usize = 4096;

pub fn trampolines() -> String {
    let mut table = String::from("pub(super) static TRAMPOLINES: [LoopFn; CAPACITY] = [\n");
    for i in 0..LOOPS {
        writeln!(table, "    trampoline::<{i}>,").expect("a String takes all text");
    }
    table + "];\n"
}
