//! The command `raptors-trace`.
fn main() {}
