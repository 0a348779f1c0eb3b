//! The tests of the kernel from outside that share nothing but its pool. Those that set what belongs to the whole
//! process, as the observer and the environment do, are the program `tests/process`.

mod allocations;
mod bitwise;
mod buffer;
mod choice;
#[path = "../common/mod.rs"]
mod common;
mod cost;
#[cfg(target_arch = "x86_64")]
mod flags;
#[cfg(unix)]
mod threads;
