//! The floating-point mode of this thread that treats denormal numbers as zero.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Sets whether denormal operands and results of this thread are treated as zero; returns the previous mode.
///
/// Raises RuntimeError if no such mode is known for this processor.
#[pyfunction]
pub fn flush_denormals(flush: bool) -> PyResult<bool> {
    let before =
        read().ok_or_else(|| PyRuntimeError::new_err("denormals cannot be flushed on this kind of processor"))?;
    write(if flush { before | FLUSH } else { before & !FLUSH });
    Ok(before & FLUSH == FLUSH)
}

/// Flush-to-zero and denormals-are-zero, bits 15 and 6 of MXCSR (Intel SDM, volume 1, section 10.2.3).
#[cfg(target_arch = "x86_64")]
const FLUSH: u32 = 1 << 15 | 1 << 6;

#[cfg(target_arch = "x86_64")]
fn read() -> Option<u32> {
    let mut mxcsr = 0_u32;
    // SAFETY: stmxcsr writes 4 bytes to the address, which is that of a u32; SSE is part of x86-64.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack)) };
    Some(mxcsr)
}

#[cfg(target_arch = "x86_64")]
fn write(mxcsr: u32) {
    // SAFETY: only the two bits above differ from the register's earlier value, so no reserved bit is set. Rust's own
    // computations between two rounds have no denormals to lose; the mode is for NumPy's loops.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack, readonly)) };
}

/// FZ, bit 24 of FPCR (Arm Architecture Reference Manual, C5.2.7).
#[cfg(target_arch = "aarch64")]
const FLUSH: u32 = 1 << 24;

#[cfg(target_arch = "aarch64")]
fn read() -> Option<u32> {
    let fpcr: u64;
    // SAFETY: reading FPCR is allowed in user space and changes nothing.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) fpcr, options(nomem, nostack)) };
    Some(fpcr as u32)
}

#[cfg(target_arch = "aarch64")]
fn write(fpcr: u32) {
    // SAFETY: as on x86-64; the upper half of the register is reserved and reads as zero.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) u64::from(fpcr), options(nomem, nostack)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FLUSH: u32 = 0;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn read() -> Option<u32> {
    None
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn write(_: u32) {}
