//! Which backend runs, and why.

use std::ffi::{CStr, OsStr};
use std::fmt;
use std::sync::OnceLock;

use crate::backend::{AccelerateRoutine, Backend, Isa, Leaf, OpenBlasRoutine};
use crate::element::{Dtype, Element};
use crate::loops::{self, Loop, Loops, Order, Stores};
use crate::pool::{self, Pool};
use crate::table::{self, Origin, Row};
use crate::{Error, nan};

/// The largest number of threads that a request may have.
pub const MAX_THREADS: usize = 1024;

/// The request of a caller; `None` leaves the decision to `RAPTORS_BACKEND`, `RAPTORS_THREADS`, `RAPTORS_STORES` and
/// the automatic choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The backend to run.
    pub backend: Option<Backend>,
    /// The largest number of threads to use, the caller included; 1 to [`MAX_THREADS`].
    pub threads: Option<usize>,
    /// The kind of stores for the result. With a requested backend, the default is plain.
    pub stores: Option<Stores>,
}

/// The branch a call took, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// The backend, by the name in the request.
    pub backend: Backend,
    /// The leaf of each piece, in a hybrid of the even ones, the variant spelled out (`simd:avx512`).
    pub leaf: Leaf,
    /// The leaf of a hybrid's odd pieces, the variant spelled out; `None` for any other backend.
    pub beside: Option<Leaf>,
    /// Threads that shared the work, the caller included. Pool threads that another call used at that moment, or that
    /// woke up too late, left their part to the others.
    pub threads: usize,
    /// The kind of stores.
    pub stores: Stores,
    name: &'static CStr,
    reason: &'static CStr,
}

impl Choice {
    /// The reason for this branch, in words.
    pub fn reason(&self) -> &'static str {
        self.reason.to_str().unwrap_or("?")
    }

    /// The backend's name, `parallel`.
    pub fn name(&self) -> &'static str {
        self.name.to_str().unwrap_or("?")
    }

    /// The same name in the form that the probes carry.
    pub fn name_c(&self) -> &'static CStr {
        self.name
    }

    /// The reason as the probe `dispatch` carries it.
    pub fn reason_c(&self) -> &'static CStr {
        self.reason
    }

    /// The name of the leaf that computed each piece, the variant spelled out: `simd:avx512`; for a hybrid both,
    /// `simd:avx512+openblas:cblas_somatcopy`.
    pub fn variant(&self) -> &'static str {
        match self.beside {
            None => self.leaf.name(),
            Some(odd) => odd.name_beside(self.leaf),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.backend {
            Backend::Whole(_) => {}
            Backend::Chunked(_) => f.write_str("chunked:")?,
            Backend::Parallel(_) | Backend::Hybrid(_) => f.write_str("parallel:")?,
        }
        let plural = if self.threads == 1 { "" } else { "s" };
        let stores = match self.stores {
            Stores::Plain => "",
            Stores::Stream => ", streaming stores",
        };
        write!(f, "{}{stores}, {} thread{plural}: {}", self.variant(), self.threads, self.reason())
    }
}

/// The place of the result: some routines work in one place only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Memory other than the source's, fresh or the caller's.
    Out,
    /// The source's memory.
    In,
}

impl Place {
    /// `out`, `in`, as in a [`Table`](crate::Table).
    pub const fn name(self) -> &'static str {
        match self {
            Place::Out => "out",
            Place::In => "in",
        }
    }
}

/// The plan of one call.
pub(crate) struct Plan<T> {
    pub(crate) choice: Choice,
    pub(crate) loops: Loops<T>,
    /// The loops of the odd pieces, if they differ.
    pub(crate) beside: Option<Loops<T>>,
    /// A pool of `choice.threads` threads; none if the caller works alone.
    pub(crate) pool: Option<&'static Pool>,
}

/// The values of `RAPTORS_BACKEND`, `RAPTORS_THREADS` and `RAPTORS_STORES`.
#[derive(Clone, Debug)]
struct Environment {
    backend: Result<Option<Backend>, Error>,
    threads: Result<Option<usize>, Error>,
    stores: Result<Option<Stores>, Error>,
}

fn environment() -> &'static Environment {
    static READ: OnceLock<Environment> = OnceLock::new();
    READ.get_or_init(|| Environment {
        backend: parse("RAPTORS_BACKEND", |text| text.parse()),
        threads: parse("RAPTORS_THREADS", threads),
        stores: parse("RAPTORS_STORES", |text| text.parse()),
    })
}

/// Checks the environment variables that the kernel reads, before a long run whose first call would fail.
///
/// # Errors
/// [`Error::Environment`] for each variable with an invalid value.
pub fn check_environment() -> [Result<(), Error>; 5] {
    let environment = environment();
    [
        environment.backend.as_ref().map(drop).map_err(Error::clone),
        environment.threads.as_ref().map(drop).map_err(Error::clone),
        environment.stores.as_ref().map(drop).map_err(Error::clone),
        table::used().map(drop),
        crate::recycle::limit().map(drop),
    ]
}

