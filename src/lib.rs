//! raptors-trace shows why one array library is slower than another.
pub mod cli;
pub mod comparison;
pub mod error;
pub mod report;
pub mod run;
