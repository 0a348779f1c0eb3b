//! raptors-trace shows why one piece of numeric code is slower than another.
//!
//! The modules are floors, lowest last. A module imports only from the floors below it; `tests/` hold it to that.
pub mod analysis;
pub mod commands;
pub mod explain;
pub mod machine;
pub mod model;
pub mod run;
pub mod tracers;
pub mod views;
