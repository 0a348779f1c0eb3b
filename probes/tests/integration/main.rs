//! The tests of the provider from outside: its list, its notes in a binary, its observer.

mod list;
#[cfg(all(target_os = "linux", feature = "usdt-probes"))]
mod notes;
#[cfg(feature = "observer")]
mod observer;
