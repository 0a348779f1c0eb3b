//! `dlsym` as other objects call it: for routines of the catalogue it returns wrappers.

use super::{call, instances};
use crate::platform::{self, Dlsym};
use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// The symbol whose slots lead here.
pub(super) const NAME: &str = "dlsym";

static REAL: OnceLock<Dlsym> = OnceLock::new();

/// Keeps the loader's function. This object's slot, from which it is read, is patched later, too.
pub(super) fn remember() {
    REAL.get_or_init(|| libc::dlsym);
}

/// The loader's `dlsym`, whatever this object's own slot holds.
pub(super) fn real() -> Dlsym {
    *REAL.get_or_init(|| libc::dlsym)
}

/// The function that slots of `dlsym` point to.
pub(super) fn hook() -> usize {
    entry as *const () as usize
}

/// Two registers' worth: either an address to return, or the address to jump to with the caller's own arguments.
#[repr(C)]
struct Answer {
    value: usize,
    jump: usize,
}

/// `caller` is the return address of the `dlsym` call.
unsafe extern "C" fn look_up(handle: *mut c_void, name: *const c_char, caller: usize) -> Answer {
    // SAFETY: the caller of dlsym hands in a handle and a string, as dlsym takes them.
    match unsafe { observed(handle, name, caller) } {
        Some(value) => Answer { value, jump: 0 },
        None => Answer { value: 0, jump: real() as usize },
    }
}

/// A wrapper, or the address itself if it cannot be observed; `None` to let the loader answer.
///
/// # Safety
/// As for `dlsym`.
unsafe fn observed(handle: *mut c_void, name: *const c_char, caller: usize) -> Option<usize> {
    if name.is_null() || !call::RECORDING.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: dlsym takes a string.
    let text = unsafe { CStr::from_ptr(name) };
    let symbol = text.to_str().ok().filter(|s| instances::is_routine(s))?;
    // SAFETY: as this function's caller promises.
    let original = unsafe { platform::look_up(handle, text, caller, real())? };
    if instances::is_wrapper(original) {
        return Some(original);
    }
    let library = platform::module_of(original).map(|m| m.path).unwrap_or_default();
    let wrapper = instances::wrapper(symbol, original, &library).unwrap_or(original);
    // If the run file takes no more documents, the name is lost, not the call.
    let _ = crate::sites::publish();
    Some(wrapper)
}

/// Asks [`look_up`], then returns its address or jumps to the loader's `dlsym` with all registers unchanged: the loader
/// uses its return address to decide whose scope RTLD_DEFAULT and RTLD_NEXT mean.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn entry(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    std::arch::naked_asm!(
        ".cfi_startproc",
        "endbr64",                 // slots are called indirectly
        "push rdi",                // the arguments, for the jump
        ".cfi_adjust_cfa_offset 8",
        "push rsi",
        ".cfi_adjust_cfa_offset 8",
        "sub rsp, 8",              // calls need 16-byte alignment
        ".cfi_adjust_cfa_offset 8",
        "mov rdx, [rsp + 24]",     // third argument: the return address
        "call {look_up}",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "pop rsi",
        ".cfi_adjust_cfa_offset -8",
        "pop rdi",
        ".cfi_adjust_cfa_offset -8",
        "test rdx, rdx",           // `jump`; `value` is in rax
        "jnz 2f",
        "ret",
        "2:",
        "jmp rdx",
        ".cfi_endproc",
        look_up = sym look_up,
    )
}

/// See the version for x86-64.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn entry(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    std::arch::naked_asm!(
        ".cfi_startproc",
        "hint #34",                // bti c: slots are called indirectly
        "stp x29, x30, [sp, #-32]!",
        ".cfi_def_cfa_offset 32",
        ".cfi_offset x29, -32",
        ".cfi_offset x30, -24",
        "mov x29, sp",
        "stp x0, x1, [sp, #16]",   // the arguments, for the jump
        "mov x2, x30",             // third argument: the return address
        "bl {look_up}",
        "mov x16, x1",             // `jump`; `value` is in x0
        "cbz x16, 2f",
        "ldp x0, x1, [sp, #16]",
        "ldp x29, x30, [sp], #32",
        "br x16",
        "2:",
        "ldp x29, x30, [sp], #32",
        "ret",
        ".cfi_endproc",
        look_up = sym look_up,
    )
}

/// No slots are patched on other machines; see `platform::supported`.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe extern "C" fn entry(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: dlsym's own arguments.
    unsafe { real()(handle, name) }
}
