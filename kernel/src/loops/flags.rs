//! The floating-point exception flags of the current thread.
//!
//! They stay raised until cleared, and each thread has its own. Flags that a pool's thread raised therefore have to be
//! raised again on the thread that requested the operation.

#[cfg(target_arch = "x86_64")]
mod register {
    use std::arch::asm;

    /// Invalid, denormal, divide by zero, overflow, underflow, inexact.
    pub(super) const FLAGS: u64 = 0x3f;

    pub(super) fn read() -> u64 {
        let mut value = 0u32;
        // SAFETY: stores MXCSR to the address given and touches nothing else.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags));
        }
        value.into()
    }

    pub(super) fn write(value: u64) {
        let value = value as u32;
        // SAFETY: `value` came from `read` with other sticky bits, so rounding, masks and flush-to-zero stay as they
        // were and no exception becomes unmasked.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod register {
    use std::arch::asm;

    /// Invalid, divide by zero, overflow, underflow, inexact, and input denormal.
    pub(super) const FLAGS: u64 = 0x9f;

    pub(super) fn read() -> u64 {
        let value;
        // SAFETY: reads FPSR.
        unsafe { asm!("mrs {}, fpsr", out(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    }

    pub(super) fn write(value: u64) {
        // SAFETY: FPSR holds sticky flags only; no mode changes.
        unsafe { asm!("msr fpsr, {}", in(reg) value, options(nomem, nostack)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod register {
    pub(super) const FLAGS: u64 = 0;

    pub(super) fn read() -> u64 {
        0
    }

    pub(super) fn write(_: u64) {}
}

/// Runs `work` and returns the flags that it raised on this thread; the thread's own flags are unchanged.
pub(crate) fn collect(work: impl FnOnce()) -> u64 {
    let before = register::read();
    register::write(before & !register::FLAGS);
    work();
    let raised = register::read() & register::FLAGS;
    register::write(before);
    raised
}

/// Raises flags that `collect` returned, on this thread.
pub(crate) fn raise(flags: u64) {
    if flags != 0 {
        register::write(register::read() | flags);
    }
}
