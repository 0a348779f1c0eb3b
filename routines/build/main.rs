//! Turns the tables in `tables/` into the static catalogue that the crate includes.

mod emit;
mod expand;
mod table;

use std::{env, fs, path::Path};

/// The tables, in the order of the README.
const TABLES: [&str; 5] = ["blas.txt", "extensions.txt", "lapack.txt", "vdsp.txt", "vforce.txt"];

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=tables");
    let root = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
    let mut routines = Vec::new();
    for file in TABLES {
        let path = Path::new(&root).join("tables").join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for entry in table::parse(file, &text) {
            routines.extend(expand::expand(&entry));
        }
    }
    routines.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = routines.windows(2).find(|pair| pair[0].name == pair[1].name) {
        panic!("{} is in the tables twice", pair[0].name);
    }
    let out = env::var("OUT_DIR").expect("Cargo sets OUT_DIR");
    let path = Path::new(&out).join("catalogue.rs");
    fs::write(&path, emit::source(&routines)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
