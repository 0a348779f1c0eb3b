//! OpenBLAS, opened at run time.
//!
//! The library is the first of: the file that `RAPTORS_OPENBLAS` names; a loaded library (NumPy's bundled
//! `libscipy_openblas*`, once NumPy is imported); the system's `libopenblas.so.0`. The first call that needs it looks
//! for it, once.

use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::Error;
use crate::backend::{Backend, OpenBlasRoutine};
use crate::loops::Loop;
use crate::platform::{self, Library};

/// The spelling of a build's CBLAS names, and whether its integers are 64 bits wide.
const SPELLINGS: &[(&str, &str, bool)] =
    &[("scipy_", "64_", true), ("scipy_", "", false), ("", "64_", true), ("", "", false)];

const ROW_MAJOR: c_int = 101;
const NO_TRANSPOSE: c_int = 111;

/// `scal` shares longer arrays among OpenBLAS's own threads. In pieces of this many elements it stays on the calling
/// thread, so a `Choice` that says one thread is true.
const SCAL_ALONE: usize = 1 << 20;

/// The addresses of the four routines.
#[derive(Debug)]
struct OpenBlas {
    path: PathBuf,
    wide: bool,
    somatcopy: *mut c_void,
    domatcopy: *mut c_void,
    sscal: *mut c_void,
    dscal: *mut c_void,
}

// SAFETY: the addresses are of functions of a library that stays loaded; OpenBLAS's routines may be
// called on any thread.
unsafe impl Send for OpenBlas {}
// SAFETY: as above.
unsafe impl Sync for OpenBlas {}

/// The file of the OpenBLAS that the backend `openblas` calls.
///
/// Looks for it at the first call; fails with [`Error::Unavailable`] if there is none.
pub fn library() -> Result<&'static Path, Error> {
    found().map(|found| found.path.as_path())
}

fn found() -> Result<&'static OpenBlas, Error> {
    static FOUND: OnceLock<Result<OpenBlas, String>> = OnceLock::new();
    FOUND.get_or_init(find).as_ref().map_err(|why| Error::Unavailable { backend: Backend::OPENBLAS, why: why.clone() })
}

fn find() -> Result<OpenBlas, String> {
    if let Some(path) = std::env::var_os("RAPTORS_OPENBLAS").filter(|path| !path.is_empty()) {
        return open(Path::new(&path)).map_err(|why| format!("RAPTORS_OPENBLAS: {why}"));
    }
    let sonames = platform::OPENBLAS_SONAMES.iter().map(PathBuf::from);
    let mut whys = Vec::new();
    for path in platform::loaded("openblas").into_iter().chain(sonames) {
        match open(&path) {
            Ok(found) => return Ok(found),
            Err(why) => whys.push(why),
        }
    }
    Err(format!(
        "no OpenBLAS is loaded, and the system has none ({}); RAPTORS_OPENBLAS=path names one",
        whys.join("; ")
    ))
}

fn open(path: &Path) -> Result<OpenBlas, String> {
    let library = Library::open(path)?;
    SPELLINGS
        .iter()
        .find_map(|(prefix, suffix, wide)| {
            let get = |name: &str| library.symbol(&format!("{prefix}cblas_{name}{suffix}"));
            Some(OpenBlas {
                path: path.into(),
                wide: *wide,
                somatcopy: get("somatcopy")?,
                domatcopy: get("domatcopy")?,
                sscal: get("sscal")?,
                dscal: get("dscal")?,
            })
        })
        .ok_or_else(|| format!("{} has no cblas_somatcopy and cblas_sscal", path.display()))
}

macro_rules! routines {
    ($t:ident, $omatcopy:ident, $scal:ident, $run:ident) => {
        mod $run {
            use super::*;

            type Omatcopy<I> = unsafe extern "C" fn(c_int, c_int, I, I, $t, *const $t, I, *mut $t, I);
            type Scal<I> = unsafe extern "C" fn(I, $t, *mut $t, I);

            // SAFETY: see `Loop`; src and dst do not overlap (out of place only).
            pub(super) unsafe fn omatcopy(src: *const $t, dst: *mut $t, n: usize, factor: $t) {
                let Ok(found) = found() else { unreachable!("chosen only once found") };
                let call = found.$omatcopy;
                // A matrix of one row. Longer ones go in pieces, for libraries with 32-bit integers.
                for start in (0..n).step_by(1 << 30) {
                    let count = (n - start).min(1 << 30);
                    // SAFETY: the address is of this routine, whose integers are as wide as the
                    // spelling says; count elements from start lie in both arrays.
                    unsafe {
                        let (src, dst) = (src.add(start), dst.add(start));
                        if found.wide {
                            let call: Omatcopy<i64> = std::mem::transmute(call);
                            let n = count as i64;
                            call(ROW_MAJOR, NO_TRANSPOSE, 1, n, factor, src, n, dst, n);
                        } else {
                            let call: Omatcopy<i32> = std::mem::transmute(call);
                            let n = count as i32;
                            call(ROW_MAJOR, NO_TRANSPOSE, 1, n, factor, src, n, dst, n);
                        }
                    }
                }
            }

            // SAFETY: see `Loop`; src is dst (in place only).
            pub(super) unsafe fn scal(_: *const $t, dst: *mut $t, n: usize, factor: $t) {
                let Ok(found) = found() else { unreachable!("chosen only once found") };
                let call = found.$scal;
                for start in (0..n).step_by(SCAL_ALONE) {
                    let count = (n - start).min(SCAL_ALONE);
                    // SAFETY: as above.
                    unsafe {
                        if found.wide {
                            let call: Scal<i64> = std::mem::transmute(call);
                            call(count as i64, factor, dst.add(start), 1);
                        } else {
                            let call: Scal<i32> = std::mem::transmute(call);
                            call(count as i32, factor, dst.add(start), 1);
                        }
                    }
                }
            }
        }

        pub(crate) fn $t(routine: OpenBlasRoutine) -> Result<Loop<$t>, Error> {
            found()?;
            Ok(match routine {
                OpenBlasRoutine::Omatcopy => $run::omatcopy,
                OpenBlasRoutine::Scal => $run::scal,
            })
        }
    };
}

routines!(f32, somatcopy, sscal, single);
routines!(f64, domatcopy, dscal, double);
