//! Plain values: the subject and the result of a comparison, numbers in text, and errors. No input or output.

pub mod budget;
pub mod comparison;
pub mod error;
pub mod progress;
pub mod protocol;
pub mod subject;
pub mod switches;
pub mod text;
pub mod tool;
pub(crate) mod units;
