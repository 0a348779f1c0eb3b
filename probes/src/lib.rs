//! The USDT provider `raptors`, and the table that an in-process observer fills.
//!
//! `provider.d` is the only list of probes; the build generates one function for each. A call of such a function fires
//! the probe of that name for DTrace, bpftrace, perf and SystemTap (feature `usdt-probes`: SystemTap notes on Linux,
//! real DTrace probes on macOS, nothing elsewhere, with the arguments type-checked everywhere). It then calls the entry
//! of the same name in the `Observer` that `set_observer` has set (feature `observer`). Without a tracer or an observer
//! it costs a call, a one-byte nop, and a load with a branch. With both features off the functions are empty.
//!
//! Each function is compiled once, so each probe has one site in a binary: tracers count an operation once and attach
//! in one place.

#[cfg(feature = "observer")]
mod observer;
#[cfg(any(feature = "usdt-probes", feature = "observer"))]
mod passed;
#[cfg(feature = "usdt-probes")]
mod platform;
mod probes;

#[cfg(feature = "observer")]
pub use observer::set_observer;
#[cfg(any(feature = "usdt-probes", feature = "observer"))]
pub use passed::Text;
pub use probes::*;

/// The text of `provider.d`, from which everything here is generated.
pub const PROVIDER_D: &str = include_str!("../provider.d");

/// One probe of [`PROBES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The name DTrace shows: `scale-entry`.
    pub name: &'static str,
    /// The name `provider.d`, SystemTap and bpftrace use: `scale__entry`.
    pub stap_name: &'static str,
    /// Its arguments in order.
    pub arguments: &'static [Argument],
}

/// One argument of a [`Probe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name in `provider.d`.
    pub name: &'static str,
    /// Its C type: `uint32_t`, `uint64_t`, `uintptr_t` or `char *`.
    pub c_type: &'static str,
}
