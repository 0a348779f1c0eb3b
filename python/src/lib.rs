//! The extension module `raptors_trace._native`: the kernel and the observers, callable from Python.
use pyo3::prelude::*;

#[pymodule]
mod _native {}
