//! The table of loop trampolines.

use std::fmt::Write as _;

/// Equal to `CAPACITY` in `src/loops/trampolines.rs`; the compiler checks this.
const LOOPS: usize = 4096;

pub fn trampolines() -> String {
    let mut table = String::from("pub(super) static TRAMPOLINES: [LoopFn; CAPACITY] = [\n");
    for i in 0..LOOPS {
        writeln!(table, "    trampoline::<{i}>,").expect("a String takes all text");
    }
    table + "];\n"
}
