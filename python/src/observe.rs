//! The driver's recording functions: the run file, and switching the observers on and off.
use std::ffi::c_void;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyList};
use raptors_hooks::{self as hooks, Report};
use raptors_probes as probes;
use raptors_recording::{self as recording, Edge, Event, Mark, Options, Reader, RoundKind, Writer, clock};

use crate::known_numpy::KnownNumpy;
use crate::{platform, rounds};

/// The run file that is being written, or the last one.
static WRITER: Mutex<Option<&'static Writer>> = Mutex::new(None);
/// Whether ufunc loops are observed; then those of later imports are too.
static LOOPS: AtomicBool = AtomicBool::new(false);
/// The same for math routines.
static ROUTINES: AtomicBool = AtomicBool::new(false);

fn writer() -> PyResult<&'static Writer> {
    let writer = WRITER.lock().map_or_else(|poisoned| *poisoned.into_inner(), |held| *held);
    writer.ok_or_else(|| PyRuntimeError::new_err("nothing is recorded: call start_recording first"))
}

fn set_writer(writer: Option<&'static Writer>) {
    match WRITER.lock() {
        Ok(mut held) => *held = writer,
        Err(poisoned) => *poisoned.into_inner() = writer,
    }
}

/// The fix is a note of the exception (PEP 678): a traceback shows it, and the driver can tell it apart.
fn failed(py: Python<'_>, error: &recording::Error) -> PyErr {
    let raised = PyOSError::new_err(error.sentence());
    if let Some(help) = help_of(error) {
        // Without its note the exception still says what is wrong.
        let _ = raised.value(py).call_method1("add_note", (help,));
    }
    raised
}

/// What fixes it for who uses the command, as far as the system's word for the cause tells.
fn help_of(error: &recording::Error) -> Option<&'static str> {
    let recording::Error::Io { cause, .. } = error else {
        return error.help();
    };
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("free disk space, or record to another file system: --save FILE, or TMPDIR=DIRECTORY")
        }
        ErrorKind::OutOfMemory => Some("allow more memory (ulimit -v), or free some"),
        _ => error.help(),
    }
}

/// Creates the run file at `path` and lets the observers write into it.
///
/// At most `limit_bytes` are written, and `ahead_bytes` are prepared ahead of use. OSError if the file cannot be made
/// or another one is being written.
#[pyfunction]
pub fn start_recording(py: Python<'_>, path: PathBuf, limit_bytes: u64, ahead_bytes: u64) -> PyResult<()> {
    let options = Options { limit_bytes, ahead_bytes };
    let writer = Writer::create(&path, options).map_err(|error| failed(py, &error))?;
    set_writer(Some(writer));
    platform::show_kernel(false);
    hooks::record_into(writer).map_err(|error| PyOSError::new_err(error.to_string()))
}

/// Adds a JSON document under `key` to the run file.
#[pyfunction]
pub fn document(py: Python<'_>, key: &str, json: &str) -> PyResult<()> {
    let writer = writer()?;
    py.detach(|| writer.document(key, json)).map_err(|error| failed(py, &error))
}

/// Records the beginning of a round. Also fires the probe `round-entry`, for tracers outside, and enters the round's
/// span. ValueError for a side or a kind that does not exist.
#[pyfunction]
pub fn begin_round(case: u32, side: u8, kind: u8, ops: u64, placement: u64) -> PyResult<()> {
    let mark = mark(case, side, kind, ops, Edge::Begin { placement })?;
    push_mark(mark);
    probes::round_entry(case, side.into(), kind.into(), ops);
    rounds::begin(mark);
    Ok(())
}

/// Records the end of a round: wall and CPU time in nanoseconds, minor page faults, threads at work. Also fires the
/// probe `round-return` and leaves the round's span. ValueError as in `begin_round`.
#[pyfunction]
#[pyo3(signature = (case, side, kind, ops, *, wall_ns, cpu_ns, faults, threads))]
#[allow(clippy::too_many_arguments, reason = "what a round has, by name")]
pub fn end_round(
    case: u32,
    side: u8,
    kind: u8,
    ops: u64,
    wall_ns: u64,
    cpu_ns: u64,
    faults: u64,
    threads: u16,
) -> PyResult<()> {
    let mark = mark(case, side, kind, ops, Edge::End { wall_ns, cpu_ns, faults, threads })?;
    // Outermost, so that a tracer that is slow at the probe itself delays no clock reading.
    rounds::end();
    probes::round_return(case, side.into(), kind.into(), ops);
    push_mark(mark);
    Ok(())
}

