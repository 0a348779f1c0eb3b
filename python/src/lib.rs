//! The extension module `raptors_trace._native`: the kernel and the observers, callable from Python.
//!
//! The kernel's part is public as `raptors_trace.kernel`; the rest serves the driver.

mod array;
mod convert;
mod factor;
mod logging;
mod ndarray;
mod observe;
mod scale;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::main;
    #[pymodule_export]
    use super::array::Array;
    #[pymodule_export]
    use super::convert::from_numpy;
    #[pymodule_export]
    use super::observe::{
        arm, disarm, document, finish_recording, lost, mark, rescan, start_recording, ticks,
    };
    #[pymodule_export]
    use super::scale::{Choice, backends, last_choice, scale};

    #[pymodule_export]
    const GIL_RELEASE_SIZE: usize = crate::scale::GIL_RELEASE_SIZE;
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        logging::set_up(module.py())
    }
}

/// Runs the command line `argv`, the command's name first, and returns its exit code.
#[pyfunction]
fn main(py: Python<'_>, argv: Vec<String>) -> i32 {
    py.detach(|| raptors_trace::cli::main(argv))
}
