//! The driver's sampling functions: one sampler at a time, with the tag of the running side.
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyString};
use raptors_flamegraphs::capture::python::{Call, DEPTH, Interpreter, peek};
use raptors_flamegraphs::capture::{Capture, Sampler};
use raptors_flamegraphs::{Frame, Tag};

/// The name of a function whose code object was freed before its name was read.
const GONE: &str = "[Python code that is gone]";

static SAMPLER: Mutex<State> = Mutex::new(State::Off);

/// What there is of a sampler. The lock is held for a moment only: who holds it may lose the GIL to a thread that then
/// waits for the lock with the GIL. Whatever takes longer takes the sampler out and leaves [`State::Busy`].
#[derive(Default)]
enum State {
    #[default]
    Off,
    /// A function of this file is at work on it, on another thread or further out on this one.
    Busy,
    On(Box<Sampling>),
}

/// A sampler, and the names of its Python functions.
struct Sampling {
    sampler: Sampler,
    /// The reason that no Python functions are in the stacks.
    why_no_python: Option<String>,
    /// Named code objects, by their address: while they are held, no other object can be there.
    held: HashMap<usize, Option<Py<PyAny>>>,
}

fn state() -> MutexGuard<'static, State> {
    SAMPLER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state, out of its place for as long as this lives; [`State::Off`] is put back unless something else is stored.
struct Taken(State);

impl Taken {
    /// RuntimeError if another call has it.
    fn take() -> PyResult<Taken> {
        let mut state = state();
        match std::mem::replace(&mut *state, State::Busy) {
            State::Busy => Err(PyRuntimeError::new_err(
                "the sampler is being switched by another thread: use it from one thread at a time",
            )),
            taken => Ok(Taken(taken)),
        }
    }

