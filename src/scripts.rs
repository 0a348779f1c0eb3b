//! The D and bpftrace scripts, made from the catalogue and the list of probes.

use crate::cli::Host;

/// Which script is to be printed, and for what it is filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Its name.
    pub name: String,
    /// What started the command.
    pub host: Host,
}
