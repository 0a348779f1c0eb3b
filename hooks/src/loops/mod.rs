//! Inner loops of ufuncs, through `PyUFunc_ReplaceLoopBySignature`.
//!
//! Every loop of every given ufunc gets its own trampoline, which calls the original and records n, strides, alignment,
//! aliasing and the scalar. Some calls are not observed, because NumPy does not use these loops for them: scalar ×
//! scalar, `ufunc.at` on some types, and ufuncs without a table of loops (`np.strings`).

mod observe;
mod trampolines;
mod ufunc;

use crate::report::{Error, Report};
use crate::{sites, symbols};
use observe::{ALIGNED, Facts, RECORDING};
use raptors_recording::{Site, SiteKind};
use std::collections::{HashMap, HashSet};
use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
pub use trampolines::CAPACITY;
use trampolines::{SLOTS, TRAMPOLINES, slot_of};
use ufunc::{Checked, Signature, Ufunc};

/// The part of NumPy's C API that replaces loops.
#[derive(Clone, Copy)]
pub struct UfuncApi {
    /// `PyUFunc_ReplaceLoopBySignature`, entry 30 of `_UFUNC_API`: ufunc, new loop, type number per operand,
    /// destination of the old loop; 0, or -1 if no loop has that signature.
    pub replace: unsafe extern "C" fn(
        ufunc: *mut c_void,
        new: *mut c_void,
        signature: *const c_int,
        old: *mut *mut c_void,
    ) -> c_int,
}

/// One loop: its ufunc and its permanent trampoline.
struct Known {
    ufunc: usize,
    signature: Vec<c_int>,
    name: String,
    armed: bool,
    /// Whether somebody else replaced it while it was observed. Their loop may call our trampoline, so the trampoline
    /// must never get theirs as its original.
    left: bool,
}

const LEFT: &str = "somebody else replaced it while it was observed; it is left as it is";

/// The index is the slot.
#[derive(Default)]
struct State {
    api: Option<UfuncApi>,
    loops: Vec<Known>,
    by_key: HashMap<(usize, usize), usize>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

fn state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A loop found in a ufunc's table, before it is replaced.
struct Found<'a> {
    checked: &'a Checked<'a>,
    signature: Signature,
    slot: usize,
    original: *mut c_void,
}

/// Observes every loop of the given ufuncs. Calling it again with the same or more ufuncs is allowed.
///
/// The report lists loops that NumPy does not replace, ufuncs without loops, and loops beyond [`CAPACITY`].
///
/// # Errors
/// A pointer that does not look like a ufunc: nothing is armed then.
///
/// # Safety
/// The GIL is held; `api.replace` is NumPy's; each pointer leads to a `PyUFuncObject` that lives until [`disarm`]; this
/// library is never unloaded.
pub unsafe fn arm(api: UfuncApi, ufuncs: &[*mut c_void]) -> Result<Report, Error> {
    let begun = Instant::now();
    let mut report = Report::new("loops");
    // SAFETY: the caller promises ufuncs.
    let checked: Vec<Checked> = unsafe { ufuncs.iter().map(|&u| Ufunc::check(u)).collect::<Result<_, _>>()? };
    let mut guard = state();
    let state = guard.get_or_insert_default();
    state.api = Some(api);
    let mut found = Vec::new();
    for (&ufunc, checked) in ufuncs.iter().zip(&checked) {
        // SAFETY: as above.
        unsafe { state.replace_all(ufunc, checked, &mut found, &mut report) };
    }
    describe(&found)?;
    RECORDING.store(true, Ordering::SeqCst);
    report.armed = state.loops.iter().filter(|l| l.armed).count();
    report.elapsed_ns = begun.elapsed().as_nanos() as u64;
    Ok(report)
}

/// Restores the originals. A loop that other code has replaced meanwhile is left alone and reported; if that code still
/// calls our trampoline, the trampoline passes the call on unrecorded.
///
/// # Safety
/// The GIL is held and the ufuncs that were armed are alive.
#[must_use = "the report says which loops could not be put back"]
pub unsafe fn disarm() -> Report {
    let begun = Instant::now();
    RECORDING.store(false, Ordering::SeqCst);
    let mut report = Report::new("loops");
    if let Some(State { api: Some(api), loops, .. }) = state().as_mut() {
        for (slot, known) in loops.iter_mut().enumerate().filter(|(_, k)| k.armed) {
            known.armed = false;
            // SAFETY: the caller holds the GIL, and the ufunc is alive.
            match unsafe { put_back(*api, known, slot) } {
                Ok(()) => report.restored += 1,
                Err(why) => {
                    known.left = true;
                    report.refuse(&known.name, why);
                }
            }
        }
    }
    report.elapsed_ns = begun.elapsed().as_nanos() as u64;
    report
}

