//! The project's own commands: compare, test and the checks of CI.
fn main() {}
