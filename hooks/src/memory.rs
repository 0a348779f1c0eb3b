//! NumPy's data memory (NEP 49): swaps the four functions in a `PyDataMem_Handler` in place.
//!
//! That is process-wide and reversible, unlike `PyDataMem_SetHandler`, which has no effect on other threads. The
//! originals are called with their own context, so NumPy's small-block cache and its huge-page advice stay.

use crate::record::{Open, Running};
use crate::report::{Error, Report};
use crate::{platform, touch};
use raptors_recording::{Alloc, Free};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The name of the only handler with a known layout and lifetime: NumPy's own, which is static.
const NAME: &[u8] = b"default_allocator\0";

/// `PyDataMem_Handler`, version 1, as in `numpy/ndarraytypes.h`.
#[repr(C)]
struct Handler {
    name: [u8; 127],
    version: u8,
    context: *mut c_void,
    /// `void *malloc(void *ctx, size_t size)`
    malloc: AtomicUsize,
    /// `void *calloc(void *ctx, size_t nelem, size_t elsize)`
    calloc: AtomicUsize,
    /// `void *realloc(void *ctx, void *ptr, size_t new_size)`
    realloc: AtomicUsize,
    /// `void free(void *ctx, void *ptr, size_t size)`
    free: AtomicUsize,
}

// SAFETY: once it is checked, only its functions are read and written, atomically; its context is never used here.
unsafe impl Sync for Handler {}

const _: () = assert!(std::mem::offset_of!(Handler, malloc) == 136);

type Malloc = unsafe extern "C-unwind" fn(*mut c_void, usize) -> *mut c_void;
type Calloc = unsafe extern "C-unwind" fn(*mut c_void, usize, usize) -> *mut c_void;
type Realloc = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, usize) -> *mut c_void;
type Release = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, usize);

/// The handler's own functions, in its order; kept after disarming for calls in progress.
static ORIGINALS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
static RECORDING: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<State> = Mutex::new(State { handler: None, observed: [false; 4] });

/// What was done to which handler.
struct State {
    /// The handler whose functions are the originals.
    handler: Option<&'static Handler>,
    /// The places that hold our functions, unless somebody else replaced them.
    observed: [bool; 4],
}

const NAMES: [&str; 4] = ["malloc", "calloc", "realloc", "free"];

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handler {
    fn functions(&self) -> [&AtomicUsize; 4] {
        [&self.malloc, &self.calloc, &self.realloc, &self.free]
    }
}

/// This module's functions, in the handler's order.
fn ours() -> [usize; 4] {
    [
        malloc as *const () as usize,
        calloc as *const () as usize,
        realloc as *const () as usize,
        free as *const () as usize,
    ]
}

/// Records NumPy's allocations and releases from now on, on every thread.
///
/// # Errors
/// The structure is not NumPy's default handler of version 1, or cannot be written.
///
/// # Safety
/// `handler` leads to a `PyDataMem_Handler` that is never freed (the one behind NumPy's default capsule is not);
/// the GIL is held; this library is never unloaded.
pub unsafe fn arm(handler: *mut c_void) -> Result<Report, Error> {
    let begun = Instant::now();
    let mut state = state();
    // SAFETY: the caller promises a handler that lives forever.
    let handler = unsafe { checked(handler)? };
    let mut report = Report::new("memory");
    if let Some(why) = state.occupied(handler) {
        report.refuse("a second memory handler", why);
        return Ok(report);
    }
    for (place, name) in NAMES.into_iter().enumerate() {
        match state.observe(handler, place) {
            Ok(()) => report.armed += 1,
            Err(why) => report.refuse(name, why),
        }
    }
    state.handler = Some(handler);
    RECORDING.store(true, Ordering::SeqCst);
    report.elapsed_ns = begun.elapsed().as_nanos() as u64;
    Ok(report)
}

