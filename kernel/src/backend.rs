//! The backends and their names.

use std::ffi::CStr;
use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The instruction set of a `simd` loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// AVX-512F, 64-byte vectors.
    Avx512,
    /// AVX2, 32-byte vectors.
    Avx2,
    /// SSE2, 16-byte vectors: every x86-64 has it.
    Sse2,
    /// NEON, 16-byte vectors: every aarch64 has it.
    Neon,
}

/// A routine of Apple's Accelerate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccelerateRoutine {
    /// `vDSP_vsmul`, `vDSP_vsmulD`.
    Vsmul,
    /// `vDSP_vsmsa`, `vDSP_vsmsaD`, adding −0.0.
    Vsmsa,
    /// `catlas_saxpby`, `catlas_daxpby`, out of place only, with β = 0 on a zeroed result.
    Axpby,
    /// `cblas_sscal`, `cblas_dscal`, in place only.
    Scal,
}

/// A routine of OpenBLAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenBlasRoutine {
    /// `cblas_somatcopy`, `cblas_domatcopy`, out of place only.
    Omatcopy,
    /// `cblas_sscal`, `cblas_dscal`, in place only.
    Scal,
}

/// The computation of one contiguous piece on one thread. `None` is the default variant of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Leaf {
    /// One element after the other: the reference for every other loop.
    Scalar,
    /// Vectors of this CPU; `None`: the widest it has.
    Simd(Option<Isa>),
    /// Apple's Accelerate (macOS); `None`: `vDSP_vsmul`, in place `cblas_sscal`.
    ///
    /// Type-checked only: it has never run on a Mac, so its deviations from NumPy's results are unknown. The automatic
    /// choice therefore does not use it. In a [`Backend::Hybrid`] it computes the odd pieces.
    Accelerate(Option<AccelerateRoutine>),
    /// OpenBLAS, opened at run time (Linux); `None`: `cblas_somatcopy`, in place `cblas_sscal`.
    ///
    /// Its deviations from NumPy's multiplication (seen with 0.3.31, x86-64; `tests/process/openblas.rs`):
    ///
    /// | operands | NumPy and our loops | `omatcopy` | `scal` |
    /// |---|---|---|---|
    /// | anything × ±0 | ±0, NaN for ±∞ and NaN | +0 always | the same |
    /// | signalling NaN × 1 | quiet NaN | still signalling | still signalling |
    /// | NaN × NaN, short array | the element's payload | the factor's | the factor's |
    ///
    /// In a [`Backend::Hybrid`] they occur in the odd pieces, which it computes.
    ///
    /// Older releases of OpenBLAS set everything to +0 for a factor of zero in `scal` too; 0.3.21 (Debian 12, x86-64)
    /// does so for a factor of NaN as well.
    OpenBlas(Option<OpenBlasRoutine>),
}

/// A way to compute array × factor. `RAPTORS_BACKEND` takes its name (`Display`, `FromStr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The whole array in one call.
    Whole(Leaf),
    /// Pieces that fit in the cache, one after the other; `None`: with `simd`.
    Chunked(Option<Leaf>),
    /// Pieces on a pool of threads; `None`: with `simd`.
    Parallel(Option<Leaf>),
    /// Pieces on a pool of threads, alternately for `simd` and this leaf: `simd` computes the even pieces, the leaf the
    /// odd ones.
    ///
    /// Meant for a library (`parallel:simd+openblas`, `parallel:simd+accelerate`), whose deviations from NumPy then
    /// occur in the odd pieces only. The pieces alternate, not the threads, so the elements that a library computes do
    /// not depend on which thread was faster: the same call with as many threads gives the same bits. `simd` alone
    /// computes an array of one piece. The automatic choice never uses a hybrid.
    Hybrid(Leaf),
}

