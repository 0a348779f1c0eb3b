//! Linux.

use std::ffi::{CStr, CString, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// Asks for huge pages, as NumPy does for its own large results.
///
/// # Safety
/// `start` and `bytes` are those of a [`map`](super::map).
pub(crate) unsafe fn advise_huge_pages(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's promise; the advice changes no content. A refusal changes nothing, so it is not looked at.
    unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
}

/// The CPUs that a thread may use; all zero if the machine has more than a set holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Affinity([u64; 16]);

impl Affinity {
    /// How many CPUs, if known.
    pub(crate) fn count(&self) -> Option<usize> {
        let count = self.0.iter().map(|word| word.count_ones() as usize).sum();
        (count > 0).then_some(count)
    }
}

/// This thread's CPUs.
pub(crate) fn affinity() -> Affinity {
    let mut set = [0u64; 16];
    // SAFETY: 0 is the calling thread; the kernel writes at most the size given, and a set is plain
    // bits of that size.
    unsafe { libc::sched_getaffinity(0, size_of_val(&set), set.as_mut_ptr().cast()) };
    Affinity(set)
}

/// Bytes of the first-level cache for data.
pub(crate) fn l1d_bytes() -> usize {
    // The kernel numbers caches; index 0 is the data cache and 1 the instruction cache.
    cache_bytes(0, libc::_SC_LEVEL1_DCACHE_SIZE).unwrap_or(super::USUAL_L1D)
}

/// Bytes of the second-level cache.
pub(crate) fn l2_bytes() -> usize {
    cache_bytes(2, libc::_SC_LEVEL2_CACHE_SIZE).unwrap_or(super::USUAL_L2)
}

/// Bytes of the last-level cache: the third, else the second.
pub(crate) fn llc_bytes() -> usize {
    cache_bytes(3, libc::_SC_LEVEL3_CACHE_SIZE)
        .or_else(|| cache_bytes(2, libc::_SC_LEVEL2_CACHE_SIZE))
        .unwrap_or(super::USUAL_LLC)
}

/// The size of one cache, from the system's kernel, else from the C library: glibc has reported the sum of all
/// third-level caches of a processor, ten times the share of a core.
fn cache_bytes(index: u32, name: c_int) -> Option<usize> {
    let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
    let told = || {
        // SAFETY: sysconf takes any name and returns −1 or 0 for an unknown one.
        let told = unsafe { libc::sysconf(name) };
        usize::try_from(told).ok().filter(|bytes| *bytes > 0)
    };
    let kernel = std::fs::read_to_string(path).ok().and_then(|text| {
        let kib: usize = text.trim().strip_suffix('K')?.parse().ok()?;
        Some(kib << 10)
    });
    kernel.or_else(told)
}

/// The processor's name, as the kernel reports it.
pub(crate) fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = |line: &str| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "model name" | "Model").then(|| value.trim().to_owned())
    };
    let found = text.lines().find_map(named).filter(|name| !name.is_empty());
    found.unwrap_or_else(|| std::env::consts::ARCH.into())
}

/// An open library. Never closed: other code may have opened it too, and its code may be running.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Library(*mut c_void);

// SAFETY: a handle of dlopen may be used on any thread.
unsafe impl Send for Library {}
// SAFETY: as above; dlsym locks what it needs.
unsafe impl Sync for Library {}

impl Library {
    /// Opens a library by path or soname; the error is the loader's text.
    pub(crate) fn open(path: &Path) -> Result<Library, String> {
        let name =
            CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| format!("{} holds a NUL", path.display()))?;
        // SAFETY: `name` is NUL-terminated. Loading runs the library's initialisers: it is an OpenBLAS, because the
        // user or its file name says so.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if !handle.is_null() {
            return Ok(Library(handle));
        }
        // SAFETY: dlerror gives null or a string of this thread, valid until the next dl call.
        let said = unsafe { libc::dlerror() };
        if said.is_null() {
            return Err("the loader does not say why".into());
        }
        // SAFETY: not null, see above.
        Err(unsafe { CStr::from_ptr(said) }.to_string_lossy().into_owned())
    }

    /// The address of a symbol, if the library has it.
    pub(crate) fn symbol(&self, name: &str) -> Option<*mut c_void> {
        let name = CString::new(name).ok()?;
        // SAFETY: the handle is open and the name NUL-terminated.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }
}

/// The files of loaded libraries whose name contains `part`, in order of loading.
pub(crate) fn loaded(part: &str) -> Vec<PathBuf> {
    let mut search = Search { part, found: Vec::new() };
    // SAFETY: `visit` uses the pointer as a `Search`, during the call only.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

struct Search<'a> {
    part: &'a str,
    found: Vec<PathBuf>,
}

// SAFETY: called by dl_iterate_phdr with an object's description and the `Search` given to it.
unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: see above.
    let (name, search) = unsafe { ((*info).dlpi_name, &mut *data.cast::<Search>()) };
    if !name.is_null() {
        // SAFETY: a loaded object's name is NUL-terminated.
        let path = Path::new(unsafe { CStr::from_ptr(name) }.to_str().unwrap_or_default());
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if file.contains(search.part) {
            search.found.push(path.into());
        }
    }
    0
}

/// The sonames of a system's OpenBLAS.
pub(crate) const OPENBLAS_SONAMES: &[&str] = &["libopenblas.so.0", "libopenblas64_.so.0", "libopenblas.so"];
