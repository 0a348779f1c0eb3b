//! NumPy's tables of C functions, handed out only if this NumPy is one whose structures are known.
//!
//! The observers of loops and memory write into NumPy's own structures, whose layout is not part of its stable ABI. So
//! the two version numbers are read first, by entries that no version moves, and a newer NumPy is refused.
use std::ffi::{c_int, c_uint, c_void};
use std::ops::RangeInclusive;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use raptors_hooks as hooks;

/// `NPY_ABI_VERSION` of every NumPy 2: where the entries of the tables are, and what the documented ones take.
const ABI: c_uint = 0x0200_0000;
/// `NPY_API_VERSION` of the versions in which `PyUFuncObject` and `PyDataMem_Handler` were looked at: see
/// `numpyconfig.h` of the newest. Add a version after tests/python has passed on it.
const FEATURES: RangeInclusive<c_uint> = 0x12..=0x16;
/// The same in NumPy's own versions.
const VERSIONS: &str = "2.0 to 2.5";

/// The tables of a NumPy whose structures are known.
pub struct KnownNumpy(());

impl KnownNumpy {
    /// Reads the versions; the inner error is the sentence about a NumPy that is not known.
    pub fn of(py: Python<'_>) -> PyResult<Result<Self, String>> {
        let (abi, features) = versions(py)?;
        if abi == ABI && FEATURES.contains(&features) {
            return Ok(Ok(KnownNumpy(())));
        }
        let version = py.import("numpy")?.getattr("__version__")?;
        Ok(Err(format!(
            "the structures of this NumPy {version} are not known (ABI {abi:#x}, API {features:#x}; known are those of \
             NumPy {VERSIONS}), so its loops and its data memory cannot be observed; math routines, samples, times and \
             the system's tracers still work"
        )))
    }

    /// `PyUFunc_ReplaceLoopBySignature`, by its number in `numpy/__ufunc_api.h`.
    pub fn ufunc_api(&self, py: Python<'_>) -> PyResult<hooks::loops::UfuncApi> {
        type Replace = unsafe extern "C" fn(*mut c_void, *mut c_void, *const c_int, *mut *mut c_void) -> c_int;
        const REPLACE_LOOP_BY_SIGNATURE: usize = 30;
        // SAFETY: the ABI was checked, of which the number and the type are part.
        let replace = unsafe {
            let function = entry(py, "_UFUNC_API", REPLACE_LOOP_BY_SIGNATURE)?;
            std::mem::transmute::<*mut c_void, Replace>(function)
        };
        Ok(hooks::loops::UfuncApi { replace })
    }

    /// The `PyDataMem_Handler` that is current in this thread's context.
    pub fn memory_handler(&self, py: Python<'_>) -> PyResult<*mut c_void> {
        const GET_HANDLER: usize = 305;
        // SAFETY: the ABI was checked. `PyDataMem_GetHandler` takes the GIL to be held and returns a new reference to a
        // capsule, or null with an exception set.
        let capsule = unsafe {
            let function = entry(py, "_ARRAY_API", GET_HANDLER)?;
            let get: unsafe extern "C" fn() -> *mut pyo3::ffi::PyObject =
                std::mem::transmute::<*mut c_void, _>(function);
            Bound::from_owned_ptr_or_err(py, get())?
        };
        let capsule = capsule.cast_into::<PyCapsule>()?;
        Ok(capsule.pointer_checked(Some(c"mem_handler"))?.as_ptr())
    }
}

/// Checks what the kernel needs, which uses documented functions only: NumPy's ABI. ImportError for another one.
#[pyfunction]
pub fn require_numpy(py: Python<'_>) -> PyResult<()> {
    let (abi, _) = versions(py)?;
    if abi == ABI {
        return Ok(());
    }
    let version = py.import("numpy")?.getattr("__version__")?;
    Err(PyImportError::new_err(format!(
        "raptors_trace.kernel takes arrays of NumPy 2 (ABI {ABI:#x}), and this NumPy {version} has ABI {abi:#x}; other \
         statements can still be compared, by their times, math routines and samples"
    )))
}

/// NumPy's versions of its ABI and of its features.
fn versions(py: Python<'_>) -> PyResult<(c_uint, c_uint)> {
    type Version = unsafe extern "C" fn() -> c_uint;
    const GET_C_VERSION: usize = 0;
    const GET_C_FEATURE_VERSION: usize = 211;
    // SAFETY: these two entries have had their places and their type since NumPy 1.4, so that every version can be
    // asked; they return a constant.
    unsafe {
        let read = |index| -> PyResult<c_uint> {
            Ok(std::mem::transmute::<*mut c_void, Version>(entry(py, "_ARRAY_API", index)?)())
        };
        Ok((read(GET_C_VERSION)?, read(GET_C_FEATURE_VERSION)?))
    }
}

/// Entry `index` of one of NumPy's tables of C functions.
///
/// # Safety
/// The table has that entry.
unsafe fn entry(py: Python<'_>, table: &str, index: usize) -> PyResult<*mut c_void> {
    let module = py.import("numpy._core._multiarray_umath")?;
    let capsule = module.getattr(table)?.cast_into::<PyCapsule>()?;
    let table = capsule.pointer_checked(None)?.cast::<*mut c_void>();
    // SAFETY: the capsule points at a static array of pointers, and the caller knows the index.
    Ok(unsafe { *table.as_ptr().add(index) })
}
