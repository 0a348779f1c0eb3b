//! What works on this machine, what does not and why, and the command that mends it.

use crate::cli::Host;

/// What is to be examined.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Remove what a killed tracer left in the kernel.
    pub clean: bool,
    /// What started the command.
    pub host: Host,
}
