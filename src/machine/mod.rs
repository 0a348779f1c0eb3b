//! The machine: what it is, what memory it has, how fast that memory can be at most, and how fast its arithmetic.

pub(crate) mod ask;
mod bandwidth;
mod cache;
pub(crate) mod command;
mod compute;
pub mod elf;
pub(crate) mod files;
pub mod interpreter;
pub(crate) mod interrupt;
pub(crate) mod invoker;
mod limit;
mod peak;
pub(crate) mod pipe;
pub(crate) mod platform;
mod stream;
mod together;

pub use limit::{Limit, kept, limit};
#[cfg(target_os = "linux")]
pub use platform::mappings_in;

use crate::model::comparison::Machine;
use crate::model::error::Error;
use crate::model::subject::Dtype;
use crate::model::subject::Shape;

/// Arrays of one size that are alive at once: the operand, the values both sides gave for the check, the result of
/// the operation that runs, and one more that an allocator holds back.
const ARRAYS_ALIVE: u64 = 5;

/// The facts of this machine; what is measured of it ([`describe`]) stays empty.
pub fn facts() -> Machine {
    let caches = platform::caches();
    Machine {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cpu: platform::cpu_name(),
        cores: platform::cores_usable(),
        cores_online: platform::cores_online(),
        l1d: caches.l1d,
        l2: caches.l2,
        l3: caches.l3,
        thp: platform::transparent_huge_pages(),
        kernel: platform::kernel(),
        page_size: platform::page_size(),
        memory: platform::memory_total(),
        ..Machine::default()
    }
}

/// Memory that can be had now without swapping, bytes.
pub fn available_memory() -> Option<u64> {
    platform::memory_available()
}

/// The C library's allocator, as far as this process can tell.
pub fn allocator() -> Option<String> {
    platform::allocator()
}

/// The facts of this machine with its memory limit and its compute peak, which are measured if they never were, or
/// `anew` (about 2 s). `verbose` says on standard error where they could not be kept.
///
/// # Errors
/// None today; a machine that cannot be told apart is described with less.
pub fn describe(anew: bool, verbose: bool) -> Result<Machine, Error> {
    let mut machine = facts();
    let (limit, peak) = (limit(&machine, anew), peak::peak(&machine, anew));
    for note in [limit.note, peak.note].into_iter().flatten() {
        if verbose {
            eprintln!("note: {}", crate::model::text::escape(&note));
        }
    }
    machine.limit_gb_s = limit.gb_s;
    machine.limit_details = limit.details;
    machine.peak_gflop_s = peak::most(&peak.details, machine.cores);
    machine.peak_details = peak.details;
    Ok(machine)
}

/// Whether a comparison at this shape fits into the memory that is available now.
///
/// # Errors
/// A sentence with what is needed and what is there.
pub fn check_fits(shape: &Shape, dtype: Dtype) -> Result<(), Error> {
    available_memory().map_or(Ok(()), |available| check_fits_in(shape, dtype, available))
}

/// Whether a comparison at this shape fits into `available` bytes.
///
/// # Errors
/// A sentence with what is needed and what is there.
pub fn check_fits_in(shape: &Shape, dtype: Dtype, available: u64) -> Result<(), Error> {
    let needed = shape.bytes(dtype).and_then(|bytes| bytes.checked_mul(ARRAYS_ALIVE));
    if needed.is_some_and(|needed| needed <= available) {
        return Ok(());
    }
    let gib = |bytes: f64| format!("{:.1} GiB", bytes / (1_u64 << 30) as f64);
    let exact = shape.elements() as f64 * dtype.item_size() as f64 * ARRAYS_ALIVE as f64;
    Err(Error::new(format!(
        "{} at {shape} does not fit in memory: {} needed ({ARRAYS_ALIVE} arrays), {} available",
        dtype.as_str(),
        gib(exact),
        gib(available as f64)
    ))
    .help("choose a smaller --size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_does_not_fit_is_told_with_both_figures() {
        let shape: Shape = "40000".parse().unwrap();
        let error = check_fits_in(&shape, Dtype::Float32, 8 << 30).unwrap_err();
        let expected = "float32 at 40000 × 40000 does not fit in memory: 29.8 GiB needed (5 arrays), 8.0 GiB available";
        assert_eq!(error.to_string(), expected);
        assert!(check_fits_in(&shape, Dtype::Float32, 32 << 30).is_ok());
        let huge: Shape = "1000000000".parse().unwrap();
        assert!(check_fits_in(&huge, Dtype::Float64, u64::MAX).is_err(), "the product overflows u64");
    }

    #[test]
    fn facts_of_this_machine_are_there() {
        let facts = facts();
        assert!(facts.cores >= 1 && facts.cores <= facts.cores_online, "{facts:?}");
        assert!(!facts.cpu.is_empty() && !facts.kernel.is_empty(), "{facts:?}");
        let (total, available) = (facts.memory, available_memory());
        if let (Some(total), Some(available)) = (total, available) {
            assert!(available <= total, "{available} of {total}");
        }
    }
}
