//! The system's sink: `os_signpost` of macOS.
//!
//! `<os/signpost.h>` offers macros only, which place their literals and encode their arguments at compile time. They
//! expand to `_os_signpost_emit_with_name_impl`, exported by libSystem since macOS 10.14, with names in the section
//! `__TEXT,__oslogstring` and arguments in the buffer that `__builtin_os_log_format` makes. No crate on crates.io did
//! both intervals and messages when this was written: `signpost` uses the kernel's older kdebug facility, `apple-log`
//! needs a Swift toolchain, and `tracing-oslog` makes activities of spans.
//!
//! Compiled for macOS but never run there: names are in the right section, and the buffers are byte for byte those of
//! clang.

use std::ffi::{CString, c_char, c_void};

use crate::{Name, SUBSYSTEM, Sink};

/// An ordinary category. `DynamicTracing` would cost nothing while nothing records, but a recording by `xctrace` does
/// not switch it on.
const CATEGORY: &str = "spans";

/// `os_signpost_type_t`.
const INTERVAL_BEGIN: u8 = 1;
const INTERVAL_END: u8 = 2;

/// The only format: the whole message as one public string.
#[unsafe(link_section = "__TEXT,__oslogstring,cstring_literals")]
static MESSAGE: [u8; 11] = *b"%{public}s\0";
#[unsafe(link_section = "__TEXT,__oslogstring,cstring_literals")]
static NO_MESSAGE: [u8; 1] = *b"\0";

#[repr(C)]
struct OsLog {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    /// The header of the image that this code is in; the linker defines it.
    static __dso_handle: u8;

    fn os_log_create(subsystem: *const c_char, category: *const c_char) -> *mut OsLog;
    fn os_signpost_enabled(log: *mut OsLog) -> bool;
    fn _os_signpost_emit_with_name_impl(
        dso: *const c_void,
        log: *mut OsLog,
        kind: u8,
        id: u64,
        name: *const c_char,
        format: *const c_char,
        buffer: *mut u8,
        size: u32,
    );
}

/// Intervals of the subsystem `raptors`, for Instruments and other tools that record signposts.
#[derive(Debug)]
pub struct OsSignpost(*mut OsLog);

// SAFETY: `os_log_create` says that its object may be used from any thread; it is never released.
unsafe impl Send for OsSignpost {}
// SAFETY: as above; the functions that take it change nothing of ours.
unsafe impl Sync for OsSignpost {}

impl OsSignpost {
    /// The sink; the system gives the same object for each.
    pub fn new() -> Self {
        let [subsystem, category] =
            [SUBSYSTEM, CATEGORY].map(|text| CString::new(text).expect("a literal without NUL"));
        // SAFETY: both strings are NUL-terminated and live during the call, which copies them.
        Self(unsafe { os_log_create(subsystem.as_ptr(), category.as_ptr()) })
    }

    /// # Safety
    /// `buffer` is encoded for `format`.
    unsafe fn emit(&self, kind: u8, id: u64, name: Name, format: &'static [u8], buffer: &mut [u8]) {
        // SAFETY: the image's header, the log, name and format live as long as the process, name and format in the
        // section where the system looks for them; the buffer lives during the call, which copies the data it points
        // to.
        unsafe {
            _os_signpost_emit_with_name_impl(
                (&raw const __dso_handle).cast(),
                self.0,
                kind,
                id,
                name.as_ptr(),
                format.as_ptr().cast(),
                buffer.as_mut_ptr(),
                buffer.len() as u32,
            );
        }
    }
}

impl Default for OsSignpost {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for OsSignpost {
    fn listens(&self) -> bool {
        // SAFETY: the log came from `os_log_create`.
        unsafe { os_signpost_enabled(self.0) }
    }

    fn begin(&self, name: Name, id: u64, message: &str) {
        // The layer leaves NUL out; if one were here, an interval without a message is better than none.
        let message = CString::new(message).unwrap_or_default();
        let mut buffer = string_argument(message.as_ptr());
        // SAFETY: the buffer holds one public string, and the string lives until the call returns.
        unsafe { self.emit(INTERVAL_BEGIN, id, name, &MESSAGE, &mut buffer) };
    }

    fn end(&self, name: Name, id: u64) {
        // SAFETY: the buffer of a format without arguments is a header alone.
        unsafe { self.emit(INTERVAL_END, id, name, &NO_MESSAGE, &mut [0, 0]) };
    }
}

/// One public string as `__builtin_os_log_format` encodes it: a header (2: an argument is no scalar; 1 argument), then
/// the argument (type 2, string, in the upper half of a byte, flag 2, public, in the lower; 8 bytes; the pointer).
fn string_argument(text: *const c_char) -> [u8; 12] {
    let mut buffer = [2, 1, 0x22, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    buffer[4..].copy_from_slice(&(text as u64).to_ne_bytes());
    buffer
}
