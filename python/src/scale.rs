//! `scale` from Python: checks the arguments, releases the GIL, calls the kernel.
use std::cell::Cell;
use std::str::FromStr;

use numpy::PyUntypedArray;
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use raptors_kernel::{self as kernel, Backend, Buffer, Dtype, Element, Leaf, Request};

use crate::array::{Array, Memory, Owned, show};
use crate::convert;
use crate::factor::Factor;
use crate::ndarray::{self, Floats, Order, Run, Shape};

/// The number of elements from which an operation releases the GIL: releasing and taking it again costs about 50 ns
/// uncontended, one percent of the time for this many elements.
pub const GIL_RELEASE_SIZE: usize = 1 << 15;

thread_local! {
    static LAST: Cell<Option<kernel::Choice>> = const { Cell::new(None) };
}

/// The backend that ran an operation, and the reason.
#[pyclass(frozen, module = "raptors_trace.kernel")]
pub struct Choice(kernel::Choice);

#[pymethods]
impl Choice {
    /// Name of the backend, as in the argument `backend`.
    #[getter]
    fn backend(&self) -> &str {
        self.0.backend.name()
    }

    /// The loop or routine that computed each piece, spelled out: `simd:avx512`; for a hybrid those of even and odd
    /// pieces: `simd:avx512+openblas:cblas_somatcopy`.
    #[getter]
    fn variant(&self) -> &str {
        self.0.variant()
    }

    /// Instruction set of the loop: `avx512`; empty if a library or the compiler decides.
    #[getter]
    fn isa(&self) -> &str {
        match self.0.leaf {
            Leaf::Simd(_) => self.0.leaf.name().rsplit(':').next().unwrap_or_default(),
            _ => "",
        }
    }

    /// The reason, in words.
    #[getter]
    fn reason(&self) -> &str {
        self.0.reason()
    }

    /// Threads that worked, the caller included.
    #[getter]
    fn threads(&self) -> usize {
        self.0.threads
    }

    /// The kind of stores for the result: `plain` or `stream`.
    #[getter]
    fn stores(&self) -> &str {
        self.0.stores.name()
    }

    fn __repr__(&self) -> String {
        let (backend, variant, reason) = (self.backend(), self.variant(), self.reason());
        let (threads, stores) = (self.0.threads, self.stores());
        format!(
            "Choice(backend='{backend}', variant='{variant}', threads={threads}, stores='{stores}', \
             reason='{reason}')"
        )
    }
}

/// Return the choice of the last operation of this thread; None before its first.
#[pyfunction]
pub fn last_choice() -> Option<Choice> {
    LAST.get().map(Choice)
}

/// List the names of the backends that can run here, out of place, in place or both.
///
/// Those that name a library (`accelerate`, `openblas`, the hybrid `parallel:simd+openblas`) may deviate from NumPy for
/// NaNs and for a factor of zero; all others are exact.
#[pyfunction]
pub fn backends() -> Vec<&'static str> {
    kernel::available().into_iter().map(Backend::name).collect()
}

/// Return the memory of dropped results, which is kept for the next ones, to the system.
///
/// Returns
/// -------
/// int
///     Bytes returned.
#[pyfunction]
pub fn trim(py: Python<'_>) -> usize {
    py.detach(kernel::trim)
}

/// Multiply an Array or an ndarray by a number.
///
/// Parameters
/// ----------
/// a : Array or ndarray of float32 or float64
/// factor, out, backend, threads, stores
///     As for `Array.scale`.
///
/// Returns
/// -------
/// Array or ndarray
///     `out`, or a fresh result of the kind of `a`.
///
/// Raises
/// ------
/// TypeError, ValueError, MemoryError
///     As `from_numpy` and `Array.scale` do.
#[pyfunction]
#[pyo3(signature = (a, factor, out=None, *, backend=None, threads=None, stores=None))]
pub fn scale<'py>(
    a: &Bound<'py, PyAny>,
    factor: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, PyAny>>,
    backend: Option<&str>,
    threads: Option<usize>,
    stores: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let array = convert::as_array(a)?;
    let request = request(backend, threads, stores)?;
    let result = scale_array(&array, factor, out, &request)?;
    if out.is_none() && !a.is(&array) {
        return Ok(convert::to_numpy(result.cast::<Array>()?)?.into_any());
    }
    Ok(result)
}

