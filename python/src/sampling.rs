//! What the driver uses to sample: one sampler at a time, which is told whose code runs.
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use raptors_flamegraphs::Tag;
use raptors_flamegraphs::capture::{Capture, Sampler};

static SAMPLER: Mutex<Option<Sampler>> = Mutex::new(None);

fn sampler() -> MutexGuard<'static, Option<Sampler>> {
    SAMPLER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: raptors_flamegraphs::Error) -> PyErr {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    PyRuntimeError::new_err(text)
}

/// Prepares to sample this process, `frequency` times a second of CPU time or as often as the kernel's timer allows.
/// RuntimeError where it is being sampled already, or its signal or timer cannot be set.
#[pyfunction]
pub fn start_sampling(py: Python<'_>, frequency: u32) -> PyResult<()> {
    let mut held = sampler();
    if held.is_some() {
        return Err(failed(raptors_flamegraphs::Error::Busy));
    }
    // pprof walks the stack once for itself, which reads every loaded file.
    *held = Some(py.detach(|| Sampler::start(frequency)).map_err(failed)?);
    Ok(())
}

/// Gives what runs from now on to side 0 or 1, or with None to nobody.
#[pyfunction]
#[pyo3(signature = (side))]
pub fn sample(side: Option<u8>) -> PyResult<()> {
    match sampler().as_mut() {
        Some(sampler) => sampler.switch(side.map(Tag)).map_err(failed),
        None => Err(PyRuntimeError::new_err(
            "nothing is sampled: call start_sampling first",
        )),
    }
}

/// Ends sampling; what was seen, as JSON. RuntimeError where there is not one sample.
#[pyfunction]
pub fn finish_sampling(py: Python<'_>) -> PyResult<String> {
    let Some(sampler) = sampler().take() else {
        return Err(PyRuntimeError::new_err(
            "nothing is sampled: call start_sampling first",
        ));
    };
    let capture = py.detach(|| sampler.finish()).map_err(failed)?;
    serde_json::to_string(&document(&capture))
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

fn document(capture: &Capture) -> serde_json::Value {
    let sides = capture.sampled.iter().map(|(tag, sampled)| {
        serde_json::json!({
            "side": tag.0,
            "samples": sampled.samples,
            "dropped": sampled.dropped,
            "wall_ns": nanoseconds(sampled.wall),
            "cpu_ns": nanoseconds(sampled.cpu),
        })
    });
    serde_json::json!({
        "sides": sides.collect::<Vec<_>>(),
        "record": capture.profile.record(),
    })
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
