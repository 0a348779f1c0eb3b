//! The clock of the records: the CPU's counter if it is usable, else `clock_gettime`.
//!
//! A counter read costs about 10 ns, `clock_gettime` about 25, and two reads go with every record.

use std::sync::{
    OnceLock,
    atomic::{AtomicU8, Ordering},
};

use crate::platform;

/// A calibration over a shorter span than this is not trusted: reading both clocks takes some 50 ns, so the error stays
/// below 5 in a million.
pub(crate) const SHORTEST_SPAN_NS: u64 = 20_000_000;

/// The source of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ClockSource {
    /// The time-stamp counter of x86-64, constant and non-stop.
    Tsc = 1,
    /// The virtual counter of AArch64 (`cntvct_el0`).
    Cntvct = 2,
    /// `clock_gettime(CLOCK_MONOTONIC)`, if the CPU's counter is unusable; ticks are nanoseconds.
    System = 3,
}

impl ClockSource {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Self::Tsc, Self::Cntvct, Self::System].into_iter().find(|s| *s as u32 == number)
    }
}

/// The length of a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Nanoseconds per tick. 0 in the header of a file whose writer was killed before it had read its
    /// clock twice; such a file has no records.
    pub ns_per_tick: f64,
    /// Nanoseconds over which that was measured; 0 if the hardware or the clock itself gives the length.
    pub span_ns: u64,
}

impl Calibration {
    /// `ticks` (a difference of two readings) in nanoseconds.
    pub fn nanoseconds(&self, ticks: u64) -> f64 {
        ticks as f64 * self.ns_per_tick
    }
}

/// A reading of both clocks, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) ticks: u64,
    pub(crate) ns: u64,
}

impl Pair {
    /// Both clocks, the closest together of five tries: an interrupt between them would be an error.
    pub(crate) fn now() -> Self {
        let mut best = (u64::MAX, Pair { ticks: 0, ns: 0 });
        for _ in 0..5 {
            let (before, ns, after) = (ticks(), platform::monotonic_ns(), ticks());
            let gap = after.wrapping_sub(before);
            if gap <= best.0 {
                best = (gap, Pair { ticks: before.wrapping_add(gap / 2), ns });
            }
        }
        best.1
    }

    /// Nanoseconds per tick from `self` to the later `other`; None if there is no time between.
    pub(crate) fn until(&self, other: &Pair) -> Option<Calibration> {
        let ticks = other.ticks.checked_sub(self.ticks).filter(|t| *t > 0)?;
        let span_ns = other.ns.checked_sub(self.ns).filter(|t| *t > 0)?;
        Some(Calibration { ns_per_tick: span_ns as f64 / ticks as f64, span_ns })
    }
}

static SOURCE: AtomicU8 = AtomicU8::new(0);

/// The clock of this process.
pub fn source() -> ClockSource {
    match SOURCE.load(Ordering::Relaxed) {
        1 => ClockSource::Tsc,
        2 => ClockSource::Cntvct,
        3 => ClockSource::System,
        _ => {
            let found = choose();
            SOURCE.store(found as u8, Ordering::Relaxed);
            found
        }
    }
}

/// The current time of the clock. Not ordered with the instructions around it, and as cheap as the machine allows.
#[inline]
pub fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    if SOURCE.load(Ordering::Relaxed) == ClockSource::Tsc as u8 {
        // SAFETY: rdtsc is part of every x86-64 CPU, and `choose` found the counter fit.
        return unsafe { std::arch::x86_64::_rdtsc() };
    }
    #[cfg(target_arch = "aarch64")]
    if SOURCE.load(Ordering::Relaxed) == ClockSource::Cntvct as u8 {
        return cntvct();
    }
    ticks_slow()
}

#[cold]
fn ticks_slow() -> u64 {
    match source() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as in `ticks`.
        ClockSource::Tsc => unsafe { std::arch::x86_64::_rdtsc() },
        #[cfg(target_arch = "aarch64")]
        ClockSource::Cntvct => cntvct(),
        _ => platform::monotonic_ns(),
    }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn cntvct() -> u64 {
    let ticks: u64;
    // SAFETY: Linux and macOS let user code read the virtual counter. nomem: no memory is read;
    // nostack: none is pushed; preserves_flags: mrs sets none. Volatile (not pure), so that two
    // readings are never folded into one.
    unsafe {
        std::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks,
            options(nomem, nostack, preserves_flags));
    }
    ticks
}

#[cfg(target_arch = "x86_64")]
fn choose() -> ClockSource {
    use std::arch::x86_64::__cpuid;
    // SAFETY: every x86-64 CPU has cpuid; the leaf is read only if the CPU reports it. (Newer compilers call it safe.)
    #[allow(unused_unsafe)]
    let invariant = unsafe { __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & (1 << 8) != 0 };
    if invariant && platform::trusts_tsc() { ClockSource::Tsc } else { ClockSource::System }
}

#[cfg(target_arch = "aarch64")]
fn choose() -> ClockSource {
    ClockSource::Cntvct
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn choose() -> ClockSource {
    ClockSource::System
}

/// The hardware's own value for its counter, if it is exact.
pub(crate) fn nominal() -> Option<Calibration> {
    if source() == ClockSource::System {
        return Some(Calibration { ns_per_tick: 1.0, span_ns: 0 });
    }
    None
}

/// Measures the length of a tick against `CLOCK_MONOTONIC`. The first call of a process may take 20 ms; later calls use
/// the whole span since then, and become more precise.
pub fn calibrate() -> Calibration {
    static ANCHOR: OnceLock<Pair> = OnceLock::new();
    if let Some(exact) = nominal() {
        return exact;
    }
    let anchor = *ANCHOR.get_or_init(Pair::now);
    wait_for_span(anchor.ns);
    loop {
        if let Some(measured) = anchor.until(&Pair::now()) {
            return measured;
        }
    }
}

/// Returns once a calibration that began at `since_ns` spans long enough.
pub(crate) fn wait_for_span(since_ns: u64) {
    let passed = platform::monotonic_ns().saturating_sub(since_ns);
    if passed < SHORTEST_SPAN_NS {
        std::thread::sleep(std::time::Duration::from_nanos(SHORTEST_SPAN_NS - passed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_advance_and_calibrate_to_the_system_clock() {
        let unit = calibrate();
        assert!(unit.ns_per_tick > 0.01 && unit.ns_per_tick < 1000.0, "{unit:?}");
        let before = Pair::now();
        std::thread::sleep(std::time::Duration::from_millis(30));
        let after = Pair::now();
        let by_ticks = unit.nanoseconds(after.ticks - before.ticks);
        let by_clock = (after.ns - before.ns) as f64;
        assert!((by_ticks / by_clock - 1.0).abs() < 0.01, "{by_ticks} against {by_clock} ns");
    }

    #[test]
    fn a_span_without_time_calibrates_nothing() {
        let pair = Pair { ticks: 5, ns: 5 };
        assert_eq!(pair.until(&pair), None);
        assert_eq!(pair.until(&Pair { ticks: 4, ns: 9 }), None);
    }
}
