//! Probes and spans, fired at the same places.
//!
//! Around an array operation, a backend and a piece, a function here fires the entry probe, enters a `tracing` span
//! (target `raptors`, level TRACE), does the work, leaves the span and fires the return probe, even if the work panics.
//! Around an allocation and a conversion, whose return probe has arguments, a guard does so when it is made and
//! dropped. Nothing fires per element. Disabled, a probe is a call of a function that holds a one-byte nop, and a span
//! is one load and one comparison.

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

use crate::Error;
use crate::choice::Choice;

/// Makes a span and enters it, if a subscriber listens. The code that makes the span is not inlined.
#[cfg(feature = "spans")]
macro_rules! span {
    ($($fields:tt)*) => {{
        let entered = if unheard() {
            None
        } else {
            cold(move || Some(Box::new(tracing::trace_span!(target: "raptors", $($fields)*).entered())))
        };
        Span(ManuallyDrop::new(entered))
    }};
}

/// Calls `work`, within a span if a subscriber listens. Each case has its own call, so without a listener there is no
/// span to keep and to test afterwards.
#[cfg(feature = "spans")]
macro_rules! within {
    ($work:ident; $name:literal, $($fields:tt)*) => {
        within!($work; (); $name, $($fields)*)
    };
    ($work:ident; $before:expr; $($fields:tt)*) => {
        if unheard() {
            $work()
        } else {
            cold(move || {
                $before;
                let _entered = tracing::trace_span!(target: "raptors", $($fields)*).entered();
                $work()
            })
        }
    };
}

/// Whether no subscriber in the process listens to spans of level TRACE.
#[cfg(feature = "spans")]
#[inline(always)]
fn unheard() -> bool {
    use tracing::level_filters::LevelFilter;
    LevelFilter::current() < LevelFilter::TRACE
}

/// A span that is entered while this lives, if a subscriber listens. A box, so that without a listener it is one null
/// pointer to set and to test.
#[cfg(feature = "spans")]
struct Span(ManuallyDrop<Option<Box<tracing::span::EnteredSpan>>>);

#[cfg(feature = "spans")]
impl Drop for Span {
    // The compiler may turn the drop of an Option<Box<…>> into a call; this is one comparison.
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
        Span
    }};
}

#[cfg(not(feature = "spans"))]
macro_rules! within {
    ($work:ident; $name:literal, $($fields:tt)*) => {{
        let _ = span!($name, $($fields)*);
        $work()
    }};
    ($work:ident; $before:expr; $($fields:tt)*) => {
        within!($work; $($fields)*)
    };
}

#[cfg(not(feature = "spans"))]
struct Span;

/// The kind of a scale operation, as the probe `scale-entry` numbers it.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Fresh = 0,
    Out = 1,
    InPlace = 2,
}

/// One array operation: `work` between its probes, in its span.
#[inline]
pub(crate) fn scale<R>(
    n: usize,
    item_size: u32,
    factor_bits: u64,
    kind: Kind,
    work: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    let (n, kind) = (n as u64, kind as u32);
    probes::scale_entry(n, item_size, factor_bits, kind);
    let mut returns = ScaleReturn { n, ok: false };
    let result = within!(work; "scale", n = n, item_size = item_size, kind = kind);
    returns.ok = result.is_ok();
    result
}

struct ScaleReturn {
    n: u64,
    ok: bool,
}

impl Drop for ScaleReturn {
    #[inline]
    fn drop(&mut self) {
        probes::scale_return(self.n, u32::from(self.ok));
    }
}

/// The branch taken, and the backend that runs: `work` is its whole work. Both know the choice, so one test for a
/// listener serves both.
#[inline]
pub(crate) fn backend(
    choice: &Choice,
    n: usize,
    src: usize,
    dst: usize,
    factor_bits: u64,
    item_size: u32,
    work: impl FnOnce(),
) {
    let (name, n) = (choice.name_c(), n as u64);
    probes::dispatch(name, choice.reason_c(), choice.threads as u32, n);
    probes::backend_entry(name, n, src, dst, factor_bits, item_size);
    let _returns = BackendReturn { choice, n };
    within!(work; dispatched(choice, n); "backend", backend = choice.name(), n = n);
}

struct BackendReturn<'a> {
    choice: &'a Choice,
    n: u64,
}

impl Drop for BackendReturn<'_> {
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

/// One piece, elements start to end, on pool thread `thread` (0 = the caller), which `work` computes.
#[inline]
pub(crate) fn chunk(thread: u32, start: usize, end: usize, work: impl FnOnce()) {
    let (start, end) = (start as u64, end as u64);
    probes::chunk_entry(thread, start, end);
    let _returns = ChunkReturn { thread, start, end };
    within!(work; "chunk", thread = thread, start = start, end = end);
}

struct ChunkReturn {
    thread: u32,
    start: u64,
    end: u64,
}

impl Drop for ChunkReturn {
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
        Alloc { bytes, data: 0, recycled: false, _span }
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

/// The conversion of a NumPy array (`from_numpy`) or to one (`to_numpy`): fires `convert-entry`, and `convert-return`
/// when dropped. For the Python module, which converts.
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
        let _span = span!("convert", direction = direction.to_str().unwrap_or("?"), n = n);
        Convert { direction, n, copied: false, _span }
    }
}

impl Drop for Convert {
    #[inline]
    fn drop(&mut self) {
        probes::convert_return(self.direction, self.n, u32::from(self.copied));
    }
}