/// # Safety
/// As for [`disarm`].
unsafe fn put_back(api: UfuncApi, known: &Known, slot: usize) -> Result<(), &'static str> {
    let ufunc = known.ufunc as *mut c_void;
    let signature = known.signature.as_ptr();
    let mut old = std::ptr::null_mut();
    // SAFETY: NumPy's function, a live ufunc, as many type numbers as it has operands, and the GIL is held.
    unsafe {
        if (api.replace)(ufunc, SLOTS[slot].original(), signature, &mut old) != 0 {
            return Err("NumPy no longer knows a loop of this signature");
        }
        if old == TRAMPOLINES[slot] as *mut c_void {
            return Ok(());
        }
        (api.replace)(ufunc, old, signature, &mut old);
    }
    Err("somebody else replaced it meanwhile; it was left as it is")
}

impl State {
    /// # Safety
    /// As for [`arm`].
    unsafe fn replace_all<'a>(
        &mut self,
        ufunc: *mut c_void,
        checked: &'a Checked<'a>,
        found: &mut Vec<Found<'a>>,
        report: &mut Report,
    ) {
        if checked.loops() == 0 {
            report.refuse(checked.name, "it has no table of loops, so its calls are not seen");
            return;
        }
        if !checked.is_replaceable() {
            report.refuse(checked.name, "its table of loops is in read-only memory, so its calls are not seen");
            return;
        }
        // NumPy uses the first of equal signatures, and only that one can be replaced.
        let mut seen = HashSet::new();
        for index in 0..checked.loops() {
            let Some(signature) = checked.signature(index) else {
                report.refuse(checked.name, format!("loop {index} has types that are not NumPy's own"));
                continue;
            };
            if !seen.insert(signature.numbers.clone()) {
                continue;
            }
            let name = format!("{}[{}]", checked.name, signature.text);
            // SAFETY: as this function's caller promises.
            match unsafe { self.replace(ufunc, index, checked, signature) } {
                Ok(new) => found.extend(new),
                Err(why) => report.refuse(name, why),
            }
        }
    }

    /// Replaces one loop; returns the found loop if it is not known yet.
    ///
    /// # Safety
    /// As for [`arm`].
    unsafe fn replace<'a>(
        &mut self,
        ufunc: *mut c_void,
        index: usize,
        checked: &'a Checked<'a>,
        signature: Signature,
    ) -> Result<Option<Found<'a>>, String> {
        let key = (ufunc as usize, index);
        if let Some(&slot) = self.by_key.get(&key) {
            // SAFETY: as this function's caller promises.
            if unsafe { self.again(slot, ufunc, &signature)? } {
                return Ok(None);
            }
        }
        let slot = self.loops.len();
        if slot >= CAPACITY {
            return Err(format!("all {CAPACITY} places for observed loops are taken"));
        }
        // The original has to be in the slot before another thread can call the trampoline.
        SLOTS[slot].set_original(checked.function(index));
        // SAFETY: as this function's caller promises.
        let original = unsafe { self.exchange(slot, ufunc, &signature)? };
        if let Some(other) = slot_of(original) {
            // SAFETY: as above; another slot's trampoline was in its place and is restored.
            unsafe { self.put_back(ufunc, original, &signature) };
            let name = &self.loops[other].name;
            return Err(format!("it shares its place with {name}, as which its calls are recorded"));
        }
        SLOTS[slot].set_original(original);
        self.by_key.insert(key, slot);
        self.loops.push(Known {
            ufunc: ufunc as usize,
            name: format!("{}[{}]", checked.name, signature.text),
            signature: signature.numbers.clone(),
            armed: true,
            left: false,
        });
        Ok(Some(Found { checked, signature, slot, original }))
    }

    /// Replaces a known loop again. False if another loop is in its place since it was restored, which needs a
    /// trampoline of its own: this one may be called by it.
    ///
    /// # Safety
    /// As for [`arm`].
    unsafe fn again(&mut self, slot: usize, ufunc: *mut c_void, signature: &Signature) -> Result<bool, String> {
        // SAFETY: as this function's caller promises; the slot has its original.
        let old = unsafe { self.exchange(slot, ufunc, signature)? };
        let restored = old == TRAMPOLINES[slot] as *mut c_void || old == SLOTS[slot].original();
        let known = &mut self.loops[slot];
        if restored {
            (known.armed, known.left) = (true, false);
            return Ok(true);
        }
        known.left |= known.armed;
        known.armed = false;
        let left = known.left;
        // SAFETY: as above; what was in the place is restored.
        unsafe { self.put_back(ufunc, old, signature) };
        if left { Err(LEFT.into()) } else { Ok(false) }
    }

    /// Puts a slot's trampoline into the ufunc's table; returns what was there.
    ///
    /// # Safety
    /// As for [`arm`]; the slot has an original.
    unsafe fn exchange(&self, slot: usize, ufunc: *mut c_void, signature: &Signature) -> Result<*mut c_void, String> {
        let mut old = std::ptr::null_mut();
        let replace = self.api.expect("set by arm").replace;
        let pointer = TRAMPOLINES[slot] as *mut c_void;
        // SAFETY: NumPy's function, a live ufunc, as many type numbers as it has operands, and the GIL is held.
        match unsafe { replace(ufunc, pointer, signature.numbers.as_ptr(), &mut old) } {
            0 => Ok(old),
            _ => Err("NumPy does not replace a loop of this signature".into()),
        }
    }

    /// # Safety
    /// As for [`arm`]; `old` is what was in the place.
    unsafe fn put_back(&self, ufunc: *mut c_void, mut old: *mut c_void, signature: &Signature) {
        // SAFETY: as for `exchange`.
        unsafe { (self.api.expect("set by arm").replace)(ufunc, old, signature.numbers.as_ptr(), &mut old) };
    }
}

