//! The common parts of Linux and macOS.

use std::ffi::{CStr, c_void};

/// A loaded file.
pub(crate) struct Module {
    pub path: String,
    /// The address of the file's first byte.
    pub base: usize,
    /// The exported function that begins at the given address, if any.
    pub symbol: Option<String>,
}

/// The loaded file that contains an address.
pub(crate) fn module_of(address: usize) -> Option<Module> {
    // SAFETY: Dl_info is plain data, for which zeros are valid; dladdr takes any address.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    if unsafe { libc::dladdr(address as *const c_void, &mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr succeeded, so its strings belong to a loaded object, which the caller keeps loaded by using
    // an address in it.
    let text = |s| unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned();
    let exact = info.dli_saddr as usize == address && !info.dli_sname.is_null();
    Some(Module {
        path: text(info.dli_fname),
        base: info.dli_fbase as usize,
        symbol: exact.then(|| text(info.dli_sname)),
    })
}

/// Bytes per page of memory.
pub(crate) fn page_size() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    match SIZE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: sysconf has no preconditions.
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// Whether the byte at `address` is writable: asks the kernel to store the present value. False if the byte cannot even
/// be read.
pub(crate) fn is_writable(address: usize) -> bool {
    let mut ends = [0; 2];
    // SAFETY: pipe stores two descriptors into the array.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
        return false;
    }
    let byte = address as *mut c_void;
    // SAFETY: both calls return EFAULT for an inaccessible address; the stored value is the byte's own. The descriptors
    // were just made.
    unsafe {
        let done = libc::write(ends[1], byte, 1) == 1 && libc::read(ends[0], byte, 1) == 1;
        libc::close(ends[0]);
        libc::close(ends[1]);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CONSTANT: &str = "in a read-only page";

    #[test]
    fn writable_memory_is_told_from_constants_and_from_nothing() {
        let mut local = 7_u8;
        assert!(is_writable(&raw mut local as usize));
        assert_eq!(local, 7);
        assert!(!is_writable(CONSTANT.as_ptr() as usize));
        assert!(!is_writable(16));
    }
}
