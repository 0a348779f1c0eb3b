//! The command `raptors-trace`.

pub mod options;

use std::path::PathBuf;

/// What started the command, where that says something about the interpreter to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The interpreter that runs the console script; `None` for the plain binary.
    pub python: Option<PathBuf>,
}