/// See [`Array`]'s method.
pub fn scale_array<'py>(
    slf: &Bound<'py, Array>,
    factor: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, PyAny>>,
    request: &Request,
) -> PyResult<Bound<'py, PyAny>> {
    let factor = Factor::of(factor)?;
    let (py, source) = (slf.py(), slf.get());
    let Some(out) = out else {
        let array = match source.run().dtype {
            Dtype::Float32 => fresh(py, source, factor.single(py)?, request),
            Dtype::Float64 => fresh(py, source, factor.double(py)?, request),
        }?;
        return Ok(Bound::new(py, array)?.into_any());
    };
    let target = Target::of(out, source)?;
    match source.run().dtype {
        Dtype::Float32 => into(py, source.run(), factor.single(py)?, target.run, request),
        Dtype::Float64 => into(py, source.run(), factor.double(py)?, target.run, request),
    }?;
    Ok(out.clone())
}

/// See [`Array`]'s method.
pub fn scale_inplace(slf: &Bound<'_, Array>, factor: &Bound<'_, PyAny>, request: &Request) -> PyResult<()> {
    let factor = Factor::of(factor)?;
    let (py, array) = (slf.py(), slf.get());
    if !array.writeable(py) {
        return Err(PyValueError::new_err(
            "scale_inplace takes a writeable array, got a view of a read-only one; use scale",
        ));
    }
    match array.run().dtype {
        Dtype::Float32 => in_place(py, array.run(), factor.single(py)?, request),
        Dtype::Float64 => in_place(py, array.run(), factor.double(py)?, request),
    }
}

/// The request that these arguments express.
pub fn request(backend: Option<&str>, threads: Option<usize>, stores: Option<&str>) -> PyResult<Request> {
    Ok(Request { backend: parsed(backend)?, threads, stores: parsed(stores)? })
}

fn parsed<V: FromStr<Err = kernel::Error>>(given: Option<&str>) -> PyResult<Option<V>> {
    let parsed = given.map(str::parse).transpose();
    parsed.map_err(|error| refused(&error))
}