/// Restores the handler's own functions. A function that other code has replaced meanwhile is left alone and reported.
#[must_use = "the report says which functions could not be put back"]
pub fn disarm() -> Report {
    let begun = Instant::now();
    let mut state = state();
    let mut report = Report::new("memory");
    RECORDING.store(false, Ordering::SeqCst);
    let observed = std::mem::take(&mut state.observed);
    for (place, name) in NAMES.into_iter().enumerate().filter(|(place, _)| observed[*place]) {
        let original = ORIGINALS[place].load(Ordering::Relaxed);
        let slot = state.handler.map(|handler| handler.functions()[place]);
        let put_back = |slot: &AtomicUsize| {
            slot.compare_exchange(ours()[place], original, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        if slot.is_some_and(put_back) {
            report.restored += 1;
        } else {
            report.refuse(name, "somebody else replaced it meanwhile; it was left as it is");
        }
    }
    report.elapsed_ns = begun.elapsed().as_nanos() as u64;
    report
}

impl State {
    /// The reason that this handler cannot take the place of the known one.
    fn occupied(&self, handler: &Handler) -> Option<&'static str> {
        let known = self.handler.filter(|known| !std::ptr::eq(*known, handler))?;
        if self.observed.contains(&true) {
            return Some("one is observed already");
        }
        let places = known.functions().into_iter().zip(&ORIGINALS);
        let changed =
            |(slot, own): (&AtomicUsize, &AtomicUsize)| slot.load(Ordering::Acquire) != own.load(Ordering::Relaxed);
        places.into_iter().any(changed).then_some("somebody else replaced a function of the first one meanwhile")
    }

    /// Puts our function into one place of the handler. A function that somebody else put there since the first time
    /// may call ours, so ours must never get it as its original.
    fn observe(&mut self, handler: &Handler, place: usize) -> Result<(), &'static str> {
        let (slot, original, ours) = (handler.functions()[place], &ORIGINALS[place], ours()[place]);
        let known = self.handler.is_some_and(|known| std::ptr::eq(known, handler));
        let now = slot.load(Ordering::Acquire);
        self.observed[place] = now == ours;
        if now == ours {
            return Ok(());
        }
        if known && now != original.load(Ordering::Relaxed) {
            return Err("somebody else replaced it after it was observed; it is left as it is");
        }
        // The new function must find the original from its first call on.
        original.store(now, Ordering::SeqCst);
        slot.compare_exchange(now, ours, Ordering::SeqCst, Ordering::SeqCst)
            .map_err(|_| "somebody else replaced it at the same time; it is left as it is")?;
        self.observed[place] = true;
        Ok(())
    }
}

/// # Safety
/// As for [`arm`].
unsafe fn checked(pointer: *mut c_void) -> Result<&'static Handler, Error> {
    let refuse = |why: String| Error::NotRecognised {
        what: "the pointer handed in as a memory handler",
        expected: "NumPy's default PyDataMem_Handler",
        why,
    };
    if pointer.is_null() || !(pointer as usize).is_multiple_of(align_of::<Handler>()) {
        return Err(refuse(format!("its address is {pointer:p}")));
    }
    // SAFETY: the caller promises a handler that lives forever; its functions are only touched atomically.
    let handler = unsafe { &*pointer.cast::<Handler>() };
    if !handler.name.starts_with(NAME) {
        let name = handler.name.split(|b| *b == 0).next().unwrap_or_default();
        return Err(refuse(format!("its name is {:?}", String::from_utf8_lossy(name))));
    }
    if handler.version != 1 {
        return Err(refuse(format!("its version is {}", handler.version)));
    }
    if handler.functions().iter().any(|f| f.load(Ordering::Relaxed) == 0) {
        return Err(refuse("one of its functions is null".into()));
    }
    let ends = [pointer as usize, pointer as usize + size_of::<Handler>() - 1];
    if !ends.into_iter().all(platform::is_writable) {
        return Err(Error::ReadOnly { what: "NumPy's memory handler" });
    }
    Ok(handler)
}

/// The original of one function; its index as in [`ORIGINALS`].
#[inline(always)]
fn original(place: usize) -> *const c_void {
    ORIGINALS[place].load(Ordering::Relaxed) as *const c_void
}

#[inline(always)]
fn recording() -> bool {
    RECORDING.load(Ordering::Relaxed)
}