fn mark(case: u32, side: u8, kind: u8, ops: u64, edge: Edge) -> PyResult<Mark> {
    let kind = RoundKind::from_number(kind).ok_or_else(|| {
        PyValueError::new_err(format!("there is no kind {kind} of rounds; use a member of _native.RoundKind"))
    })?;
    if side > 1 {
        return Err(PyValueError::new_err(format!("there is no side {side}; use 0 for a and 1 for b")));
    }
    Ok(Mark { case, side, kind, ops, edge })
}

fn push_mark(mark: Mark) {
    // A round begins and ends outside every observed call of its thread.
    hooks::outermost();
    let now = clock::ticks();
    recording::push(mark, 0, 0, now, now);
}

/// The kinds of rounds as an `IntEnum`, whose numbers are those in the run file.
pub fn round_kinds(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let member = |kind: &RoundKind| (kind.as_str().replace('-', "_").to_uppercase(), *kind as u8);
    let members: Vec<(String, u8)> = RoundKind::ALL.iter().map(member).collect();
    let module = [("module", "raptors_trace._native")].into_py_dict(py)?;
    py.import("enum")?.getattr("IntEnum")?.call(("RoundKind", members), Some(&module))
}

/// Ends the run file and marks it complete; later observations are dropped.
#[pyfunction]
pub fn finish_recording(py: Python<'_>) -> PyResult<()> {
    platform::show_kernel(true);
    let writer = writer()?;
    py.detach(|| writer.finish()).map_err(|error| failed(py, &error))
}

/// The clock of the records.
#[pyfunction]
pub fn ticks() -> u64 {
    clock::ticks()
}

/// The cost of one reading of the records' clock, in nanoseconds.
#[pyfunction]
pub fn clock_read_ns(py: Python<'_>) -> f64 {
    const READS: u32 = 20_000;
    py.detach(|| {
        // The first calibration takes some time, so it is done before the clock is timed.
        let unit = clock::calibrate();
        let start = clock::ticks();
        for _ in 1..READS {
            std::hint::black_box(clock::ticks());
        }
        unit.nanoseconds(clock::ticks() - start) / f64::from(READS)
    })
}

/// Starts the hardware counters of this process and of the threads that it will start. Returns None, or the reason that
/// there are none.
#[pyfunction]
pub fn open_counters() -> Option<String> {
    platform::open_counters().err()
}

/// Cycles, instructions, cache misses and data TLB misses so far, in user space; None for a missing counter.
#[pyfunction]
pub fn read_counters() -> platform::Counts {
    platform::read_counters()
}

/// Records lost so far because the file was full or grew too slowly.
#[pyfunction]
pub fn lost() -> PyResult<u64> {
    Ok(writer()?.lost())
}

/// The content of a run file, for tests and inspection: a dict with `complete`, `lost`, `documents` (key and JSON text
/// each) and `records` (tid, kind, depth, site, start and duration in ticks, a dict of the event's fields), for each
/// thread in the order in which the calls ended.
#[pyfunction]
pub fn read_recording(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let reader = Reader::open(&path).map_err(|error| failed(py, &error))?;
    let records = PyList::empty(py);
    let mut full = Ok(());
    let read = reader.for_each(|thread, r| {
        if full.is_ok() {
            full = fields(py, &r.event).and_then(|fields| {
                records.append((thread.tid, r.kind().as_str(), r.depth, r.site, r.start, r.duration, fields))
            });
        }
    });
    read.map_err(|error| failed(py, &error))?;
    full?;
    let run = PyDict::new(py);
    run.set_item("complete", reader.header().complete)?;
    run.set_item("lost", reader.header().lost.total())?;
    run.set_item("documents", reader.documents())?;
    run.set_item("records", records)?;
    Ok(run)
}

/// The fields of an event by name, as a dict.
fn fields<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyAny>> {
    let json = serde_json::to_string(event).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    py.import("json")?.call_method1("loads", (json,))
}

/// Switches on the requested observers, and returns the report of each by its name: a dict with the armed parts, and
/// the others with their reasons, or with `error` if nothing could be armed.
///
/// Extension modules imported while `loops` or `routines` are on are scanned as well.
#[pyfunction]
#[pyo3(signature = (*, loops=true, routines=true, memory=true, kernel=true, touch=false))]
pub fn arm<'py>(
    py: Python<'py>,
    loops: bool,
    routines: bool,
    memory: bool,
    kernel: bool,
    touch: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let reports = PyDict::new(py);
    let loaded = py.import("raptors_trace._loaded")?;
    if memory {
        tell(&reports, "memory", arm_memory(py)?)?;
    }
    if kernel {
        platform::show_kernel(true);
        tell(&reports, "kernel", Ok(hooks::kernel::arm()))?;
    }
    if loops {
        let report = arm_loops(&loaded.call_method0("ufuncs")?)?;
        // What is refused now is refused at later imports as well.
        LOOPS.store(report.is_ok(), Ordering::Relaxed);
        tell(&reports, "loops", report)?;
    }
    if routines {
        tell(&reports, "routines", hooks::routines::arm().map_err(|error| error.to_string()))?;
        ROUTINES.store(true, Ordering::Relaxed);
    }
    if loops || routines {
        loaded.call_method1("watch", (wrap_pyfunction!(on_load, py)?,))?;
    }
    hooks::touch::set(touch);
    Ok(reports)
}

