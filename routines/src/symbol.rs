//! From a symbol of a library to the routine behind it.

use crate::catalogue::find;
use crate::model::{Convention, Family, Ret, Routine, Width};

/// How a library spells a routine's name. The width of its integers comes beside it, as a [`Width`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mangling {
    /// Unchanged: `cblas_sgemm`, `vDSP_vsmul`; `dgesv` of MKL or of old Accelerate.
    Plain,
    /// gfortran's underscore: `dgesv_`.
    Underscore,
    /// A 64 at the end, `cblas_sgemm64_`, `dgesv_64_`, `dgesv_64`: OpenBLAS, Julia, MKL.
    Suffix64,
    /// The OpenBLAS in the wheels of NumPy and SciPy: `scipy_cblas_sgemm64_`, `scipy_dgesv_`.
    Scipy,
    /// Apple's LAPACK 3.9 and later: `cblas_sgemm$NEWLAPACK$ILP64`.
    NewLapack,
}

/// The systems whose libraries differ in how a Fortran function returns its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetOs {
    /// Linux and the other ELF systems.
    Linux,
    /// macOS.
    MacOs,
}

/// Finds the routine behind a symbol, the width of its integers and how the name was spelled.
///
/// ELF version suffixes (`@OPENBLAS_0.3`) are ignored. The leading underscore of Mach-O must be removed before
/// ([`strip_mach_o_underscore`]). A Fortran name without an underscore is accepted from five letters on: `sgemm`, but
/// not `sdot`, which is too likely a function of the program itself. An unmangled name does not give the width of a
/// library built with 64-bit integers under plain names: [`library_width`] knows those by their file name.
#[must_use]
pub fn parse_symbol(symbol: &str) -> Option<(&'static Routine, Width, Mangling)> {
    let symbol = symbol.split('@').next().unwrap_or(symbol);
    if let Some((base, rest)) = symbol.split_once("$NEWLAPACK") {
        let width = match rest {
            "" => Width::Lp64,
            "$ILP64" => Width::Ilp64,
            _ => return None,
        };
        let routine = find(base).or_else(|| fortran(base.strip_suffix('_')?))?;
        return Some((routine, width, Mangling::NewLapack));
    }
    if let Some(rest) = symbol.strip_prefix("scipy_") {
        let (routine, width, mangling) = unprefixed(rest)?;
        let bare_fortran = routine.convention == Convention::Fortran && mangling == Mangling::Plain;
        return (!bare_fortran).then_some((routine, width, Mangling::Scipy));
    }
    unprefixed(symbol)
}

fn unprefixed(symbol: &str) -> Option<(&'static Routine, Width, Mangling)> {
    if let Some(routine) = find(symbol) {
        let plain = routine.convention == Convention::C || plain_is_safe(routine);
        return plain.then_some((routine, Width::Lp64, Mangling::Plain));
    }
    let suffixed = ["_64_", "64_", "_64"].iter().find_map(|suffix| {
        let routine = find(symbol.strip_suffix(suffix)?)?;
        // vDSP and vForce have one width.
        (!matches!(routine.family, Family::Vdsp | Family::Vforce)).then_some(routine)
    });
    if let Some(routine) = suffixed {
        return Some((routine, Width::Ilp64, Mangling::Suffix64));
    }
    Some((fortran(symbol.strip_suffix('_')?)?, Width::Lp64, Mangling::Underscore))
}

/// A routine that has a Fortran name, by that name.
fn fortran(name: &str) -> Option<&'static Routine> {
    find(name).filter(|routine| routine.convention == Convention::Fortran)
}

/// Whether a Fortran name without its underscore is distinctive enough.
fn plain_is_safe(routine: &Routine) -> bool {
    matches!(routine.family, Family::Fortran | Family::Lapack) && routine.name.len() >= 5
}

/// The C name behind a Mach-O symbol: `_cblas_sgemm` → `cblas_sgemm`.
#[must_use]
pub fn strip_mach_o_underscore(symbol: &str) -> &str {
    symbol.strip_prefix('_').unwrap_or(symbol)
}

/// The integer width of a library that keeps the plain names, from its file name; `None` if the name does not show it.
///
/// `libopenblas64p-r0.3.21.so` and `libmkl_intel_ilp64.so` export `dgesv_` with 64-bit integers.
#[must_use]
pub fn library_width(file_name: &str) -> Option<Width> {
    let name = file_name.rsplit('/').next().unwrap_or(file_name);
    let wide = ["ilp64", "blas64", "lapack64", "blis64"].iter().any(|mark| name.contains(mark));
    if wide {
        return Some(Width::Ilp64);
    }
    name.contains("lp64").then_some(Width::Lp64)
}

impl Routine {
    /// Why a wrapper with this routine's declared signature may not fit the function behind a symbol, if so.
    ///
    /// - A Fortran name without an underscore is MKL's or old Accelerate's; elsewhere it may be an unrelated function
    ///   of the program with the same name (`saxpy` is in many tutorials).
    /// - Fortran functions that return a complex number: gfortran, OpenBLAS and the reference BLAS return it as C does,
    ///   MKL and Accelerate (`blas_new.h` too) write it through an extra first pointer. Only the wheels' OpenBLAS is
    ///   recognisable by its symbol names.
    /// - Fortran functions that return a REAL: Accelerate's old interface returns a double (`$NEWLAPACK` a float).
    #[must_use]
    pub fn abi_hazard(&self, mangling: Mangling, os: TargetOs) -> Option<&'static str> {
        if self.convention == Convention::C {
            return None;
        }
        match (self.returns, mangling, os) {
            (_, Mangling::Plain, _) => {
                Some("a Fortran name without an underscore may be a function of the program's own")
            }
            (Ret::C32 | Ret::C64, Mangling::Scipy, _) => None,
            (Ret::C32 | Ret::C64, _, _) => Some(
                "complex functions of MKL and Accelerate return through a hidden first pointer, those of OpenBLAS by \
                 value",
            ),
            (Ret::F32, Mangling::Underscore, TargetOs::MacOs) => {
                Some("the old Fortran interface of Accelerate returns a double for a REAL function")
            }
            _ => None,
        }
    }
}
