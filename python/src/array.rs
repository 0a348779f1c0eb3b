//! `raptors_trace.kernel.Array`: a contiguous block of float32 or float64 with a shape, and its owner.
use numpy::PyUntypedArray;
use numpy::npyffi::npy_intp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raptors_kernel::{Buffer, Element};

use crate::ndarray::{self, Floats, Order, Run, Shape};
use crate::{convert, scale};

/// Result memory of the kernel, of either type.
pub enum Owned {
    /// Of float32.
    Float32(Buffer<f32>),
    /// Of float64.
    Float64(Buffer<f64>),
}

impl From<Buffer<f32>> for Owned {
    fn from(buffer: Buffer<f32>) -> Self {
        Self::Float32(buffer)
    }
}

impl From<Buffer<f64>> for Owned {
    fn from(buffer: Buffer<f64>) -> Self {
        Self::Float64(buffer)
    }
}

/// The owner of an [`Array`]'s memory. The variants are held for their drop.
pub enum Memory {
    /// The memory of a NumPy array, which is kept alive.
    View(Py<PyUntypedArray>),
    /// Its own memory, filled from a NumPy array for the given reason.
    Copy(Owned, &'static str),
    /// Its own memory: the result of an operation.
    Own(Owned),
}

/// A float32 or float64 array of any shape for the kernel; made by `from_numpy` and by operations.
///
/// Its elements are contiguous in C or Fortran order. It is a view of a NumPy array's memory, a copy of
/// it, or its own memory: see `copied` and `reason`. `np.asarray(array)` gives an ndarray on the same
/// memory.
// No garbage collector's traversal, like ndarray: a view refers to one ndarray of numbers.
#[pyclass(frozen, generic, module = "raptors_trace.kernel")]
pub struct Array {
    run: Run,
    shape: Shape,
    order: Order,
    memory: Memory,
}

// SAFETY: the fields never change after construction and the memory behind `run` is only touched
// through raw pointers inside one operation. Two threads that write one array race exactly as
// they do on one ndarray; no reference to elements outlives an operation, and nothing here
// moves or frees the memory while the object lives.
unsafe impl Sync for Array {}
// SAFETY: as above; `Owned` and `Py` may be dropped on any thread.
unsafe impl Send for Array {}

impl Array {
    /// A view of the memory of `source`, which the array keeps alive.
    pub fn view(source: &Floats<'_, '_>) -> Self {
        Self {
            run: source.run(),
            shape: Shape::from_slice(source.shape()),
            order: source.order(),
            memory: Memory::View(source.array().clone().unbind()),
        }
    }

    /// An array on memory of its own; `memory` makes [`Memory::Copy`] or [`Memory::Own`] of it.
    pub fn on<T: Element>(
        mut buffer: Buffer<T>,
        shape: Shape,
        order: Order,
        memory: impl FnOnce(Owned) -> Memory,
    ) -> Self
    where
        Owned: From<Buffer<T>>,
    {
        let run = Run::of(buffer.as_mut_ptr(), buffer.len());
        Self { run, shape, order, memory: memory(buffer.into()) }
    }

    /// The elements.
    pub fn run(&self) -> Run {
        self.run
    }

    /// Lengths of the axes.
    pub fn lengths(&self) -> &Shape {
        &self.shape
    }

    /// How the elements lie.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Whether the memory may be written: of a view, what NumPy says of its array now.
    pub fn writeable(&self, py: Python<'_>) -> bool {
        match &self.memory {
            Memory::View(base) => ndarray::writeable(base.bind(py)),
            Memory::Copy(..) | Memory::Own(_) => true,
        }
    }

    fn memory_name(&self) -> &'static str {
        match self.memory {
            Memory::View(_) => "view",
            Memory::Copy(..) => "copy",
            Memory::Own(_) => "own",
        }
    }
}