/// Switches every observer off and returns the reports.
#[pyfunction]
pub fn disarm(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let reports = PyDict::new(py);
    LOOPS.store(false, Ordering::Relaxed);
    ROUTINES.store(false, Ordering::Relaxed);
    hooks::touch::set(false);
    platform::show_kernel(false);
    py.import("raptors_trace._loaded")?.call_method0("unwatch")?;
    tell(&reports, "routines", Ok(hooks::routines::disarm()))?;
    // SAFETY: the GIL is held, and `arm_loops` has made the ufuncs immortal.
    tell(&reports, "loops", Ok(unsafe { hooks::loops::disarm() }))?;
    tell(&reports, "kernel", Ok(hooks::kernel::disarm()))?;
    tell(&reports, "memory", Ok(hooks::memory::disarm()))?;
    Ok(reports)
}

/// Scans libraries that have been loaded since [`arm`] in other ways than by an import.
#[pyfunction]
pub fn rescan(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let reports = PyDict::new(py);
    if LOOPS.load(Ordering::Relaxed) {
        let ufuncs = py.import("raptors_trace._loaded")?.call_method0("ufuncs")?;
        tell(&reports, "loops", arm_loops(&ufuncs)?)?;
    }
    if ROUTINES.load(Ordering::Relaxed) {
        tell(&reports, "routines", hooks::routines::rescan().map_err(|error| error.to_string()))?;
    }
    Ok(reports)
}

/// After an import: `module` is None once the file is mapped, the module once it has run.
///
/// It never fails, because it runs inside the program's import; an error becomes a warning of the run.
#[pyfunction]
fn on_load(py: Python<'_>, module: Option<&Bound<'_, PyAny>>) {
    if let Err(error) = scan_loaded(py, module) {
        let text = format!("calls of a module imported later may be missing: {error}");
        if let Ok(writer) = writer() {
            // The run file is the only place for the warning; if that fails too, the run is lost anyway.
            let _ = writer.document("warning", &serde_json::json!({ "text": text }).to_string());
        }
    }
}

fn scan_loaded(py: Python<'_>, module: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    if ROUTINES.load(Ordering::Relaxed) {
        hooks::routines::rescan().map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    }
    if let (true, Some(module)) = (LOOPS.load(Ordering::Relaxed), module) {
        let loaded = py.import("raptors_trace._loaded")?;
        let ufuncs = loaded.call_method1("ufuncs", ((module,),))?;
        arm_loops(&ufuncs)?.map_err(PyRuntimeError::new_err)?;
    }
    Ok(())
}

fn arm_memory(py: Python<'_>) -> PyResult<Result<Report, String>> {
    let numpy = match KnownNumpy::of(py)? {
        Ok(numpy) => numpy,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let handler = numpy.memory_handler(py)?;
    // SAFETY: the pointer is NumPy's current handler, which lives forever.
    Ok(unsafe { hooks::memory::arm(handler) }.map_err(|error| error.to_string()))
}

fn arm_loops(ufuncs: &Bound<'_, PyAny>) -> PyResult<Result<Report, String>> {
    let numpy = match KnownNumpy::of(ufuncs.py())? {
        Ok(numpy) => numpy,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let api = numpy.ufunc_api(ufuncs.py())?;
    let mut pointers = Vec::new();
    for ufunc in ufuncs.try_iter()? {
        // Immortal from now on: disarming writes into it, and a trampoline may still be running.
        pointers.push(ufunc?.into_ptr().cast::<c_void>());
    }
    // SAFETY: the GIL is held, `_loaded.ufuncs` returns instances of numpy.ufunc, and the references just taken are
    // never released.
    Ok(unsafe { hooks::loops::arm(api, &pointers) }.map_err(|error| error.to_string()))
}

fn tell(reports: &Bound<'_, PyDict>, name: &str, report: Result<Report, String>) -> PyResult<()> {
    let json = match report {
        Ok(report) => serde_json::to_string(&report),
        Err(error) => serde_json::to_string(&serde_json::json!({ "error": error })),
    };
    let json = json.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    reports.set_item(name, reports.py().import("json")?.call_method1("loads", (json,))?)
}
