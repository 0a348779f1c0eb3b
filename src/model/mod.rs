//! Plain values: what a comparison is about, what it found, and how numbers and errors read. No input or output.

pub mod budget;
pub mod comparison;
pub mod error;
pub mod progress;
pub mod subject;
pub mod text;
pub mod tool;
pub(crate) mod units;