/// A variable's value; unset and empty are `None`.
fn parse<V>(variable: &'static str, parse: impl FnOnce(&str) -> Result<V, Error>) -> Result<Option<V>, Error> {
    let value = std::env::var_os(variable);
    match value.as_deref().map(OsStr::to_string_lossy).as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => parse(text).map(Some).map_err(|error| Error::Environment { variable, why: error.to_string() }),
    }
}

fn threads(text: &str) -> Result<usize, Error> {
    let parsed = text.parse().ok().filter(|threads| (1..=MAX_THREADS).contains(threads));
    parsed.ok_or_else(|| Error::Threads { given: text.into() })
}

fn copied<V: Copy>(result: &Result<V, Error>) -> Result<V, Error> {
    match result {
        Ok(value) => Ok(*value),
        Err(error) => Err(error.clone()),
    }
}

/// The number of threads that the request or the environment asks for.
fn wanted_threads(request: &Request) -> Result<Option<usize>, Error> {
    match request.threads {
        Some(given) if !(1..=MAX_THREADS).contains(&given) => Err(Error::Threads { given: given.to_string() }),
        Some(given) => Ok(Some(given)),
        None => copied(&environment().threads),
    }
}

/// Decides the backend, the loop and the threads of a call. Not inlined, so that the loops' callers are compiled alike
/// with and without probes.
#[inline(never)]
pub(crate) fn plan<T: Element>(request: &Request, place: Place, n: usize, factor: T) -> Result<Plan<T>, Error> {
    let wanted = wanted_threads(request)?;
    let asked = match request.stores {
        Some(stores) => Some(stores),
        None => copied(&environment().stores)?,
    };
    let (backend, usual, reason) = match request.backend {
        Some(backend) => (backend, Stores::Plain, c"asked for by the argument"),
        None => match copied(&environment().backend)? {
            Some(backend) => (backend, Stores::Plain, c"asked for by RAPTORS_BACKEND"),
            None => automatic(T::DTYPE, place, n, wanted)?,
        },
    };
    let stores = asked.unwrap_or(usual);
    if stores == Stores::Stream && !table::streams(backend) {
        return Err(Error::NoStreaming { backend });
    }
    let find = |order| leaf::<T>(backend.leaf(), place, order, stores).map_err(|error| named(error, backend));
    let (leaf, element_first) = find(Order::ElementFirst)?;
    let split = nan::factor_first_from(n, factor);
    let factor_first = if split < n { find(Order::FactorFirst)?.1 } else { element_first };
    let loops = Loops { element_first, factor_first, split };
    let mut plan = Plan {
        choice: Choice { backend, leaf, beside: None, threads: 1, stores, name: backend.name_c(), reason },
        loops,
        beside: None,
        pool: None,
    };
    match backend {
        Backend::Whole(_) | Backend::Chunked(_) => Ok(plan),
        Backend::Parallel(_) => {
            share(&mut plan, wanted);
            Ok(plan)
        }
        Backend::Hybrid(odd) => hybrid(plan, odd, place, wanted),
    }
}

/// Adds the loops of the odd pieces to a plan. Separate from [`plan`], so that other backends do not pay for it.
#[cold]
#[inline(never)]
fn hybrid<T: Element>(mut plan: Plan<T>, odd: Leaf, place: Place, wanted: Option<usize>) -> Result<Plan<T>, Error> {
    let asked = plan.choice.backend;
    let stores = Stores::Plain;
    let find = |order| leaf::<T>(odd, place, order, stores).map_err(|error| named(error, asked));
    let (odd, element_first) = find(Order::ElementFirst)?;
    let (_, factor_first) = find(Order::FactorFirst)?;
    plan.choice.beside = Some(odd);
    plan.beside = Some(Loops { element_first, factor_first, split: plan.loops.split });
    share(&mut plan, wanted);
    Ok(plan)
}

/// A leaf's error under the requested name.
#[cold]
fn named(error: Error, asked: Backend) -> Error {
    match error {
        Error::Unavailable { why, .. } => Error::Unavailable { backend: asked, why },
        other => other,
    }
}

/// The automatic choice, from the table. The default number of threads is one.
fn automatic(
    dtype: Dtype,
    place: Place,
    n: usize,
    threads: Option<usize>,
) -> Result<(Backend, Stores, &'static CStr), Error> {
    let used = table::used()?;
    let bytes = n * dtype.item_size() as usize;
    let row = used.table.row(dtype, place, threads.unwrap_or(1), bytes);
    let reason = match used.origin {
        Origin::Measured(_) => c"automatic: the fastest of those that `raptors-trace tune` measured here",
        Origin::Shipped(_) => shipped_reason(&row, threads),
    };
    Ok((row.backend, row.stores, reason))
}

