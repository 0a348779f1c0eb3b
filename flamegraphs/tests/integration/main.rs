//! The tests of reading, naming, drawing and exporting. `tests/capture.rs` is a program of its own: a process has one
//! sampler, which sees all of its threads, and that test counts their allocations.
//!
//! `BLESS=1 cargo test -p raptors-flamegraphs --test integration golden` writes the golden files anew.

mod common;
mod export;
mod golden;
mod hostile_names;
mod names;
mod xctrace;
