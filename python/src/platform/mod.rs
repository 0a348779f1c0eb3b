//! What differs between operating systems; the only place with `target_os` in this package.
//!
//! Each system offers the same functions: hardware counters of this process, and spans for the system's own tool.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as system;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as spans;

#[cfg(not(target_os = "macos"))]
mod elsewhere;
#[cfg(not(target_os = "macos"))]
use elsewhere as spans;

use crate::logging::AnyLayer;

/// Cycles, instructions, cache misses, data TLB misses in user space; `None` for what this machine does not count.
pub type Counts = [Option<f64>; 4];

/// Starts counting, for this thread and those that are started later. Counters the machine lacks are left out; with
/// neither cycles nor instructions it fails and says why.
pub fn open_counters() -> Result<(), String> {
    system::open_counters()
}

/// Counts so far.
pub fn read_counters() -> Counts {
    system::read_counters()
}

/// The layer that shows spans in Apple's Instruments; an error, in one sentence, on other systems.
pub fn signposts() -> Result<AnyLayer, String> {
    spans::signposts()
}

/// Whether the kernel's spans are shown there too, or those of rounds only: timing rounds run without any observer.
pub fn show_kernel(on: bool) {
    spans::show_kernel(on);
}
