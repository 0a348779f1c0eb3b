//! The tests of the observers from outside. Observers and the run file belong to the whole process, so the tests take
//! turns ([`support::alone`]).

mod kernel;
mod loops;
mod macho;
mod memory;
mod nonlocal;
#[cfg(target_os = "linux")]
mod routines;
#[cfg(target_os = "linux")]
mod scopes;
#[cfg(target_os = "linux")]
mod standin;
mod support;
