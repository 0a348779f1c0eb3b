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
//! The argument ([`Request`]), else `RAPTORS_BACKEND`, `RAPTORS_THREADS` and `RAPTORS_STORES`, else the automatic
//! choice: a small [`Table`] of backend and [`Stores`] by type, place, threads and bytes. The shipped table uses `simd`
//! on the calling thread, `parallel` if more than one thread is requested and the array is long enough to share, and
//! [`Stores::Stream`] if source and result together fill the last-level cache. `raptors-trace tune` measures a table
//! for the present machine, which is used from then on; `RAPTORS_TABLE` names another file, or `shipped`. The
//! environment is read at the first call. Every call returns its [`Choice`]: the branch it took, and the reason.
//!
//! # Memory of results
//! A dropped result of 128 KiB or more leaves its memory to the next one of about that size (see [`Buffer`]): fresh
//! pages cost more than the multiplication. At most `RAPTORS_BUFFER_CACHE` bytes are kept idle (`256M`, `1G`; 0 keeps
//! nothing; the default is an eighth of the machine's memory, at most 1 GiB). When another result is dropped, memory
//! that was idle for a second is offered to the system; blocks of 64 MiB or more are offered at once (`MADV_FREE`: the
//! system takes the pages when it is short of memory). [`trim`] returns all of it at once. `RAPTORS_ALLOC=plain`
//! switches this off: results are in plain `malloc` memory, without alignment and without the advice to use huge pages.
//! `advised` is the default.
//!
//! # Results
//! The kernel's own loops (`scalar`, `simd`, and `chunked` and `parallel` with these) give bit for bit the result of
//! NumPy's `array * factor`, and raise the same floating-point flags; for the payload of NaN × NaN see [`FactorFirst`].
//! Library routines may deviate: see [`Leaf::OpenBlas`] and [`Leaf::Accelerate`]. The automatic choice never uses them,
//! nor a [`Backend::Hybrid`], which shares an array between `simd` and another leaf.

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
mod recycle;
mod scale;
mod split;
mod table;
pub mod trace;

pub use backend::{AccelerateRoutine, Backend, Isa, Leaf, OpenBlasRoutine};
pub use buffer::{ALIGNMENT, Buffer};
pub use choice::{Choice, MAX_THREADS, Place, Request, available, check_environment};
pub use element::{Dtype, Element};
pub use error::Error;
pub use loops::Stores;
pub use nan::{FactorFirst, factor_first, set_factor_first};
pub use openblas::library as openblas_library;
pub use pool::usable_threads;
pub use recycle::{idle_bytes, trim};
pub use scale::{scale, scale_in_place, scale_uninit, scaled};
pub use table::{Origin, Row, Table, Used, cache_dir, cache_file, machine, used};