unsafe extern "C-unwind" fn malloc(context: *mut c_void, bytes: usize) -> *mut c_void {
    // SAFETY: stored by `arm` before this function could be called; the handler's malloc.
    let original = unsafe { std::mem::transmute::<*const c_void, Malloc>(original(0)) };
    if !recording() {
        // SAFETY: NumPy's own arguments.
        return unsafe { original(context, bytes) };
    }
    let running = Running::begin();
    // SAFETY: NumPy's own arguments.
    let data = unsafe { original(context, bytes) };
    running.end(Alloc { bytes: bytes as u64, data: data as u64, recycled: false }, 0);
    // SAFETY: no code has the memory yet, and memory from malloc has no contents.
    unsafe { touch::fresh(data as usize, bytes as u64) };
    data
}

unsafe extern "C-unwind" fn calloc(context: *mut c_void, items: usize, size: usize) -> *mut c_void {
    // SAFETY: as in `malloc`.
    let original = unsafe { std::mem::transmute::<*const c_void, Calloc>(original(1)) };
    if !recording() {
        // SAFETY: NumPy's own arguments.
        return unsafe { original(context, items, size) };
    }
    let running = Running::begin();
    // SAFETY: NumPy's own arguments.
    let data = unsafe { original(context, items, size) };
    let bytes = items.saturating_mul(size) as u64;
    running.end(Alloc { bytes, data: data as u64, recycled: false }, 0);
    if !data.is_null() {
        // SAFETY: no code has the memory yet; it is `items * size` bytes (else calloc returns null), all zeros.
        unsafe { touch::fresh(data as usize, bytes) };
    }
    data
}

/// Recorded as the allocation of the new size. If the block moved, a release of the old one follows (of 0 bytes,
/// because its size is unknown).
unsafe extern "C-unwind" fn realloc(context: *mut c_void, old: *mut c_void, bytes: usize) -> *mut c_void {
    // SAFETY: as in `malloc`.
    let original = unsafe { std::mem::transmute::<*const c_void, Realloc>(original(2)) };
    if !recording() {
        // SAFETY: NumPy's own arguments.
        return unsafe { original(context, old, bytes) };
    }
    let old_address = old as u64;
    let running = Running::begin();
    // SAFETY: NumPy's own arguments.
    let data = unsafe { original(context, old, bytes) };
    running.end(Alloc { bytes: bytes as u64, data: data as u64, recycled: false }, 0);
    if old_address != 0 && !data.is_null() && data as u64 != old_address {
        Open::begin().end(Free { bytes: 0, data: old_address }, 0);
    }
    data
}

unsafe extern "C-unwind" fn free(context: *mut c_void, data: *mut c_void, bytes: usize) {
    // SAFETY: as in `malloc`.
    let original = unsafe { std::mem::transmute::<*const c_void, Release>(original(3)) };
    if !recording() {
        // SAFETY: NumPy's own arguments.
        return unsafe { original(context, data, bytes) };
    }
    let running = Running::begin();
    // SAFETY: NumPy's own arguments.
    unsafe { original(context, data, bytes) };
    running.end(Free { bytes: bytes as u64, data: data as u64 }, 0);
}

/// The state's lock, for the test that nothing waits for it.
#[cfg(test)]
pub(crate) fn test_lock() -> impl Sized {
    state()
}

/// Lets [`test_round_trip`] forward to functions that do nothing.
#[cfg(test)]
pub(crate) fn test_handler() {
    unsafe extern "C" fn nothing(_: *mut c_void, _: usize) -> *mut c_void {
        std::ptr::null_mut()
    }
    unsafe extern "C" fn no_free(_: *mut c_void, _: *mut c_void, _: usize) {}
    ORIGINALS[0].store(nothing as *const () as usize, Ordering::SeqCst);
    ORIGINALS[3].store(no_free as *const () as usize, Ordering::SeqCst);
    RECORDING.store(true, Ordering::SeqCst);
}

/// One allocation and its release, as NumPy makes them.
#[cfg(test)]
pub(crate) fn test_round_trip() {
    // SAFETY: `test_handler` has set originals that take anything.
    unsafe { free(std::ptr::null_mut(), malloc(std::ptr::null_mut(), 1 << 20), 1 << 20) };
}
