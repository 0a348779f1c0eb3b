//! The scale kernel, out = array × factor for `float32` and `float64`, and its backends.
//!
//! ```
//! use raptors_kernel::{Request, scaled};
//! let (result, choice) = scaled(&[1.0f32, -2.0, 0.5], 2.5, &Request::default())?;
//! assert_eq!(&result[..], &[2.5, -5.0, 1.25]);
//! println!("{choice}"); // simd:avx512, 1 thread: automatic: the widest vectors of this CPU, one thread
//! # Ok::<(), raptors_kernel::Error>(())
//! ```
//!
//! # Which backend runs
//! The argument ([`Request`]), else `RAPTORS_BACKEND` and `RAPTORS_THREADS`, else the automatic
//! choice: `simd` on the calling thread, `parallel` where more than one thread is asked for and the
//! array is long enough to share. The environment is read at the first call. Every call returns its
//! [`Choice`]: the branch it took, and why.
//!
//! `RAPTORS_ALLOC=plain` has results in memory as `malloc` gives it, without alignment and without the
//! advice to use huge pages; `advised` is the default. See [`Buffer`].
//!
//! # Results
//! Our own loops (`scalar`, `simd`, and `chunked` and `parallel` with these) give bit for bit what
//! NumPy's `array * factor` gives, and raise the same floating-point flags; for the payload of
//! NaN × NaN see [`FactorFirst`]. Library routines may deviate: see
//! [`Leaf::OpenBlas`] and [`Leaf::Accelerate`]; the automatic choice never takes them, nor a
//! [`Backend::Hybrid`], which shares an array between `simd` and another leaf.

mod backend;
mod buffer;
mod choice;
mod element;
mod error;
mod loops;
mod nan;
mod openblas;
mod platform;
mod pool;
mod scale;
mod split;
pub mod trace;

pub use backend::{AccelerateRoutine, Backend, Isa, Leaf, OpenBlasRoutine};
pub use buffer::{ALIGNMENT, Buffer};
pub use choice::{Choice, MAX_THREADS, Request, available, check_environment};
pub use element::{Dtype, Element};
pub use error::Error;
pub use nan::{FactorFirst, factor_first, set_factor_first};
pub use openblas::library as openblas_library;
pub use scale::{scale, scale_in_place, scale_uninit, scaled};
