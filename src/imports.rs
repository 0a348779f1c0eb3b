//! Which routines of math libraries a file can call, read from its imports without running it.

use std::path::PathBuf;

/// What is to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Files, directories, wheels and package names.
    pub subjects: Vec<PathBuf>,
}
