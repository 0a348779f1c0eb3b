//! Tools that look at a process from outside: bpftrace, DTrace, perf, `sample` and Instruments, and the scripts for
//! them.
//!
//! What each tool needs is in [`tool`], how it is run and ended in `session`, what it loses in `losses`. What is
//! asked of them: calls counted in rounds ([`engines`]) and of any process ([`calls`]), sampled stacks (`stacks`),
//! recordings for somebody to open ([`recordings`]).

pub mod calls;
pub mod engines;
pub mod instruments;
pub mod leftovers;
mod losses;
pub mod recordings;
pub mod scripts;
mod session;
pub(crate) mod stacks;
pub mod tool;