/// The kernel's error as Python's.
pub fn refused(error: &kernel::Error) -> PyErr {
    match error {
        kernel::Error::OutOfMemory { .. } => PyMemoryError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

fn fresh<T: Element>(py: Python<'_>, source: &Array, factor: T, request: &Request) -> PyResult<Array>
where
    Owned: From<Buffer<T>>,
{
    // SAFETY: see `Run::elements`; the caller holds the array.
    let elements = unsafe { source.run().elements::<T>() };
    let result = detached(py, elements.len(), || kernel::scaled(elements, factor, request));
    let (buffer, choice) = result.map_err(|error| refused(&error))?;
    LAST.set(Some(choice));
    Ok(Array::on(buffer, Shape::from_slice(source.lengths()), source.order(), Memory::Own))
}

fn into<T: Element>(py: Python<'_>, source: Run, factor: T, target: Run, request: &Request) -> PyResult<()> {
    if source.data == target.data {
        return in_place(py, target, factor, request);
    }
    // SAFETY: see `Run::elements`; the caller holds both arrays, and `Target::of` has refused
    // memory that overlaps.
    let (source, target) = unsafe { (source.elements::<T>(), target.elements_mut::<T>()) };
    let result = detached(py, source.len(), || kernel::scale(source, factor, target, request));
    LAST.set(Some(result.map_err(|error| refused(&error))?));
    Ok(())
}

fn in_place<T: Element>(py: Python<'_>, run: Run, factor: T, request: &Request) -> PyResult<()> {
    // SAFETY: see `Run::elements`; the caller holds the array and has seen it writeable.
    let elements = unsafe { run.elements_mut::<T>() };
    let len = elements.len();
    let result = detached(py, len, || kernel::scale_in_place(elements, factor, request));
    LAST.set(Some(result.map_err(|error| refused(&error))?));
    Ok(())
}

/// Runs `work`, without the GIL if there are enough elements.
fn detached<R: Send>(py: Python<'_>, len: usize, work: impl FnOnce() -> R + Send) -> R {
    if len >= GIL_RELEASE_SIZE { py.detach(work) } else { work() }
}

impl Run {
    /// # Safety
    /// The memory holds `len` elements of `T`, aligned for it, for as long as the slice is used, and no code writes it
    /// meanwhile; a Python thread that does so races as it would in NumPy.
    unsafe fn elements<'a, T: Element>(&self) -> &'a [T] {
        debug_assert_eq!(self.dtype, T::DTYPE);
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's promise; `data` is not null and aligned as `len` is not 0.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr().cast(), self.len) }
    }

    /// # Safety
    /// As [`Self::elements`], and no code reads the memory meanwhile either.
    unsafe fn elements_mut<'a, T: Element>(&self) -> &'a mut [T] {
        debug_assert_eq!(self.dtype, T::DTYPE);
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr().cast(), self.len) }
    }
}

/// The destination of a result: an `out` that has passed every check.
struct Target {
    run: Run,
}

impl Target {
    fn of(out: &Bound<'_, PyAny>, source: &Array) -> PyResult<Self> {
        if let Ok(array) = out.cast::<Array>() {
            let out = array.get();
            check_dtype(Some(out.run().dtype), source, || out.run().dtype.name().into())?;
            check_shape(out.lengths(), source)?;
            check_order(out.order(), None, source)?;
            return Self::checked(out.run(), out.writeable(array.py()), source);
        }
        let Ok(array) = out.cast::<PyUntypedArray>() else {
            return Err(PyTypeError::new_err(format!(
                "out has to be an Array or a NumPy array, got {}",
                out.get_type().name()?
            )));
        };
        check_dtype(ndarray::dtype(array), source, || ndarray::dtype_text(array))?;
        let out = Floats::of(out, "out")?;
        check_shape(out.shape(), source)?;
        check_order(out.order(), out.obstacle(), source)?;
        Self::checked(out.run(), out.writeable(), source)
    }

    fn checked(run: Run, writeable: bool, source: &Array) -> PyResult<Self> {
        if !writeable {
            return Err(misfit("writeable", "a read-only array"));
        }
        let from = source.run();
        if run.data != from.data && run.overlaps(&from) {
            let (out, from) = (run.data.addr().get(), from.data.addr().get());
            let (bytes, side) = (out.abs_diff(from), if out > from { "after" } else { "before" });
            let given = format!("memory that overlaps it in part, starting {bytes} bytes {side} it");
            return Err(misfit("the array's own memory or apart from it", &given));
        }
        Ok(Self { run })
    }
}

fn check_dtype(given: Option<Dtype>, source: &Array, name: impl FnOnce() -> String) -> PyResult<()> {
    let taken = source.run().dtype;
    if given == Some(taken) {
        return Ok(());
    }
    let (taken, given) = (taken.name(), name());
    Err(PyTypeError::new_err(format!("out has to be {taken} as the array is, got {given}")))
}

fn check_shape(given: &[numpy::npyffi::npy_intp], source: &Array) -> PyResult<()> {
    if given == source.lengths().as_slice() {
        return Ok(());
    }
    let taken: &Shape = source.lengths();
    Err(misfit(&format!("of shape {}", show(taken)), &format!("shape {}", show(given))))
}

fn check_order(given: Order, obstacle: Option<&str>, source: &Array) -> PyResult<()> {
    if let Some(obstacle) = obstacle {
        let given = format!("one that is {obstacle}");
        return Err(misfit("contiguous, aligned and in native byte order", &given));
    }
    if given.agrees(source.order()) {
        return Ok(());
    }
    let name = |order: Order| {
        if order.c { "C-contiguous" } else { "F-contiguous" }
    };
    let taken = format!("{} as the array is", name(source.order()));
    Err(misfit(&taken, &format!("an {} one", name(given))))
}

/// The error for an `out` that does not fit.
fn misfit(taken: &str, given: &str) -> PyErr {
    PyValueError::new_err(format!("out has to be {taken}, got {given}"))
}
