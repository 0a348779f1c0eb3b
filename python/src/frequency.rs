//! The frequency of the processor's clock.

use std::time::Instant;

use pyo3::prelude::*;

/// Dependent additions: about 50 µs, short compared with the time for which a processor keeps a frequency, long
/// compared with a clock read.
const ADDITIONS: u32 = 160_000;
const UNROLLED: u32 = 16;

/// The present frequency of this thread's processor in GHz, from a chain of dependent additions: each takes one cycle
/// on every processor that these instructions are for (Fog, Instruction tables; Arm's optimization guides). None on
/// other processors.
///
/// Other programs on the same processor, and the host of a virtual machine, make the value lower: take the median of
/// several.
#[pyfunction]
pub fn clock_ghz() -> Option<f64> {
    let started = Instant::now();
    let done = chain()?;
    let ns = started.elapsed().as_nanos();
    std::hint::black_box(done);
    (ns > 0).then(|| f64::from(ADDITIONS) / ns as f64)
}

/// The same instruction sixteen times.
macro_rules! sixteen {
    ($instruction:literal) => {
        concat!(
            sixteen!(@4 $instruction),
            sixteen!(@4 $instruction),
            sixteen!(@4 $instruction),
            sixteen!(@4 $instruction)
        )
    };
    (@4 $instruction:literal) => {
        concat!($instruction, "\n", $instruction, "\n", $instruction, "\n", $instruction, "\n")
    };
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn chain() -> Option<u64> {
    let (mut sum, one) = (0_u64, 1_u64);
    for _ in 0..ADDITIONS / UNROLLED {
        // SAFETY: additions between two registers; no memory, no stack. Two registers, because some processors add a
        // constant in no time while they rename registers.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::asm!(sixteen!("add {0}, {1}"), inout(reg) sum, in(reg) one, options(pure, nomem, nostack));
        }
        // SAFETY: as on x86-64.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            std::arch::asm!(sixteen!("add {0}, {0}, {1}"), inout(reg) sum, in(reg) one, options(pure, nomem, nostack));
        }
    }
    Some(sum)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn chain() -> Option<u64> {
    None
}
