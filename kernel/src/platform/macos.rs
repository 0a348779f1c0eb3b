//! macOS.

use std::ffi::{CStr, c_void};

/// Bytes of the second-level cache; that of the fast cores if there are two kinds.
pub(crate) fn l2_bytes() -> usize {
    let names = [c"hw.perflevel0.l2cachesize", c"hw.l2cachesize"];
    names.into_iter().find_map(number).unwrap_or(super::USUAL_L2)
}

/// Bytes of the first-level cache for data of a fast core.
pub(crate) fn l1d_bytes() -> usize {
    let names = [c"hw.perflevel0.l1dcachesize", c"hw.l1dcachesize"];
    let found = names.into_iter().find_map(number);
    found.unwrap_or(super::USUAL_L1D)
}

/// Bytes of the last-level cache of a core: the third-level cache of Intel Macs, the second of Apple's processors,
/// whose system-level cache size is not available.
pub(crate) fn llc_bytes() -> usize {
    let names = [c"hw.l3cachesize", c"hw.perflevel0.l2cachesize"];
    names.into_iter().find_map(number).unwrap_or(super::USUAL_LLC)
}

/// The processor's name.
pub(crate) fn cpu_name() -> String {
    let mut name = [0u8; 256];
    let mut size = name.len() - 1;
    let place: *mut c_void = name.as_mut_ptr().cast();
    let key = c"machdep.cpu.brand_string";
    // SAFETY: the key is NUL-terminated; at most `size` bytes are written to `name`, whose last stays NUL.
    unsafe { libc::sysctlbyname(key.as_ptr(), place, &mut size, std::ptr::null_mut(), 0) };
    let told = CStr::from_bytes_until_nul(&name).unwrap_or_default();
    match told.to_string_lossy() {
        empty if empty.is_empty() => std::env::consts::ARCH.into(),
        told => told.into_owned(),
    }
}

/// A number of `sysctl`, if there is one above zero.
fn number(name: &CStr) -> Option<usize> {
    let mut value = 0u64;
    let mut size = size_of_val(&value);
    let place: *mut c_void = (&raw mut value).cast();
    // SAFETY: the name is NUL-terminated; at most `size` bytes are written to `value`.
    let failed = unsafe { libc::sysctlbyname(name.as_ptr(), place, &mut size, std::ptr::null_mut(), 0) };
    (failed == 0 && value > 0).then_some(value as usize)
}

/// The routines of Accelerate that can scale, for each type.
pub(crate) mod accelerate {
    // Linked for its framework only.
    use accelerate_src as _;

    use std::ffi::{c_int, c_long, c_ulong};

    use crate::Error;
    use crate::backend::AccelerateRoutine;
    use crate::loops::Loop;

    /// CBLAS without ILP64 takes 32-bit lengths: longer arrays go in pieces.
    const MOST: usize = 1 << 30;

    macro_rules! routines {
        ($t:ident, $vsmul:ident, $vsmsa:ident, $axpby:ident, $scal:ident, $run_vsmul:ident,
         $run_vsmsa:ident, $run_axpby:ident, $run_scal:ident) => {
            // SAFETY: as Apple's vDSP.h and cblas.h declare them (vDSP_Stride is long, vDSP_Length
            // unsigned long; int lengths in the CBLAS of before macOS 13.3, whose names these are).
            unsafe extern "C" {
                fn $vsmul(a: *const $t, ia: c_long, b: *const $t, c: *mut $t, ic: c_long, n: c_ulong);
                fn $vsmsa(a: *const $t, ia: c_long, b: *const $t, c: *const $t, d: *mut $t, id: c_long, n: c_ulong);
                fn $axpby(n: c_int, alpha: $t, x: *const $t, incx: c_int, beta: $t, y: *mut $t, incy: c_int);
                fn $scal(n: c_int, alpha: $t, x: *mut $t, incx: c_int);
            }

            // SAFETY: see `Loop`.
            unsafe fn $run_vsmul(src: *const $t, dst: *mut $t, n: usize, factor: $t) {
                // SAFETY: n elements each, stride 1; vDSP allows the result to be the source.
                unsafe { $vsmul(src, 1, &factor, dst, 1, n as c_ulong) };
            }

            // SAFETY: see `Loop`.
            unsafe fn $run_vsmsa(src: *const $t, dst: *mut $t, n: usize, factor: $t) {
                // x + −0.0 is x for every x, zeros of both signs included.
                // SAFETY: as above.
                unsafe { $vsmsa(src, 1, &factor, &-0.0, dst, 1, n as c_ulong) };
            }

            // SAFETY: see `Loop`; src and dst do not overlap (out of place only).
            unsafe fn $run_axpby(src: *const $t, dst: *mut $t, n: usize, factor: $t) {
                // SAFETY: n elements each; dst is zeroed, as 0 × an old NaN would be NaN.
                unsafe {
                    dst.write_bytes(0, n);
                    for start in (0..n).step_by(MOST) {
                        let count = (n - start).min(MOST) as c_int;
                        $axpby(count, factor, src.add(start), 1, 0.0, dst.add(start), 1);
                    }
                }
            }

            // SAFETY: see `Loop`; src is dst (in place only).
            unsafe fn $run_scal(_: *const $t, dst: *mut $t, n: usize, factor: $t) {
                for start in (0..n).step_by(MOST) {
                    // SAFETY: start + count ≤ n elements.
                    unsafe { $scal((n - start).min(MOST) as c_int, factor, dst.add(start), 1) };
                }
            }

            pub(crate) fn $t(routine: AccelerateRoutine) -> Result<Loop<$t>, Error> {
                Ok(match routine {
                    AccelerateRoutine::Vsmul => $run_vsmul,
                    AccelerateRoutine::Vsmsa => $run_vsmsa,
                    AccelerateRoutine::Axpby => $run_axpby,
                    AccelerateRoutine::Scal => $run_scal,
                })
            }
        };
    }

    routines!(f32, vDSP_vsmul, vDSP_vsmsa, catlas_saxpby, cblas_sscal, vsmul_f32, vsmsa_f32, axpby_f32, scal_f32);
    routines!(f64, vDSP_vsmulD, vDSP_vsmsaD, catlas_daxpby, cblas_dscal, vsmul_f64, vsmsa_f64, axpby_f64, scal_f64);
}
