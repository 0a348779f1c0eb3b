//! The factor of a scale: the accepted Python numbers, and their rounding.
use std::ffi::c_void;

use numpy::PY_ARRAY_API;
use numpy::npyffi::{NpyTypes, get_type_object};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyInt, PyType};
use raptors_kernel::{Dtype, FactorFirst, set_factor_first};

/// A factor as given, not yet rounded to the array's type.
#[derive(Clone, Copy, Debug)]
pub enum Factor {
    /// A `numpy.float32`, bit for bit: a NaN's payload survives.
    Single(f32),
    /// Any other real number.
    Double(f64),
}

impl Factor {
    /// Takes a Python float or int, or a NumPy scalar that is one.
    ///
    /// # Errors
    /// TypeError for anything else; OverflowError for an int beyond float64, as in NumPy.
    // The usual case is inlined into its callers: returning a result through memory costs a tenth of the smallest call.
    #[inline(always)]
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        match object.cast_exact::<PyFloat>() {
            Ok(float) => Ok(Self::Double(float.value())),
            Err(_) => Self::of_other(object),
        }
    }

    #[inline(never)]
    fn of_other(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if is_float32(object) {
            let mut value = 0_f32;
            // SAFETY: the object is a `numpy.float32`, whose C type is a float.
            unsafe {
                let target = (&raw mut value).cast::<c_void>();
                PY_ARRAY_API.PyArray_ScalarAsCtype(object.py(), object.as_ptr(), target);
            }
            return Ok(Self::Single(value));
        }
        if is_real(object)? {
            return Ok(Self::Double(object.extract()?));
        }
        Err(PyTypeError::new_err(format!(
            "factor has to be a Python or NumPy float or int, got {}",
            object.get_type().name()?
        )))
    }

    /// The factor for a float64 array.
    ///
    /// # Errors
    /// None but those of NumPy: see [`learn_nan_order`].
    pub fn double(self, py: Python<'_>) -> PyResult<f64> {
        let value = match self {
            Self::Single(value) => f64::from(value),
            Self::Double(value) => value,
        };
        if value.is_nan() {
            learn_nan_order(py)?;
        }
        Ok(value)
    }

    /// The factor for a float32 array, rounded to nearest as `numpy.float32(factor)` does.
    ///
    /// # Errors
    /// If a finite factor becomes infinite, NumPy does the rounding, so that it warns or raises as
    /// `numpy.errstate(over=...)` says.
    pub fn single(self, py: Python<'_>) -> PyResult<f32> {
        let value = match self {
            Self::Single(value) => value,
            Self::Double(value) => {
                let rounded = value as f32;
                if rounded.is_infinite() && value.is_finite() {
                    py.import("numpy")?.call_method1("float32", (value,))?;
                }
                rounded
            }
        };
        if value.is_nan() {
            learn_nan_order(py)?;
        }
        Ok(value)
    }
}

/// Before the first NaN factor, asks the installed NumPy which payload NaN × NaN keeps, because that depends on how
/// NumPy was compiled.
#[cold]
fn learn_nan_order(py: Python<'_>) -> PyResult<()> {
    static LEARNT: PyOnceLock<()> = PyOnceLock::new();
    LEARNT
        .get_or_try_init(py, || {
            let (numpy, nan) = (py.import("numpy")?, py.import("raptors_trace._nan")?);
            for (name, dtype) in [("float32", Dtype::Float32), ("float64", Dtype::Float64)] {
                let rule = nan.call_method1("factor_first_rule", (numpy.getattr(name)?,))?;
                let rule: Option<(u32, u32)> = rule.extract()?;
                let rule = rule.map(|(above, block)| FactorFirst { above, block });
                set_factor_first(dtype, rule);
            }
            Ok(())
        })
        .copied()
}

fn is_float32(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: reads an address from NumPy's table of types.
    let float32 = unsafe { get_type_object(object.py(), NpyTypes::PyFloatArrType_Type) };
    object.get_type_ptr() == float32
}

fn is_real(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static FLOATING: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static INTEGER: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = object.py();
    Ok(object.is_instance_of::<PyInt>()
        || object.is_instance_of::<PyFloat>()
        || object.is_instance(FLOATING.import(py, "numpy", "floating")?)?
        || object.is_instance(INTEGER.import(py, "numpy", "integer")?)?)
}
