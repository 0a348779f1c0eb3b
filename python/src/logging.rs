//! `RAPTORS_LOG`: the kernel's spans on standard error.
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

const VARIABLE: &str = "RAPTORS_LOG";

/// Sets the subscriber up if the variable asks for one.
///
/// # Errors
/// None of its own: a filter that cannot be read is a RuntimeWarning, which `-W error` raises.
pub fn set_up(py: Python<'_>) -> PyResult<()> {
    let Ok(text) = std::env::var(VARIABLE) else {
        return Ok(());
    };
    if text.is_empty() {
        return Ok(());
    }
    let filter = match EnvFilter::try_new(&text) {
        Ok(filter) => filter,
        Err(error) => return warn(py, &format!("{VARIABLE}={text} is not a filter: {error}")),
    };
    let set = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_writer(std::io::stderr)
        .try_init();
    match set {
        Ok(()) => Ok(()),
        Err(error) => warn(py, &format!("{VARIABLE} has no effect: {error}")),
    }
}

fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    let text = std::ffi::CString::new(message).unwrap_or_default();
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)
}
