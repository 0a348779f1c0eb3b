//! The parts of a `numpy.ndarray` that the kernel needs, read from its struct.
//!
//! rust-numpy's borrow checking costs 150 ns a call and protects only against Rust code, so the public C struct is read
//! directly. The memory belongs to Python: it is handled as a raw pointer, and a slice of it lives only as long as one
//! operation.
use std::ptr::NonNull;

use numpy::npyffi::{
    self, NPY_ARRAY_ALIGNED, NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_F_CONTIGUOUS, NPY_ARRAY_WRITEABLE, NPY_TYPES, npy_intp,
};
use numpy::{PY_ARRAY_API, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use raptors_kernel::Dtype;
use smallvec::SmallVec;

/// Lengths of the axes, in elements; four of them need no allocation.
pub type Shape = SmallVec<[npy_intp; 4]>;

/// The order of the elements in contiguous memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Row-major: the last axis varies fastest.
    pub c: bool,
    /// Column-major: the first axis varies fastest. A one-dimensional array is both.
    pub f: bool,
}

impl Order {
    /// Row-major only.
    pub const C: Self = Self { c: true, f: false };

    /// The order of a row-major array of this shape.
    pub fn row_major(shape: &[npy_intp]) -> Self {
        let long = shape.iter().filter(|&&length| length != 1).count();
        Self { c: true, f: long <= 1 || shape.contains(&0) }
    }

    /// Whether the n-th element in memory has the same index in both.
    pub fn agrees(self, other: Self) -> bool {
        (self.c && other.c) || (self.f && other.f)
    }
}

/// A contiguous block of elements: address, length and type.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The first element; aligned for `dtype` unless `len` is 0.
    pub data: NonNull<u8>,
    /// Elements.
    pub len: usize,
    /// Their type.
    pub dtype: Dtype,
}

impl Run {
    /// Bytes of the run.
    pub fn bytes(&self) -> usize {
        self.len * self.dtype.item_size() as usize
    }

    /// Whether the two share a byte.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.data.addr().get(), other.data.addr().get());
        self.len > 0 && other.len > 0 && a < b + other.bytes() && b < a + self.bytes()
    }
}

/// An ndarray of float32 or float64, borrowed from Python for one call.
pub struct Floats<'a, 'py> {
    array: &'a Bound<'py, PyUntypedArray>,
    dtype: Dtype,
}

impl<'a, 'py> Floats<'a, 'py> {
    /// Accepts `object` if it is an ndarray of float32 or float64.
    ///
    /// # Errors
    /// TypeError that names the types that `function` takes and the given one.
    pub fn of(object: &'a Bound<'py, PyAny>, function: &str) -> PyResult<Self> {
        let Ok(array) = object.cast::<PyUntypedArray>() else {
            return Err(not_an_array(object, function));
        };
        if !object.is_exact_instance_of::<PyUntypedArray>() && is_masked(object)? {
            return Err(PyTypeError::new_err(format!(
                "{function} takes a plain array, got a {}, whose mask would be lost; \
                 pass a.filled(value) or a.data",
                object.get_type().name()?
            )));
        }
        match dtype(array) {
            Some(dtype) => Ok(Self { array, dtype }),
            None => Err(wrong_dtype(array, function)),
        }
    }

    fn fields(&self) -> &npyffi::objects::PyArrayObject_fields {
        // SAFETY: `cast` above proved the object an ndarray, whose struct starts with these fields
        // in every NumPy 2; the reference is held and the GIL too, so nothing rewrites them now.
        unsafe { &(*self.array.as_array_ptr()).fields }
    }

    fn has(&self, flag: i32) -> bool {
        self.fields().flags & flag != 0
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> &[npy_intp] {
        let fields = self.fields();
        if fields.nd == 0 {
            return &[];
        }
        // SAFETY: NumPy keeps `nd` lengths at `dimensions` whenever `nd` is not 0.
        unsafe { std::slice::from_raw_parts(fields.dimensions, fields.nd as usize) }
    }

    /// The elements as a block; contiguous only if [`Self::order`] says so.
    pub fn run(&self) -> Run {
        let len = self.shape().iter().product::<npy_intp>() as usize;
        let data = NonNull::new(self.fields().data.cast()).unwrap_or(NonNull::dangling());
        Run { data, len, dtype: self.dtype }
    }

    /// The order of the elements.
    pub fn order(&self) -> Order {
        Order { c: self.has(NPY_ARRAY_C_CONTIGUOUS), f: self.has(NPY_ARRAY_F_CONTIGUOUS) }
    }

    /// Whether NumPy allows writing now.
    pub fn writeable(&self) -> bool {
        self.has(NPY_ARRAY_WRITEABLE)
    }

    /// The reason that the kernel cannot work on this memory; None if it can.
    pub fn obstacle(&self) -> Option<&'static str> {
        let order = self.order();
        if !order.c && !order.f {
            Some("not contiguous")
        } else if !is_native(self.array) {
            Some("not in native byte order")
        } else if !self.has(NPY_ARRAY_ALIGNED) {
            Some("not aligned")
        } else {
            None
        }
    }

    /// The ndarray itself.
    pub fn array(&self) -> &'a Bound<'py, PyUntypedArray> {
        self.array
    }
}

