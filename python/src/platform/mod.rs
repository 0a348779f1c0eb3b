//! The differences between operating systems; the only place with `target_os` in this package.
//!
//! Each system has the same functions: hardware counters of this process, and spans for the system's own tool.

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

/// Cycles, instructions, cache misses, data TLB misses in user space; `None` for a missing counter.
pub type Counts = [Option<f64>; 4];

/// Starts counting, for this thread and threads that start later. Missing counters are left out; without cycles and
/// instructions it fails and returns the reason.
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

/// Whether the kernel's spans are shown there too, or only those of rounds: timing rounds run without any observer.
pub fn show_kernel(on: bool) {
    spans::show_kernel(on);
}
