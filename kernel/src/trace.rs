//! Probes and spans, fired at the same places by one guard each.
//!
//! A guard fires the entry probe and enters a `tracing` span (target `raptors`, level TRACE) when
//! made, and leaves the span and fires the return probe when dropped. There is one per array
//! operation, allocation, conversion and piece, none per element. Disabled, a probe is a call of a
//! function that holds a one-byte nop, and a span one load and one comparison.

#[cfg(feature = "probes")]
use raptors_probes as probes;

/// The probes compiled out: the arguments are still type-checked.
#[cfg(not(feature = "probes"))]
mod probes {
    use std::ffi::CStr;

    macro_rules! nothing {
        ($($name:ident($($argument:ty),*);)*) => {
            $(#[inline(always)] pub(super) fn $name($(_: $argument),*) {})*
        };
    }
    nothing! {
        scale_entry(u64, u32, u64, u32);
        scale_return(u64, u32);
        dispatch(&'static CStr, &'static CStr, u32, u64);
        alloc_entry(u64);
        alloc_return(usize, u64, u32);
        free_entry(usize, u64);
        free_return(usize, u64);
        convert_entry(&'static CStr, u64, u32);
        convert_return(&'static CStr, u64, u32);
        backend_entry(&'static CStr, u64, usize, usize, u64, u32);
        backend_return(&'static CStr, u64);
        chunk_entry(u32, u64, u64);
        chunk_return(u32, u64, u64);
    }
}

use std::ffi::CStr;
#[cfg(feature = "spans")]
use std::mem::ManuallyDrop;

use crate::choice::Choice;

/// Makes a span and enters it, if somebody listens. The span's making is kept out of line.
#[cfg(feature = "spans")]
macro_rules! span {
    ($name:literal, $($fields:tt)*) => {
        span!((); $name, $($fields)*)
    };
    ($before:expr; $($fields:tt)*) => {{
        use tracing::level_filters::LevelFilter;
        let entered = if LevelFilter::current() < LevelFilter::TRACE {
            None
        } else {
            cold(move || {
                $before;
                Some(Box::new(tracing::trace_span!(target: "raptors", $($fields)*).entered()))
            })
        };
        Span(ManuallyDrop::new(entered))
    }};
}

/// A span that is entered while this lives, if somebody listens. A box, so that with no listener
/// it is one null pointer to set and to test.
#[cfg(feature = "spans")]
struct Span(ManuallyDrop<Option<Box<tracing::span::EnteredSpan>>>);

#[cfg(feature = "spans")]
impl Drop for Span {
    // The drop of an Option<Box<…>> may be compiled as a call; this is one comparison.
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: taken here only, once; `self.0` is not used again.
        if let Some(span) = unsafe { ManuallyDrop::take(&mut self.0) } {
            cold(move || drop(span));
        }
    }
}

#[cfg(feature = "spans")]
#[cold]
#[inline(never)]
fn cold<T>(make: impl FnOnce() -> T) -> T {
    make()
}

/// The spans compiled out: the fields are still type-checked.
#[cfg(not(feature = "spans"))]
macro_rules! span {
    ($name:literal, $($field:ident = $value:expr),* $(,)?) => {{
        if false {
            $(let _ = &$value;)*
        }
    }};
    ($before:expr; $($fields:tt)*) => {
        span!($($fields)*)
    };
}

#[cfg(not(feature = "spans"))]
type Span = ();

/// What kind of operation a scale is, as the probe `scale-entry` numbers it.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Fresh = 0,
    Out = 1,
    InPlace = 2,
}

/// One array operation.
#[must_use]
pub(crate) struct Scale {
    n: u64,
    pub(crate) ok: bool,
    _span: Span,
}

impl Scale {
    #[inline]
    pub(crate) fn new(n: usize, item_size: u32, factor_bits: u64, kind: Kind) -> Self {
        let n = n as u64;
        probes::scale_entry(n, item_size, factor_bits, kind as u32);
        let _span = span!("scale", n = n, item_size = item_size, kind = kind as u32);
        Scale {
            n,
            ok: false,
            _span,
        }
    }
}

impl Drop for Scale {
    #[inline]
    fn drop(&mut self) {
        probes::scale_return(self.n, u32::from(self.ok));
    }
}

/// The branch taken, and the backend that runs, around everything it does. Both know the choice,
/// so one question whether anybody listens serves both.
#[must_use]
pub(crate) struct Run<'a> {
    choice: &'a Choice,
    n: u64,
    _span: Span,
}

impl<'a> Run<'a> {
    #[inline]
    pub(crate) fn new(
        choice: &'a Choice,
        n: usize,
        src: usize,
        dst: usize,
        factor_bits: u64,
        item_size: u32,
    ) -> Self {
        let n = n as u64;
        let name = choice.name_c();
        probes::dispatch(name, choice.reason_c(), choice.threads as u32, n);
        probes::backend_entry(name, n, src, dst, factor_bits, item_size);
        let _span = span!(dispatched(choice, n); "backend", backend = choice.name(), n = n);
        Run { choice, n, _span }
    }
}

impl Drop for Run<'_> {
    #[inline]
    fn drop(&mut self) {
        probes::backend_return(self.choice.name_c(), self.n);
    }
}

/// The branch taken, as an event: it has no duration.
#[cfg(feature = "spans")]
fn dispatched(choice: &Choice, n: u64) {
    tracing::trace!(target: "raptors", backend = choice.name(), variant = choice.variant(),
        reason = choice.reason(), threads = choice.threads, n, "dispatch");
}

/// One piece, elements start to end, on pool thread `thread` (0 = the caller).
#[must_use]
pub(crate) struct Chunk {
    thread: u32,
    start: u64,
    end: u64,
    _span: Span,
}

impl Chunk {
    #[inline]
    pub(crate) fn new(thread: u32, start: usize, end: usize) -> Self {
        let (start, end) = (start as u64, end as u64);
        probes::chunk_entry(thread, start, end);
        let _span = span!("chunk", thread = thread, start = start, end = end);
        Chunk {
            thread,
            start,
            end,
            _span,
        }
    }
}

impl Drop for Chunk {
    #[inline]
    fn drop(&mut self) {
        probes::chunk_return(self.thread, self.start, self.end);
    }
}

/// One allocation of a result's memory.
#[must_use]
pub(crate) struct Alloc {
    bytes: u64,
    pub(crate) data: usize,
    pub(crate) recycled: bool,
    _span: Span,
}

impl Alloc {
    #[inline]
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = bytes as u64;
        probes::alloc_entry(bytes);
        let _span = span!("alloc", bytes = bytes);
        Alloc {
            bytes,
            data: 0,
            recycled: false,
            _span,
        }
    }
}

