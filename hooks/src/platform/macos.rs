//! macOS: Mach-O images as dyld reports them. The technique is fishhook's.
//!
//! Images of the shared cache are left out: Accelerate's own inner calls are not calls of the program, and their
//! pointers are shared. Pointers that arm64e signs are not patched.

use super::Dlsym;
use crate::macho::{self, Layout};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::Range;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// The system whose calling conventions the routines have.
pub(crate) const TARGET: raptors_routines::TargetOs = raptors_routines::TargetOs::MacOs;

type ImageChange = extern "C" fn(*const c_void, isize);

unsafe extern "C" {
    fn _dyld_image_count() -> u32;
    fn _dyld_get_image_header(index: u32) -> *const c_void;
    fn _dyld_get_image_vmaddr_slide(index: u32) -> isize;
    fn _dyld_get_image_name(index: u32) -> *const c_char;
    fn _dyld_register_func_for_add_image(changed: ImageChange);
    fn _dyld_register_func_for_remove_image(changed: ImageChange);
    fn vm_protect(task: u32, address: usize, size: usize, maximum: c_int, protection: c_int) -> c_int;
    static mach_task_self_: u32;
}

const VM_PROT_READ: c_int = 1;
const VM_PROT_WRITE: c_int = 2;
const VM_PROT_COPY: c_int = 16;

/// `dlsym`'s special handles, as in `dlfcn.h`.
const RTLD_NEXT: isize = -1;
const RTLD_SELF: isize = -3;

/// The thread's error number.
pub(crate) fn errno() -> c_int {
    // SAFETY: the location is the thread's own.
    unsafe { *libc::__error() }
}

pub(crate) fn set_errno(value: c_int) {
    // SAFETY: the location is the thread's own.
    unsafe { *libc::__error() = value }
}

/// Page faults that the process has taken without reading a file: macOS counts none per thread.
pub(crate) fn minor_faults() -> u64 {
    // SAFETY: rusage is plain data, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: getrusage stores into the structure handed in.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    usage.ru_minflt as u64
}

/// A count that changes whenever an image is loaded or unloaded.
pub(crate) fn generation() -> u64 {
    static CHANGES: AtomicU64 = AtomicU64::new(0);
    static REGISTERED: Once = Once::new();
    extern "C" fn changed(_: *const c_void, _: isize) {
        CHANGES.fetch_add(1, Ordering::Relaxed);
    }
    REGISTERED.call_once(|| {
        // SAFETY: dyld calls it for each present and each later image, forever; this library stays loaded.
        unsafe {
            _dyld_register_func_for_add_image(changed);
            _dyld_register_func_for_remove_image(changed);
        }
    });
    CHANGES.load(Ordering::Relaxed)
}

/// A loaded image outside the shared cache.
pub(crate) struct Image {
    /// The file.
    pub path: String,
    /// Added to every address in the file.
    pub bias: usize,
    layout: Layout,
}

/// One place in an image that holds, or will hold, an imported function's address.
pub(crate) struct Import {
    /// The symbol's name in C's spelling.
    pub name: String,
    /// The address of the pointer.
    pub slot: usize,
    /// Whether the slot may still point to the image's own stub, which asks dyld at the first call.
    pub lazy: bool,
    /// The library that dyld looks in, if it is one.
    library: Option<String>,
    /// The reason that no plain pointer may be stored there, if any.
    pub closed: Option<&'static str>,
}

/// All images outside the shared cache, the program first.
pub(crate) fn images() -> Vec<Image> {
    // SAFETY: the function has no preconditions; an image that is unloaded meanwhile gives nulls below.
    (0..unsafe { _dyld_image_count() }).filter_map(Image::new).collect()
}

