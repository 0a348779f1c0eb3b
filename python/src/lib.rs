//! The extension module `raptors_trace._native`: the kernel and the observers, callable from Python.
//!
//! The kernel's part is public as `raptors_trace.kernel`; the rest serves the driver.

mod array;
mod convert;
mod denormals;
mod factor;
mod frequency;
mod known_numpy;
mod logging;
mod ndarray;
mod observe;
mod platform;
mod rounds;
mod sampling;
mod scale;

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::prelude::*;
use raptors_trace::commands::{self, Host};

// In the form of a free-threaded build, an object's header has another length, and nothing here locks for itself.
#[cfg(Py_GIL_DISABLED)]
compile_error!(
    "raptors-trace does not work on free-threaded Python yet: build it with an ordinary CPython 3.11 or newer"
);

#[pymodule(gil_used = true)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::array::Array;
    #[pymodule_export]
    use super::convert::from_numpy;
    #[pymodule_export]
    use super::denormals::flush_denormals;
    #[pymodule_export]
    use super::frequency::clock_ghz;
    #[pymodule_export]
    use super::known_numpy::require_numpy;
    #[pymodule_export]
    use super::main;
    #[pymodule_export]
    use super::observe::{
        arm, begin_round, clock_read_ns, disarm, document, end_round, finish_recording, lost, open_counters,
        read_counters, read_recording, rescan, start_recording, ticks,
    };
    #[pymodule_export]
    use super::rounds::name_case;
    #[pymodule_export]
    use super::sampling::{finish_sampling, sample, start_sampling};
    #[pymodule_export]
    use super::scale::{Choice, backends, last_choice, scale, trim};

    #[pymodule_export]
    const GIL_RELEASE_SIZE: usize = crate::scale::GIL_RELEASE_SIZE;
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("RoundKind", observe::round_kinds(module.py())?)?;
        logging::set_up(module.py())
    }
}

/// Runs the command line `argv`, the command's name first, and returns its exit code.
#[pyfunction]
fn main(py: Python<'_>, argv: Vec<OsString>) -> PyResult<i32> {
    let python: PathBuf = py.import("sys")?.getattr("executable")?.extract()?;
    let host = Host { python: Some(python).filter(|path| !path.as_os_str().is_empty()) };
    Ok(py.detach(|| commands::main_in(host, argv)))
}
