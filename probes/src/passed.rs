//! How an argument travels from where a probe is fired to the function that holds its site.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::ptr::NonNull;

/// A NUL-terminated string that lives for ever, as an observer is given it: one word, its address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text(NonNull<c_char>);

impl Text {
    /// The string. Its length is counted anew each time.
    pub fn to_c_str(self) -> &'static CStr {
        // SAFETY: the pointer was taken from a `&'static CStr`, in `from`.
        unsafe { CStr::from_ptr(self.0.as_ptr()) }
    }

    /// Where it lies: equal addresses are equal strings, as they are static.
    pub fn as_ptr(self) -> *const c_char {
        self.0.as_ptr()
    }
}

impl From<&'static CStr> for Text {
    #[inline(always)]
    fn from(text: &'static CStr) -> Self {
        Text(NonNull::from(text).cast())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_c_str().fmt(f)
    }
}

/// An argument of a probe. A site's tracer reads registers of 64 bits, and an observer takes what it is given:
/// were the arguments widened, or a string's length brought along, inside the function that holds the site, every
/// call would pay for it, while where the probe is fired it costs nothing.
pub(crate) trait Passed {
    /// As the function that holds the site takes it.
    type Register;
    /// As an observer takes it.
    type Seen;
    fn register(self) -> Self::Register;
    #[cfg_attr(not(feature = "observer"), allow(dead_code))] // Else only the probes of macOS ask for it.
    fn seen(register: Self::Register) -> Self::Seen;
}

impl Passed for u32 {
    type Register = u64;
    type Seen = u32;
    #[inline(always)]
    fn register(self) -> u64 {
        self.into()
    }
    #[inline(always)]
    fn seen(register: u64) -> u32 {
        // Was made from a u32.
        register as u32
    }
}

macro_rules! passed_as_it_is {
    ($($integer:ty)*) => {$(
        impl Passed for $integer {
            type Register = Self;
            type Seen = Self;
            #[inline(always)]
            fn register(self) -> Self { self }
            #[inline(always)]
            fn seen(register: Self) -> Self { register }
        }
    )*};
}
passed_as_it_is!(u64 usize);

impl Passed for &'static CStr {
    type Register = Text;
    type Seen = Text;
    #[inline(always)]
    fn register(self) -> Text {
        self.into()
    }
    #[inline(always)]
    fn seen(register: Text) -> Text {
        register
    }
}
