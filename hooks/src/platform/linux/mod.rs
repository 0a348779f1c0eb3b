//! Linux: ELF objects as the dynamic loader reports them.

mod elf;
mod scope;

use super::page_size;
pub(crate) use elf::{Image, Import};
pub(crate) use scope::{Scopes, look_up};
use std::ffi::{CString, c_int, c_void};

/// The system whose calling conventions the routines have.
pub(crate) const TARGET: raptors_routines::TargetOs = raptors_routines::TargetOs::Linux;

/// The thread's error number.
pub(crate) fn errno() -> c_int {
    // SAFETY: the location is the thread's own.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn set_errno(value: c_int) {
    // SAFETY: the location is the thread's own.
    unsafe { *libc::__errno_location() = value }
}

/// Minor page faults that this thread has taken.
pub(crate) fn minor_faults() -> u64 {
    // SAFETY: rusage is plain data, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: getrusage stores into the structure handed in.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
    usage.ru_minflt as u64
}

/// A count that changes whenever an object is loaded or unloaded.
pub(crate) fn generation() -> u64 {
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> c_int {
        // SAFETY: dl_iterate_phdr hands in a valid structure, and the pointer that was handed to it.
        unsafe { *out.cast::<u64>() = (*info).dlpi_adds.wrapping_add((*info).dlpi_subs) };
        1
    }
    let mut count = 0_u64;
    // SAFETY: the callback matches the data pointer.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut count).cast()) };
    count
}

/// All loaded objects, the program first.
pub(crate) fn images() -> Vec<Image> {
    unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> c_int {
        // SAFETY: dl_iterate_phdr hands in a valid structure, and the pointer that was handed to it.
        unsafe { (*out.cast::<Vec<Image>>()).extend(Image::new(&*info)) };
        0
    }
    let mut images: Vec<Image> = Vec::new();
    // SAFETY: the callback matches the data pointer.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut images).cast()) };
    images
}

/// Keeps an object loaded while it lives.
pub(crate) struct Hold(*mut c_void);

// SAFETY: a handle of the dynamic loader is used from any thread.
unsafe impl Send for Hold {}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: the handle came from dlopen and is closed once.
        unsafe { libc::dlclose(self.0) };
    }
}

impl Image {
    /// Keeps the object loaded; `None` if it is unloaded, has been replaced, or is not the loader's (the kernel's
    /// vDSO). Waits for a load in progress, so the object's relocations are done afterwards.
    pub(crate) fn hold(&self) -> Option<Hold> {
        let path = CString::new(self.path.as_str()).ok()?;
        let name = if self.path.is_empty() { std::ptr::null() } else { path.as_ptr() };
        // SAFETY: the name is null or a string; NOLOAD runs no code of the object.
        let handle = unsafe { libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if handle.is_null() {
            clear_error();
            return None;
        }
        let hold = Hold(handle);
        let mut map: *const LinkMap = std::ptr::null();
        // SAFETY: an open handle, and a place for the pointer that this request stores.
        let told = unsafe { libc::dlinfo(handle, RTLD_DI_LINKMAP, (&raw mut map).cast()) };
        // SAFETY: dlinfo stored the pointer of a link map, whose first field this is.
        (told == 0 && unsafe { (*map).address } == self.bias).then_some(hold)
    }
}

const RTLD_DI_LINKMAP: c_int = 2;

/// The public beginning of glibc's and musl's `struct link_map`.
#[repr(C)]
struct LinkMap {
    address: usize,
}

/// Clears the thread's pending `dlerror` message, which the program would otherwise see as its own.
fn clear_error() {
    // SAFETY: dlerror has no preconditions.
    unsafe { libc::dlerror() };
}

/// Whether slots can be found and patched on this machine.
pub(crate) fn supported() -> Result<(), crate::Error> {
    match std::env::consts::ARCH {
        "x86_64" | "aarch64" => Ok(()),
        _ => Err(crate::Error::Unsupported("Linux on this processor")),
    }
}

/// Keeps the object of this code loaded forever: slots elsewhere point into it.
pub(crate) fn stay_loaded() {
    let Some(module) = super::module_of(stay_loaded as *const () as usize) else {
        return;
    };
    let Ok(path) = CString::new(module.path) else {
        return;
    };
    // SAFETY: a string; NOLOAD runs no code. The handle is leaked on purpose. For the program itself, which dladdr
    // names as the command did, nothing is found, and nothing is needed.
    unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
    clear_error();
}

/// Lets `change` write into the part of an object that was made read-only after relocation.
///
/// # Errors
/// The error of mprotect; `change` was not called then.
pub(crate) fn unprotected<R>(image: &Image, change: impl FnOnce() -> R) -> std::io::Result<R> {
    let Some(range) = image.relro(page_size()) else {
        return Ok(change());
    };
    let set = |protection| {
        // SAFETY: the loader itself made exactly these pages read-only, in an object that is held loaded.
        match unsafe { libc::mprotect(range.start as *mut c_void, range.len(), protection) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    set(libc::PROT_READ | libc::PROT_WRITE)?;
    let result = change();
    set(libc::PROT_READ)?;
    Ok(result)
}
