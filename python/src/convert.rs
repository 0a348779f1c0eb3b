//! Conversion between `numpy.ndarray` and [`Array`]: the same memory whenever possible.
use std::ffi::CStr;
use std::mem::MaybeUninit;

use numpy::PyUntypedArray;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raptors_kernel::trace::Convert;
use raptors_kernel::{Buffer, Dtype, Element};

use crate::array::{Array, Memory, Owned};
use crate::ndarray::{self, Floats, Order, Run, Shape};
use crate::scale::refused;

const FROM_NUMPY: &CStr = c"from_numpy";
const TO_NUMPY: &CStr = c"to_numpy";

/// Convert a NumPy array: a view of its memory if the kernel can work on it, else a copy in C order.
///
/// Parameters
/// ----------
/// a : ndarray of float32 or float64
///     Of any shape. Viewed if it is contiguous in C or Fortran order, aligned and in native byte
///     order; a later change of `a` changes the view.
///
/// Returns
/// -------
/// Array
///     Of the same shape and type; `copied` and `reason` tell whether it is a view or a copy, and why.
///
/// Raises
/// ------
/// TypeError
///     For any other object or type, and for a masked array, whose mask would be lost.
/// MemoryError
///     If there is no memory for a copy.
#[pyfunction]
#[pyo3(signature = (a, /))]
pub fn from_numpy(a: &Bound<'_, PyAny>) -> PyResult<Array> {
    let source = Floats::of(a, "from_numpy")?;
    let run = source.run();
    let mut traced = Convert::new(FROM_NUMPY, run.len, run.dtype.item_size());
    let Some(why) = source.obstacle() else {
        return Ok(Array::view(&source));
    };
    traced.copied = true;
    match run.dtype {
        Dtype::Float32 => copy::<f32>(&source, why),
        Dtype::Float64 => copy::<f64>(&source, why),
    }
}

/// A copy in C order; NumPy handles the strides and the byte order.
fn copy<T: Element>(source: &Floats<'_, '_>, why: &'static str) -> PyResult<Array>
where
    Owned: From<Buffer<T>>,
{
    let len = source.run().len;
    let mut memory = Buffer::<MaybeUninit<T>>::uninit(len).map_err(|error| refused(&error))?;
    let run = Run::of(memory.as_mut_ptr().cast::<T>(), len);
    let py = source.array().py();
    // The temporary ndarray without a base is dropped before the memory moves on.
    let target = ndarray::over(py, &run, source.shape(), Order::C, true)?;
    ndarray::copy(&target, source.array())?;
    drop(target);
    // SAFETY: NumPy has written every element.
    let buffer = unsafe { memory.assume_init() };
    let (shape, order) = (Shape::from_slice(source.shape()), Order::row_major(source.shape()));
    Ok(Array::on(buffer, shape, order, |owned| Memory::Copy(owned, why)))
}

/// An ndarray on the memory of `slf`.
pub fn to_numpy<'py>(slf: &Bound<'py, Array>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let (py, array) = (slf.py(), slf.get());
    let run = array.run();
    let _traced = Convert::new(TO_NUMPY, run.len, run.dtype.item_size());
    let writeable = array.writeable(py);
    let result = ndarray::over(py, &array.run(), array.lengths(), array.order(), writeable)?;
    ndarray::set_base(&result, slf.as_any().clone())?;
    Ok(result)
}

/// `__array__(dtype=None, copy=None)` of NumPy 2: a copy if asked for or if the type differs.
pub fn array_protocol<'py>(
    slf: &Bound<'py, Array>,
    dtype: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let same = to_numpy(slf)?.into_any();
    let own = same.getattr("dtype")?;
    let wanted = match dtype {
        Some(dtype) => py.import("numpy")?.call_method1("dtype", (dtype,))?,
        None => own.clone(),
    };
    let differs = !wanted.eq(&own)?;
    if differs && copy == Some(false) {
        return Err(PyValueError::new_err(format!(
            "a {own} Array as {wanted} takes a copy, and copy=False forbids one"
        )));
    }
    if differs || copy == Some(true) {
        let options = PyDict::new(py);
        options.set_item("copy", true)?;
        return same.call_method("astype", (wanted,), Some(&options));
    }
    Ok(same)
}

/// Converts any argument of scale to an Array: an Array is returned unchanged, an ndarray goes through from_numpy.
pub fn as_array<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Array>> {
    if let Ok(array) = object.cast::<Array>() {
        return Ok(array.clone());
    }
    if object.cast::<PyUntypedArray>().is_err() {
        return Err(PyTypeError::new_err(format!(
            "scale takes an Array or a NumPy array of float32 or float64, got {}",
            object.get_type().name()?
        )));
    }
    Bound::new(object.py(), from_numpy(object)?)
}