/// Whether NumPy allows writing to `array` now.
pub fn writeable(array: &Bound<'_, PyUntypedArray>) -> bool {
    // SAFETY: an ndarray starts with these fields, and the GIL is held (see `Floats::fields`).
    unsafe { (*array.as_array_ptr()).fields.flags & NPY_ARRAY_WRITEABLE != 0 }
}

fn descr<'a>(array: &'a Bound<'_, PyUntypedArray>) -> &'a npyffi::objects::PyArray_Descr_fields {
    // SAFETY: `descr` of an ndarray is never null and is kept alive by it; these leading fields have the same layout in
    // NumPy 1 and 2.
    unsafe { &(*(*array.as_array_ptr()).fields.descr).fields }
}

/// The type of the elements, if it is one of the two, in any byte order.
pub fn dtype(array: &Bound<'_, PyUntypedArray>) -> Option<Dtype> {
    match descr(array).type_num {
        n if n == NPY_TYPES::NPY_FLOAT as i32 => Some(Dtype::Float32),
        n if n == NPY_TYPES::NPY_DOUBLE as i32 => Some(Dtype::Float64),
        _ => None,
    }
}

/// The type of the elements in NumPy's notation.
pub fn dtype_text(array: &Bound<'_, PyUntypedArray>) -> String {
    array.dtype().to_string()
}

fn is_native(array: &Bound<'_, PyUntypedArray>) -> bool {
    let native = if cfg!(target_endian = "little") { b'<' } else { b'>' };
    let order = descr(array).byteorder as u8;
    order == b'=' || order == b'|' || order == native
}

fn is_masked(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static MASKED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    object.is_instance(MASKED.import(object.py(), "numpy.ma", "MaskedArray")?)
}

fn not_an_array(object: &Bound<'_, PyAny>, function: &str) -> PyErr {
    let name = object.get_type().name().map(|name| name.to_string());
    PyTypeError::new_err(format!(
        "{function} takes a NumPy array of float32 or float64, got {}; \
         make one with np.asarray(a, dtype=np.float64)",
        name.unwrap_or_else(|_| "another type".into())
    ))
}

fn wrong_dtype(array: &Bound<'_, PyUntypedArray>, function: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{function} takes float32 or float64, got {}; convert with a.astype(np.float64)",
        array.dtype()
    ))
}

/// The `numpy.dtype` of `dtype`.
pub fn descr_object(py: Python<'_>, dtype: Dtype) -> PyResult<Bound<'_, PyAny>> {
    let number = match dtype {
        Dtype::Float32 => NPY_TYPES::NPY_FLOAT,
        Dtype::Float64 => NPY_TYPES::NPY_DOUBLE,
    };
    // SAFETY: returns a new reference, or null with an exception set.
    unsafe {
        let descr = PY_ARRAY_API.PyArray_DescrFromType(py, number as i32);
        Bound::from_owned_ptr_or_err(py, descr.cast())
    }
}

/// A new ndarray over `run`. The caller gives it a base that keeps the memory alive ([`set_base`]) or drops it before
/// the memory is freed.
pub fn over<'py>(
    py: Python<'py>,
    run: &Run,
    shape: &[npy_intp],
    order: Order,
    writeable: bool,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let descr = descr_object(py, run.dtype)?.into_ptr();
    let mut flags = NPY_ARRAY_ALIGNED;
    flags |= if order.c { NPY_ARRAY_C_CONTIGUOUS } else { NPY_ARRAY_F_CONTIGUOUS };
    flags |= if writeable { NPY_ARRAY_WRITEABLE } else { 0 };
    // SAFETY: `descr` is a reference of our own and is stolen, also on failure; NumPy copies the
    // lengths, makes the strides from `flags`, and neither owns nor frees `data`.
    unsafe {
        let array = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            npyffi::get_type_object(py, npyffi::NpyTypes::PyArray_Type),
            descr.cast(),
            shape.len() as i32,
            shape.as_ptr().cast_mut(),
            std::ptr::null_mut(),
            run.data.as_ptr().cast(),
            flags,
            std::ptr::null_mut(),
        );
        Ok(Bound::from_owned_ptr_or_err(py, array)?.cast_into_unchecked())
    }
}

/// Lets `array` keep `owner` alive.
pub fn set_base(array: &Bound<'_, PyUntypedArray>, owner: Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: this function is the only user of `array`, which has no base yet; the reference to `owner` is stolen.
    let failed = unsafe {
        let py = array.py();
        PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_array_ptr(), owner.into_ptr())
    };
    if failed == 0 { Ok(()) } else { Err(PyErr::fetch(array.py())) }
}

/// Copies `source` into `target`, of the same shape, with any strides and byte order.
pub fn copy(target: &Bound<'_, PyUntypedArray>, source: &Bound<'_, PyUntypedArray>) -> PyResult<()> {
    // SAFETY: both are ndarrays that we hold a reference to.
    let failed = unsafe {
        let py = target.py();
        PY_ARRAY_API.PyArray_CopyInto(py, target.as_array_ptr(), source.as_array_ptr())
    };
    if failed == 0 { Ok(()) } else { Err(PyErr::fetch(target.py())) }
}
