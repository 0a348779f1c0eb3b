//! Generates code that is too long to write by hand: the loop trampolines and, from the catalogue, the routines'
//! wrappers.

#[path = "build/loops.rs"]
mod loops;
#[path = "build/wrappers.rs"]
mod wrappers;

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // Apple's arm64 packs integers on the stack by their size, so there a wrapper serves one width only.
    let packed = target("VENDOR") == "apple" && target("ARCH") == "aarch64";
    for (name, text) in [("trampolines.rs", loops::trampolines()), ("wrappers.rs", wrappers::all(packed))] {
        fs::write(out.join(name), text).expect("OUT_DIR can be written");
    }
}
