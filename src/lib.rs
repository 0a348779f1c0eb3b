//! raptors-trace shows why one array library is slower than another.
pub mod comparison;
