//! Replacements for features of Linux only: advice, affinity, and an OpenBLAS to open.

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// No such advice here.
pub(crate) unsafe fn advise_huge_pages(_: NonNull<u8>, _: usize) {}

/// Not known here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Affinity;

impl Affinity {
    /// Not known.
    pub(crate) fn count(&self) -> Option<usize> {
        None
    }
}

/// Not known here.
pub(crate) fn affinity() -> Affinity {
    Affinity
}

/// No library is opened here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Library;

impl Library {
    pub(crate) fn open(_: &Path) -> Result<Library, String> {
        Err("OpenBLAS is opened at run time on Linux only".into())
    }

    pub(crate) fn symbol(&self, _: &str) -> Option<*mut c_void> {
        None
    }
}

/// None is looked for.
pub(crate) fn loaded(_: &str) -> Vec<PathBuf> {
    Vec::new()
}

/// None is looked for.
pub(crate) const OPENBLAS_SONAMES: &[&str] = &["libopenblas"];