    /// The sampler; RuntimeError if there is none.
    fn sampling(&mut self) -> PyResult<&mut Sampling> {
        match &mut self.0 {
            State::On(sampling) => Ok(sampling),
            _ => Err(nothing_sampled()),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *state() = std::mem::take(&mut self.0);
    }
}

fn nothing_sampled() -> PyErr {
    PyRuntimeError::new_err("nothing is sampled: call start_sampling first")
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
/// RuntimeError if it is already being sampled, or its signal or timer cannot be set.
#[pyfunction]
pub fn start_sampling(py: Python<'_>, frequency: u32) -> PyResult<()> {
    let mut taken = Taken::take()?;
    if matches!(taken.0, State::On(_)) {
        return Err(failed(raptors_flamegraphs::Error::Busy));
    }
    // The first use of this type may import the module `types`, whose code objects would take the addresses of those
    // that were freed in the first block before these are named.
    let _ = py.get_type::<PyCode>();
    // pprof walks the stack once itself, which reads every loaded file.
    let mut sampler = py.detach(|| Sampler::start(frequency)).map_err(failed)?;
    let why_no_python = match interpreter(py)? {
        Ok(interpreter) => {
            sampler.watch_python(interpreter);
            None
        }
        Err(why) => Some(why),
    };
    taken.0 = State::On(Box::new(Sampling { sampler, why_no_python, held: HashMap::new() }));
    Ok(())
}

/// The reader of this interpreter's frames, tried on the frames that run now; or the reason that there is none.
fn interpreter(py: Python<'_>) -> PyResult<Result<Interpreter, String>> {
    let version = py.version_info();
    // SAFETY: the function that was looked up. It reads a value of the thread, and returns a pointer; only its type
    // differs in pyo3.
    let found = unsafe {
        let this_thread = std::mem::transmute::<
            unsafe extern "C" fn() -> *mut pyo3::ffi::PyThreadState,
            unsafe extern "C" fn() -> *mut std::ffi::c_void,
        >(pyo3::ffi::PyGILState_GetThisThreadState);
        Interpreter::new((version.major, version.minor), this_thread)
    };
    let Some(interpreter) = found else {
        return Ok(Err(format!(
            "Python functions are in the stacks of CPython 3.11 on 64-bit Linux, and this is {}.{}",
            version.major, version.minor
        )));
    };
    let mut expected = Vec::new();
    let mut frame = Some(py.import("sys")?.call_method0("_getframe")?);
    while let Some(at) = frame.filter(|at| !at.is_none() && expected.len() < DEPTH) {
        let code = at.getattr("f_code")?.as_ptr() as usize;
        expected.push((code, at.getattr("f_lasti")?.extract::<usize>()?));
        frame = Some(at.getattr("f_back")?);
    }
    let seen = interpreter.calls();
    let seen: Vec<(usize, usize)> = seen.iter().map(|call| (call.code, call.instruction)).collect();
    Ok(if seen == expected {
        Ok(interpreter)
    } else {
        Err("Python functions are not in the stacks: this interpreter's frames could not be read".to_owned())
    })
}

impl Sampling {
    /// Names the new Python functions, while most of them are alive.
    fn name_python(&mut self, py: Python<'_>) {
        let held = &mut self.held;
        self.sampler.name_python(|call| {
            let code = held.entry(call.code).or_insert_with(|| code_at(py, call.code));
            let named = code.as_ref().map(|code| named(code.bind(py), call));
            match named {
                Some(Ok(frame)) => frame,
                _ => Frame::python(GONE, "", 0),
            }
        });
    }
}

/// The code object at this address, if there still is one.
fn code_at(py: Python<'_>, address: usize) -> Option<Py<PyAny>> {
    let [references, kind] = peek::<2>(address)?;
    let code = py.get_type::<PyCode>().as_ptr() as usize;
    // A free block begins with a pointer to the next one, or with 0; an object has its reference count there.
    if kind != code || references == 0 || references >> 32 != 0 {
        return None;
    }
    // SAFETY: the GIL is held and the memory describes a code object with references. The check above excludes the
    // remains of a freed object.
    Some(unsafe { Bound::from_borrowed_ptr(py, address as *mut pyo3::ffi::PyObject) }.unbind())
}

fn named(code: &Bound<'_, PyAny>, call: &Call) -> PyResult<Frame> {
    let text = |name: &str| -> PyResult<String> {
        let text = code.getattr(name)?;
        Ok(text.cast::<PyString>()?.to_string_lossy().into_owned())
    };
    let (function, file) = (text("co_qualname")?, text("co_filename")?);
    // One instruction of two bytes before the first: it has not begun.
    let has_begun = call.instruction != usize::MAX - 1;
    let length = code.getattr("co_code")?.len()?;
    if has_begun && call.instruction >= length {
        // Another code object than the one that ran.
        return Ok(Frame::python(GONE, "", 0));
    }
    let mut line = code.getattr("co_firstlineno")?.extract::<u32>()?;
    for range in code.call_method0("co_lines")?.try_iter()? {
        let (start, end, at) = range?.extract::<(usize, usize, Option<u32>)>()?;
        if let Some(at) = at.filter(|_| (start..end).contains(&call.instruction)) {
            line = at;
        }
    }
    let short = Path::new(&file).file_name().map_or(file.as_str().into(), |name| name.to_string_lossy());
    let name = format!("{function} ({short}:{line})");
    Ok(Frame::python(&name, &file, line))
}

/// Assigns the code that runs from now on to side 0 or 1, or with None to no side.
#[pyfunction]
#[pyo3(signature = (side))]
pub fn sample(py: Python<'_>, side: Option<u8>) -> PyResult<()> {
    let mut taken = Taken::take()?;
    let sampling = taken.sampling()?;
    sampling.sampler.switch(side.map(Tag)).map_err(failed)?;
    if side.is_none() {
        sampling.name_python(py);
    }
    Ok(())
}

/// Ends sampling and returns the samples as JSON. RuntimeError if there is not a single sample.
#[pyfunction]
pub fn finish_sampling(py: Python<'_>) -> PyResult<String> {
    let mut taken = Taken::take()?;
    let State::On(sampling) = std::mem::take(&mut taken.0) else {
        return Err(nothing_sampled());
    };
    let mut sampling = *sampling;
    sampling.sampler.switch(None).map_err(failed)?;
    sampling.name_python(py);
    let Sampling { sampler, why_no_python, held } = sampling;
    let capture = py.detach(|| sampler.finish()).map_err(failed)?;
    drop(held);
    serde_json::to_string(&document(&capture, why_no_python.as_deref()))
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// What the samples lack because the program took the signal for itself.
fn taken_signal(capture: &Capture) -> Option<String> {
    let missed: Vec<String> = capture
        .sampled
        .iter()
        .filter(|(_, sampled)| sampled.missed > 0)
        .map(|(tag, sampled)| {
            let side = if tag.0 == 0 { "A" } else { "B" };
            let expected = sampled.samples + sampled.dropped + sampled.missed;
            format!("about {} of {expected} of {side}", sampled.missed)
        })
        .collect();
    (!missed.is_empty()).then(|| {
        format!(
            "the program set its own handler or timer of SIGPROF while it was sampled, which took samples: {}; \
             sample with --engine perf, or without the program's own profiler",
            missed.join(" and ")
        )
    })
}

fn document(capture: &Capture, why_no_python: Option<&str>) -> serde_json::Value {
    let sides = capture.sampled.iter().map(|(tag, sampled)| {
        serde_json::json!({
            "side": tag.0,
            "samples": sampled.samples,
            "dropped": sampled.dropped,
            "cpu_ns": nanoseconds(sampled.cpu),
        })
    });
    serde_json::json!({
        "engine": "inprocess",
        "outside": 0,
        "troubles": taken_signal(capture).into_iter().collect::<Vec<_>>(),
        "sides": sides.collect::<Vec<_>>(),
        "record": capture.profile.record(),
        "why_not": null,
        "why_no_python": why_no_python,
    })
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
