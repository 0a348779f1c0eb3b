//! Tools that watch a process from outside: bpftrace, DTrace, perf, `sample` and Instruments, and the scripts for them.

pub mod attach;
pub mod engines;
pub mod instruments;
pub mod leftovers;
pub mod live;
pub(crate) mod sampling;
pub mod scripts;