/// A NUL-terminated static string of literals.
macro_rules! cstr {
    ($($part:literal),+) => {
        match CStr::from_bytes_with_nul(concat!($($part),+, "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => panic!("a backend's name holds a NUL"),
        }
    };
}

/// The names of one leaf.
struct Names {
    whole: &'static CStr,
    chunked: &'static CStr,
    parallel: &'static CStr,
    hybrid: &'static CStr,
    /// The names beside each loop that `simd` can stand for, in the order of [`own_index`].
    beside: [&'static CStr; 5],
}

/// Every leaf with its name: the only list for parsing, display and the probes.
macro_rules! leaves {
    ($($name:literal => [$($leaf:tt)+]),+ $(,)?) => {
        /// Every leaf that has a name.
        const LEAVES: &[Leaf] = &[$($($leaf)+),+];

        fn names(leaf: Leaf) -> &'static Names {
            match leaf {
                $($($leaf)+ => const {
                    &Names {
                        whole: cstr!($name),
                        chunked: cstr!("chunked:", $name),
                        parallel: cstr!("parallel:", $name),
                        hybrid: cstr!("parallel:simd+", $name),
                        beside: [
                            cstr!("scalar+", $name),
                            cstr!("simd:avx512+", $name),
                            cstr!("simd:avx2+", $name),
                            cstr!("simd:sse2+", $name),
                            cstr!("simd:neon+", $name),
                        ],
                    }
                }),+
            }
        }
    };
}

leaves! {
    "scalar" => [Leaf::Scalar],
    "simd" => [Leaf::Simd(None)],
    "simd:avx512" => [Leaf::Simd(Some(Isa::Avx512))],
    "simd:avx2" => [Leaf::Simd(Some(Isa::Avx2))],
    "simd:sse2" => [Leaf::Simd(Some(Isa::Sse2))],
    "simd:neon" => [Leaf::Simd(Some(Isa::Neon))],
    "accelerate" => [Leaf::Accelerate(None)],
    "accelerate:vDSP_vsmul" => [Leaf::Accelerate(Some(AccelerateRoutine::Vsmul))],
    "accelerate:vDSP_vsmsa" => [Leaf::Accelerate(Some(AccelerateRoutine::Vsmsa))],
    "accelerate:catlas_saxpby" => [Leaf::Accelerate(Some(AccelerateRoutine::Axpby))],
    "accelerate:cblas_sscal" => [Leaf::Accelerate(Some(AccelerateRoutine::Scal))],
    "openblas" => [Leaf::OpenBlas(None)],
    "openblas:cblas_somatcopy" => [Leaf::OpenBlas(Some(OpenBlasRoutine::Omatcopy))],
    "openblas:cblas_sscal" => [Leaf::OpenBlas(Some(OpenBlasRoutine::Scal))],
}

/// The index in [`Names::beside`] of a leaf that `simd` was spelled out as; `None` for any other leaf.
fn own_index(leaf: Leaf) -> Option<usize> {
    match leaf {
        Leaf::Scalar => Some(0),
        Leaf::Simd(Some(isa)) => Some(match isa {
            Isa::Avx512 => 1,
            Isa::Avx2 => 2,
            Isa::Sse2 => 3,
            Isa::Neon => 4,
        }),
        Leaf::Simd(None) | Leaf::Accelerate(_) | Leaf::OpenBlas(_) => None,
    }
}

fn utf8(name: &'static CStr) -> &'static str {
    name.to_str().unwrap_or("?")
}

impl Leaf {
    /// Its name, `simd:avx512`.
    pub fn name(self) -> &'static str {
        utf8(names(self).whole)
    }

    /// The name of the pair that a hybrid computes with, `simd:avx512+openblas:cblas_sscal`: `even` is the spelled-out
    /// leaf of `simd`.
    pub(crate) fn name_beside(self, even: Leaf) -> &'static str {
        let names = names(self);
        utf8(own_index(even).map_or(names.hybrid, |index| names.beside[index]))
    }
}

impl Backend {
    /// `scalar`.
    pub const SCALAR: Backend = Backend::Whole(Leaf::Scalar);
    /// `simd`, the widest vectors of this CPU.
    pub const SIMD: Backend = Backend::Whole(Leaf::Simd(None));
    /// `accelerate`.
    pub const ACCELERATE: Backend = Backend::Whole(Leaf::Accelerate(None));
    /// `openblas`.
    pub const OPENBLAS: Backend = Backend::Whole(Leaf::OpenBlas(None));
    /// `chunked`.
    pub const CHUNKED: Backend = Backend::Chunked(None);
    /// `parallel`.
    pub const PARALLEL: Backend = Backend::Parallel(None);

    /// Its name in the form that the probes carry.
    pub fn name_c(self) -> &'static CStr {
        match self {
            Backend::Whole(leaf) => names(leaf).whole,
            Backend::Chunked(None) => c"chunked",
            Backend::Chunked(Some(leaf)) => names(leaf).chunked,
            Backend::Parallel(None) => c"parallel",
            Backend::Parallel(Some(leaf)) => names(leaf).parallel,
            Backend::Hybrid(leaf) => names(leaf).hybrid,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        utf8(self.name_c())
    }

    /// Every backend that has a name, available on this machine or not.
    pub fn all() -> Vec<Backend> {
        Backend::each().collect()
    }

    /// The same one by one: a name that comes with every call is looked up without an allocation.
    fn each() -> impl Iterator<Item = Backend> {
        let leaves = || LEAVES.iter().copied();
        let pieces = leaves().map(|leaf| Backend::Chunked(Some(leaf)));
        let shared = leaves().map(|leaf| Backend::Parallel(Some(leaf)));
        leaves()
            .map(Backend::Whole)
            .chain([Backend::CHUNKED])
            .chain(pieces)
            .chain([Backend::PARALLEL])
            .chain(shared)
            .chain(leaves().map(Backend::Hybrid))
    }

    /// The leaf of each piece, in a hybrid of the even ones.
    pub(crate) fn leaf(self) -> Leaf {
        match self {
            Backend::Whole(leaf) => leaf,
            Backend::Chunked(leaf) | Backend::Parallel(leaf) => leaf.unwrap_or(Leaf::Simd(None)),
            Backend::Hybrid(_) => Leaf::Simd(None),
        }
    }

    /// The leaf of the odd pieces, if it is a different one.
    pub(crate) fn beside(self) -> Option<Leaf> {
        match self {
            Backend::Hybrid(leaf) => Some(leaf),
            Backend::Whole(_) | Backend::Chunked(_) | Backend::Parallel(_) => None,
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = Error;

    /// Case-insensitive. Fails with [`Error::UnknownBackend`] for an unknown name.
    fn from_str(text: &str) -> Result<Backend, Error> {
        let given = text.trim().as_bytes();
        Backend::each()
            .find(|backend| backend.name_c().to_bytes().eq_ignore_ascii_case(given))
            .ok_or_else(|| Error::UnknownBackend { given: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_to_its_backend() {
        for backend in Backend::all() {
            assert_eq!(backend.name().parse::<Backend>(), Ok(backend));
            assert_eq!(backend.name().to_uppercase().parse::<Backend>(), Ok(backend));
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Backend::all().iter().map(|backend| backend.name()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn an_unknown_name_is_named_with_what_is_taken() {
        let said = "mkl".parse::<Backend>().unwrap_err().to_string();
        assert!(said.contains("\"mkl\"") && said.contains("parallel:accelerate"), "{said}");
    }
}
