//! The tests of the run file from outside. A process has one writer at a time, so those that write take turns
//! ([`common::one_at_a_time`]). `tests/ten_million.rs` is a program of its own: its writer needs the processors to
//! itself, and it measures the memory of the whole process.

mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod descriptor;
mod fork;
mod hot_path;
mod kill;
mod layout;
mod reserve;
mod roundtrip;
mod threads;