impl Image {
    fn new(index: u32) -> Option<Self> {
        // SAFETY: dyld returns null or zero for an invalid index.
        let (header, slide, path) = unsafe {
            (_dyld_get_image_header(index), _dyld_get_image_vmaddr_slide(index), _dyld_get_image_name(index))
        };
        if header.is_null() || path.is_null() {
            return None;
        }
        // SAFETY: dyld's string for a loaded image.
        let path = unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned();
        // SAFETY: a loaded image begins with its header, whose 64-bit form has 32 bytes.
        let head = unsafe { std::slice::from_raw_parts(header.cast::<u8>(), 32) };
        let size = macho::header_size(head).ok()?;
        // SAFETY: the load commands follow the header in memory, as they do in the file.
        let commands = unsafe { std::slice::from_raw_parts(header.cast::<u8>(), size) };
        let layout = Layout::parse(commands).ok().filter(|l| !l.in_shared_cache)?;
        Some(Image { path, bias: slide as usize, layout })
    }

    fn loaded(&self, addresses: &Range<u64>) -> Range<usize> {
        let at = |address: u64| self.bias.wrapping_add(address as usize);
        at(addresses.start)..at(addresses.end)
    }

    /// The image's segments in memory; the first of a program only keeps address 0 free.
    fn segments(&self) -> impl Iterator<Item = Range<usize>> {
        let real = self.layout.segments.iter().filter(|s| s.name != "__PAGEZERO");
        real.map(|s| self.loaded(&s.addresses))
    }

    /// Whether an address belongs to this image.
    pub(crate) fn contains(&self, address: usize) -> bool {
        self.segments().any(|r| r.contains(&address))
    }

    /// From the image's first byte in memory to its last.
    pub(crate) fn span(&self) -> Range<usize> {
        let start = self.segments().map(|r| r.start).min().unwrap_or(0);
        start..self.segments().map(|r| r.end).max().unwrap_or(start)
    }

    /// Keeps the image loaded; `None` if it is unloaded.
    pub(crate) fn hold(&self) -> Option<Hold> {
        let path = CString::new(self.path.as_str()).ok()?;
        let name = if self.layout.program { std::ptr::null() } else { path.as_ptr() };
        // SAFETY: the name is null or a string; NOLOAD runs no code of the image.
        let handle = unsafe { libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if handle.is_null() {
            clear_error();
            return None;
        }
        Some(Hold(handle))
    }

    /// The imports with a wanted name. The caller holds the image loaded.
    pub(crate) fn imports(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<Import> {
        let Some(linkedit) = self.layout.segment("__LINKEDIT") else {
            return Vec::new();
        };
        let memory = self.loaded(&linkedit.addresses);
        let at = |offset: u64, length: u64| {
            let from = usize::try_from(offset.checked_sub(linkedit.file_offset)?).ok()?;
            let length = usize::try_from(length).ok()?;
            let end = from.checked_add(length).filter(|end| *end <= memory.len())?;
            // SAFETY: inside the link-edit segment of a loaded image, which dyld maps readable and nobody writes.
            Some(unsafe { std::slice::from_raw_parts((memory.start + end - length) as *const u8, length) })
        };
        let pointers = self.layout.symbol_pointers(at).unwrap_or_default();
        pointers
            .into_iter()
            .filter(|p| wanted(&p.symbol))
            .map(|p| Import {
                slot: self.bias.wrapping_add(p.address as usize),
                lazy: p.lazy,
                library: p.library,
                closed: p.authenticated.then_some("its pointers are signed (arm64e), which is not supported"),
                name: p.symbol,
            })
            .collect()
    }
}

/// Keeps an image loaded while it lives.
pub(crate) struct Hold(*mut c_void);

// SAFETY: a handle of dyld is used from any thread.
unsafe impl Send for Hold {}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: the handle came from dlopen and is closed once.
        unsafe { libc::dlclose(self.0) };
    }
}

/// Clears the thread's pending `dlerror` message, which the program would otherwise see as its own.
fn clear_error() {
    // SAFETY: dlerror has no preconditions.
    unsafe { libc::dlerror() };
}

/// The libraries in which dyld looks for the symbols of an image: each symbol names its own.
pub(crate) struct Scopes;

impl Scopes {
    pub(crate) fn of(_: &Image) -> Self {
        Scopes
    }

