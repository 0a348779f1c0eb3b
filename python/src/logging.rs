//! `RAPTORS_LOG`: spans on standard error. `RAPTORS_SIGNPOSTS`: spans in Apple's Instruments.
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::platform;

const LOG: &str = "RAPTORS_LOG";

/// A layer of the process's subscriber.
pub type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Sets up the subscriber if one of the variables asks for it.
///
/// # Errors
/// None of its own: a variable with an invalid value is a RuntimeWarning, which `-W error` raises.
pub fn set_up(py: Python<'_>) -> PyResult<()> {
    let mut layers: Vec<AnyLayer> = Vec::new();
    for wanted in [log(), signposts()] {
        match wanted {
            Ok(layer) => layers.extend(layer),
            Err(sentence) => warn(py, &sentence)?,
        }
    }
    if layers.is_empty() {
        return Ok(());
    }
    match tracing_subscriber::registry().with(layers).try_init() {
        Ok(()) => Ok(()),
        Err(error) => warn(py, &format!("spans are not shown: {error}")),
    }
}

fn log() -> Result<Option<AnyLayer>, String> {
    let text = std::env::var(LOG).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let filter = EnvFilter::try_new(&text).map_err(|error| format!("{LOG}={text} is not a filter: {error}"))?;
    let layer =
        fmt::layer().with_span_events(FmtSpan::NEW | FmtSpan::CLOSE).with_writer(std::io::stderr).with_filter(filter);
    Ok(Some(layer.boxed()))
}

fn signposts() -> Result<Option<AnyLayer>, String> {
    let value = std::env::var(raptors_signposts::VARIABLE).ok();
    if !raptors_signposts::asked(value.as_deref())? {
        return Ok(None);
    }
    platform::signposts().map(Some)
}

fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    let text = std::ffi::CString::new(message).unwrap_or_default();
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)
}
