//! raptors-trace shows why one piece of numeric code is slower than another.
//!
//! The modules are floors, here the highest first: [`commands`], [`views`], [`explain`], [`run`], [`analysis`],
//! [`tracers`], [`machine`], [`model`]. A module imports only from the floors below its own, and modules of one floor
//! import each other in one direction; `tests/integration/floors.rs` checks both.
pub mod analysis;
pub mod commands;
pub mod explain;
pub mod machine;
pub mod model;
pub mod run;
pub mod tracers;
pub mod views;
