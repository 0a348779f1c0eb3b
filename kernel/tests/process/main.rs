//! Tests that set what belongs to the whole process: the observer, the rule for NaN operands, the variable that names
//! OpenBLAS. They are a program of their own, as a test beside them would be observed or follow the rule; and in it
//! they take turns ([`common::alone`]).

#[path = "../common/mod.rs"]
mod common;
mod events;
#[cfg(target_os = "linux")]
mod hybrid;
#[cfg(target_arch = "x86_64")]
mod nan_rule;
#[cfg(target_os = "linux")]
mod openblas;