/// Registers a site for each new loop and stores it in its slot; symbols are looked up for all at once.
fn describe(found: &[Found]) -> Result<(), Error> {
    let addresses: Vec<usize> = found.iter().map(|f| f.original as usize).collect();
    let located = symbols::locate(&addresses);
    for (f, place) in found.iter().zip(located) {
        let sizes: Vec<u8> = f.signature.numbers.iter().map(|&n| ufunc::item_size(n)).collect();
        let inputs = f.checked.inputs();
        let site = sites::add(Site {
            kind: SiteKind::Loop,
            name: format!("{}{}[{}]", prefix(&place.module), f.checked.name, f.signature.text),
            symbol: place.symbol,
            module: Some(place.module),
            offset: Some(place.offset as u64),
            nin: inputs,
            nout: f.checked.operands() - inputs,
            item_sizes: sizes.iter().map(|&size| size.into()).collect(),
            core_signature: f.checked.core_signature(),
            ..Site::default()
        });
        let mut facts = Facts {
            site,
            inputs,
            operands: f.checked.operands(),
            core: f.checked.core(),
            sizes: [0; ALIGNED],
            numeric: 0,
        };
        for (k, &number) in f.signature.numbers.iter().enumerate().take(ALIGNED) {
            facts.sizes[k] = sizes[k];
            facts.numeric |= u8::from(k < inputs && ufunc::numeric(number)) << k;
        }
        SLOTS[f.slot].describe(&facts);
    }
    sites::publish()
}

/// The Python prefix of a module's functions: a ufunc knows only its own name.
fn prefix(module: &str) -> String {
    let package = |name: &str| module.rsplit_once(name).map(|(_, rest)| rest);
    if let Some(rest) = package("/numpy/") {
        let inner = rest.split('/').next().filter(|part| matches!(*part, "linalg" | "fft"));
        return inner.map_or("np.".into(), |part| format!("np.{part}."));
    }
    if let Some(rest) = package("/scipy/") {
        return format!("scipy.{}.", rest.split('/').next().unwrap_or_default());
    }
    String::new()
}

/// The state's lock, for the test that nothing waits for it.
#[cfg(test)]
pub(crate) fn test_lock() -> impl Sized {
    state()
}