/// The reason for a row of the shipped table.
fn shipped_reason(row: &Row, threads: Option<usize>) -> &'static CStr {
    match (row.backend, row.stores, threads) {
        (Backend::Parallel(_), Stores::Plain, _) => c"automatic: more than one thread asked for",
        (Backend::Parallel(_), Stores::Stream, _) => {
            c"automatic: more than one thread asked for, streaming past the last-level cache"
        }
        (_, Stores::Stream, _) => c"automatic: the widest vectors of this CPU, streaming past the last-level cache",
        (Backend::Whole(Leaf::Simd(Some(_))), _, None | Some(1)) => {
            c"automatic: vectors of 32 bytes, in place past the first-level cache"
        }
        (_, Stores::Plain, None) => c"automatic: the widest vectors of this CPU, one thread",
        (_, Stores::Plain, Some(1)) => c"automatic: the widest vectors of this CPU, one thread asked for",
        (_, Stores::Plain, Some(_)) => c"automatic: too few elements to share among threads",
    }
}

/// Gives a parallel plan its pool: as many threads as requested, else one for each CPU that this thread may use.
fn share<T>(plan: &mut Plan<T>, wanted: Option<usize>) {
    let threads = wanted.unwrap_or_else(pool::usable_threads);
    plan.pool = if threads > 1 { pool::of(threads) } else { None };
    match plan.pool {
        Some(_) => plan.choice.threads = threads,
        None if threads > 1 => plan.choice.reason = c"no further thread could be started",
        None => {}
    }
}

/// The loop of a leaf, with its variant spelled out.
fn leaf<T: Element>(leaf: Leaf, place: Place, order: Order, stores: Stores) -> Result<(Leaf, Loop<T>), Error> {
    match leaf {
        Leaf::Scalar => Ok((leaf, T::scalar(order))),
        Leaf::Simd(None) => Ok(match loops::detect().first() {
            Some(isa) => (Leaf::Simd(Some(*isa)), T::simd(*isa, order, stores)),
            None => (Leaf::Scalar, T::scalar(order)),
        }),
        Leaf::Simd(Some(isa)) if loops::detect().contains(&isa) => Ok((leaf, T::simd(isa, order, stores))),
        Leaf::Simd(Some(isa)) => Err(no_isa(isa)),
        Leaf::Accelerate(routine) => accelerate(routine, place),
        Leaf::OpenBlas(routine) => openblas(routine, place),
    }
}

fn accelerate<T: Element>(routine: Option<AccelerateRoutine>, place: Place) -> Result<(Leaf, Loop<T>), Error> {
    let routine = routine.unwrap_or(match place {
        Place::Out => AccelerateRoutine::Vsmul,
        Place::In => AccelerateRoutine::Scal,
    });
    let (leaf, run) = (Leaf::Accelerate(Some(routine)), T::accelerate(routine)?);
    match routine {
        AccelerateRoutine::Scal => only(Place::In, place, leaf)?,
        AccelerateRoutine::Axpby => only(Place::Out, place, leaf)?,
        AccelerateRoutine::Vsmul | AccelerateRoutine::Vsmsa => {}
    }
    Ok((leaf, run))
}

fn openblas<T: Element>(routine: Option<OpenBlasRoutine>, place: Place) -> Result<(Leaf, Loop<T>), Error> {
    let routine = routine.unwrap_or(match place {
        Place::Out => OpenBlasRoutine::Omatcopy,
        Place::In => OpenBlasRoutine::Scal,
    });
    let (leaf, run) = (Leaf::OpenBlas(Some(routine)), T::openblas(routine)?);
    match routine {
        OpenBlasRoutine::Scal => only(Place::In, place, leaf)?,
        OpenBlasRoutine::Omatcopy => only(Place::Out, place, leaf)?,
    }
    Ok((leaf, run))
}

#[cold]
fn no_isa(isa: Isa) -> Error {
    let why = match isa {
        Isa::Avx512 => "this CPU has no AVX-512F",
        Isa::Avx2 => "this CPU has no AVX2",
        Isa::Sse2 => "SSE2 is of x86-64, and this is another architecture",
        Isa::Neon => "NEON is of aarch64, and this is another architecture",
    };
    Error::Unavailable { backend: Backend::Whole(Leaf::Simd(Some(isa))), why: why.into() }
}

fn only(can: Place, asked: Place, leaf: Leaf) -> Result<(), Error> {
    let words = |place| match place {
        Place::Out => "out of place",
        Place::In => "in place",
    };
    if can == asked {
        return Ok(());
    }
    Err(Error::WrongPlace { routine: leaf.name(), can: words(can), asked: words(asked) })
}

/// The backends that can run on this machine, out of place, in place or both. May open OpenBLAS.
pub fn available() -> Vec<Backend> {
    let runs = |backend: &Backend| {
        [Place::Out, Place::In].into_iter().any(|place| {
            let mut leaves = [Some(backend.leaf()), backend.beside()].into_iter().flatten();
            leaves.all(|part| leaf::<f32>(part, place, Order::ElementFirst, Stores::Plain).is_ok())
        })
    };
    Backend::all().into_iter().filter(runs).collect()
}