    /// The function that dyld binds the import to at its first call.
    ///
    /// # Errors
    /// A sentence, if that is not certain or there is none yet.
    pub(crate) fn resolve(&self, import: &Import, dlsym: Dlsym) -> Result<usize, String> {
        let name = CString::new(import.name.as_str()).map_err(|e| e.to_string())?;
        let hold = import.library.as_deref().and_then(library).ok_or(
            "dyld binds it at its first call, and it is not certain in which library; its calls are seen from the next \
             scan after the first call",
        )?;
        // SAFETY: an open handle and a string; `dlsym` is dyld's function.
        let address = unsafe { dlsym(hold.0, name.as_ptr()) };
        if address.is_null() {
            clear_error();
            return Err("dyld binds it at its first call, and its library does not have it; its calls are seen from \
                        the next scan after the first call"
                .into());
        }
        Ok(address as usize)
    }
}

/// The loaded library that an image names. A name that begins with `@` is resolved for that image alone, so it has to
/// be the only loaded file of its name.
fn library(name: &str) -> Option<Hold> {
    let path = match name.strip_prefix('@').and_then(|rest| rest.rsplit('/').next()) {
        None => name.to_owned(),
        Some(file) => {
            let mut found = paths().filter(|path| path.rsplit('/').next() == Some(file));
            found.next().filter(|_| found.next().is_none())?
        }
    };
    let path = CString::new(path).ok()?;
    // SAFETY: a string; NOLOAD runs no code of the library.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if handle.is_null() {
        clear_error();
        return None;
    }
    Some(Hold(handle))
}

/// The files of all images.
fn paths() -> impl Iterator<Item = String> {
    // SAFETY: the function has no preconditions.
    let count = unsafe { _dyld_image_count() };
    (0..count).filter_map(|index| {
        // SAFETY: dyld returns null for an invalid index, else its string for a loaded image.
        let path = unsafe { _dyld_get_image_name(index) };
        // SAFETY: as above.
        (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned())
    })
}

/// The result of `dlsym(handle, name)`. `None` lets dlsym answer itself: nothing was found, or the result depends on
/// the caller.
///
/// # Safety
/// As for `dlsym`, which `dlsym` is.
pub(crate) unsafe fn look_up(handle: *mut c_void, name: &CStr, _caller: usize, dlsym: Dlsym) -> Option<usize> {
    if matches!(handle as isize, RTLD_NEXT | RTLD_SELF) {
        return None;
    }
    // SAFETY: as the caller promises. RTLD_DEFAULT searches all images here, whoever calls.
    let address = unsafe { dlsym(handle, name.as_ptr()) };
    (!address.is_null()).then_some(address as usize)
}

/// Whether slots can be found and patched on this machine.
pub(crate) fn supported() -> Result<(), crate::Error> {
    Ok(())
}

/// Keeps the image of this code loaded forever: pointers elsewhere lead into it.
pub(crate) fn stay_loaded() {
    let Some(module) = super::module_of(stay_loaded as *const () as usize) else {
        return;
    };
    let Ok(path) = CString::new(module.path) else {
        return;
    };
    // SAFETY: a string; NOLOAD runs no code. The handle is leaked on purpose.
    unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
    clear_error();
}

/// Lets `change` write into the segments of an image that dyld made read-only.
///
/// # Errors
/// The kernel refused; `change` was not called then.
pub(crate) fn unprotected<R>(image: &Image, change: impl FnOnce() -> R) -> std::io::Result<R> {
    let closed = image.layout.segments.iter().filter(|s| s.read_only);
    let ranges: Vec<Range<usize>> = closed.map(|s| image.loaded(&s.addresses)).collect();
    for range in &ranges {
        protect(range, VM_PROT_READ | VM_PROT_WRITE | VM_PROT_COPY)?;
    }
    let result = change();
    for range in &ranges {
        protect(range, VM_PROT_READ)?;
    }
    Ok(result)
}

fn protect(range: &Range<usize>, protection: c_int) -> std::io::Result<()> {
    // SAFETY: dyld itself made exactly this segment read-only, in an image that is held loaded; segments are whole
    // pages. The task is this one.
    match unsafe { vm_protect(mach_task_self_, range.start, range.len(), 0, protection) } {
        0 => Ok(()),
        code => Err(std::io::Error::other(format!("vm_protect: kernel error {code}"))),
    }
}