impl Drop for Alloc {
    #[inline]
    fn drop(&mut self) {
        probes::alloc_return(self.data, self.bytes, u32::from(self.recycled));
    }
}

/// The release of a result's memory.
#[must_use]
pub(crate) struct Free {
    data: usize,
    bytes: u64,
    _span: Span,
}

impl Free {
    #[inline]
    pub(crate) fn new(data: usize, bytes: usize) -> Self {
        let bytes = bytes as u64;
        probes::free_entry(data, bytes);
        let _span = span!("free", bytes = bytes);
        Free { data, bytes, _span }
    }
}

impl Drop for Free {
    #[inline]
    fn drop(&mut self) {
        probes::free_return(self.data, self.bytes);
    }
}

/// A NumPy array taken in (`from_numpy`) or given out (`to_numpy`): fires `convert-entry`, and
/// `convert-return` when dropped. For the Python module, which makes the conversions.
#[must_use]
pub struct Convert {
    direction: &'static CStr,
    n: u64,
    /// Whether the memory was copied rather than shared.
    pub copied: bool,
    _span: Span,
}

impl Convert {
    /// `direction` is `from_numpy` or `to_numpy`, `n` the elements, `item_size` bytes of one.
    #[inline]
    pub fn new(direction: &'static CStr, n: usize, item_size: u32) -> Self {
        let n = n as u64;
        probes::convert_entry(direction, n, item_size);
        let _span = span!(
            "convert",
            direction = direction.to_str().unwrap_or("?"),
            n = n
        );
        Convert {
            direction,
            n,
            copied: false,
            _span,
        }
    }
}

impl Drop for Convert {
    #[inline]
    fn drop(&mut self) {
        probes::convert_return(self.direction, self.n, u32::from(self.copied));
    }
}