#[pymethods]
impl Array {
    /// Lengths of the axes, in elements.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.shape.iter())
    }

    /// numpy.dtype: float32 or float64, native byte order.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        ndarray::descr_object(py, self.run.dtype)
    }

    /// Number of elements.
    #[getter]
    fn size(&self) -> usize {
        self.run.len
    }

    /// Bytes of all elements.
    #[getter]
    fn nbytes(&self) -> usize {
        self.run.bytes()
    }

    /// Number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Whether from_numpy had to copy: a change of this array does not reach the NumPy array then.
    #[getter]
    fn copied(&self) -> bool {
        matches!(self.memory, Memory::Copy(..))
    }

    /// Why the memory is a view, a copy or the array's own, in words.
    #[getter]
    fn reason(&self) -> String {
        let order = if self.order.c { "C" } else { "F" };
        match self.memory {
            Memory::View(_) => format!("{order}-contiguous, aligned, in native byte order"),
            Memory::Copy(_, why) => format!("the NumPy array is {why}"),
            Memory::Own(_) => "the result of an operation".into(),
        }
    }

    fn __len__(&self) -> PyResult<usize> {
        match self.shape.first() {
            Some(&length) => Ok(length as usize),
            None => Err(PyTypeError::new_err("len() of a 0-d Array")),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shape = self.shape(py)?.repr()?;
        let (dtype, memory) = (self.run.dtype.name(), self.memory_name());
        Ok(format!("Array(shape={shape}, dtype={dtype}, memory={memory})"))
    }

    /// Multiply by a number.
    ///
    /// Parameters
    /// ----------
    /// factor : float or int, of Python or NumPy
    ///     Rounded to the type of the array, as `a.dtype.type(factor)` does.
    /// out : Array or ndarray, optional
    ///     The destination of the result: of the same shape, type and order, writeable, and either
    ///     the array's own memory (then it works in place) or separate from it.
    /// backend : str, optional
    ///     One of `backends()`. Default: RAPTORS_BACKEND, else the automatic choice.
    /// threads : int, optional
    ///     The largest number of threads, the caller included. Default: RAPTORS_THREADS.
    /// stores : {'plain', 'stream'}, optional
    ///     'stream' writes the result past the caches. This is faster if the result does not fit there;
    ///     otherwise it slows the next reader down. Default: RAPTORS_STORES, else the automatic choice.
    ///
    /// Returns
    /// -------
    /// Array or ndarray
    ///     A fresh Array of the same shape, type and order, or `out`.
    ///
    /// Raises
    /// ------
    /// TypeError
    ///     If `factor` is not a real number, or `out` is not an array of the same type.
    /// ValueError
    ///     If `out` is read-only, of another shape or order, or overlaps in part; if the backend
    ///     cannot run here, or not in this place, or has no streaming stores.
    /// MemoryError
    ///     If there is no memory for the result.
    #[pyo3(signature = (factor, *, out=None, backend=None, threads=None, stores=None))]
    fn scale<'py>(
        slf: &Bound<'py, Self>,
        factor: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
        backend: Option<&str>,
        threads: Option<usize>,
        stores: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = scale::request(backend, threads, stores)?;
        scale::scale_array(slf, factor, out, &request)
    }

    /// Multiply by a number in place; a view changes its NumPy array.
    ///
    /// Parameters
    /// ----------
    /// factor, backend, threads, stores
    ///     As for `scale`.
    ///
    /// Raises
    /// ------
    /// TypeError
    ///     If `factor` is not a real number.
    /// ValueError
    ///     If this is a view of a read-only array, or the backend cannot run here or in place.
    #[pyo3(signature = (factor, *, backend=None, threads=None, stores=None))]
    fn scale_inplace<'py>(
        slf: &Bound<'py, Self>,
        factor: &Bound<'py, PyAny>,
        backend: Option<&str>,
        threads: Option<usize>,
        stores: Option<&str>,
    ) -> PyResult<()> {
        let request = scale::request(backend, threads, stores)?;
        scale::scale_inplace(slf, factor, &request)
    }

    /// Return an ndarray on the same memory, without a copy.
    ///
    /// Returns
    /// -------
    /// ndarray
    ///     Of the same shape, type and order. Its `base` is this Array, which it keeps alive; it is
    ///     read-only if this is a view of a read-only array.
    fn to_numpy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyUntypedArray>> {
        convert::to_numpy(slf)
    }

    /// NumPy's protocol: `np.asarray(array)` and `np.array(array)` call this.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        convert::array_protocol(slf, dtype, copy)
    }
}

impl Run {
    /// The run of `len` elements from `data` on.
    pub fn of<T: Element>(data: *mut T, len: usize) -> Self {
        let data = std::ptr::NonNull::new(data.cast()).unwrap_or(std::ptr::NonNull::dangling());
        Self { data, len, dtype: T::DTYPE }
    }
}

/// The shape in Python's notation: `(3,)`.
pub fn show(shape: &[npy_intp]) -> String {
    match shape {
        [only] => format!("({only},)"),
        all => {
            let all: Vec<_> = all.iter().map(ToString::to_string).collect();
            format!("({})", all.join(", "))
        }
    }
}
