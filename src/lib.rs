//! raptors-trace shows why one piece of numeric code is slower than another.
//!
//! The modules are floors, the lowest last. A module imports only from the floors below it; a test in `tests/` checks
//! that.
pub mod analysis;
pub mod commands;
pub mod explain;
pub mod machine;
pub mod model;
pub mod run;
pub mod tracers;
pub mod views;
