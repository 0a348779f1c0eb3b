//! In-process observers: imported symbols, ufunc loops, data memory and the kernel's probes.
//!
//! They need no root and no environment variable and are switched on and off at run time. Each writes one record per
//! call into the active run file (`raptors-recording`), with two clock reads, no lock and no allocation. All kinds
//! share one nesting counter per thread, so a call made inside another observed call has a depth above 0 and is never
//! added twice.
//!
//! | module | sees | by |
//! |---|---|---|
//! | [`routines`] | BLAS, LAPACK, vDSP and vForce calls | imported-symbol slots of loaded objects |
//! | [`loops`] | inner loops of NumPy's ufuncs | `PyUFunc_ReplaceLoopBySignature` |
//! | [`memory`] | NumPy's data memory | the pointers in a `PyDataMem_Handler` (NEP 49) |
//! | [`kernel`] | the scale kernel's own steps | the observer table of `raptors-probes` |
//! | [`touch`] | page faults on their own | touching fresh memory before its owner does |

pub mod kernel;
pub mod loops;
pub mod macho;
pub mod memory;
pub mod routines;
pub mod touch;

#[cfg(test)]
mod hot_path;
mod operands;
mod platform;
mod record;
mod report;
mod sites;
mod symbols;

/// Tells that the calling thread is inside no observed call, as at a round's beginning and end. Calls that it left by a
/// jump over their wrappers (`longjmp`), of which nobody is told, no longer count as outer calls of later ones.
pub fn outermost() {
    record::outermost();
    kernel::outermost();
}

pub use report::{Error, NotArmed, Object, Report};
pub use sites::record_into;
