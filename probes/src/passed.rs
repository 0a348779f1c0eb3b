//! How an argument travels from the place that fires a probe to the function that holds its site.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::ptr::NonNull;

/// A NUL-terminated string that lives forever, in the form that an observer gets: one word, its address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text(NonNull<c_char>);

impl Text {
    /// The string. Each call counts its length again.
    pub fn to_c_str(self) -> &'static CStr {
        // SAFETY: the pointer was taken from a `&'static CStr`, in `from`.
        unsafe { CStr::from_ptr(self.0.as_ptr()) }
    }

    /// Its address: equal addresses are equal strings, as the strings are static.
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

/// An argument of a probe. A site's tracer reads 64-bit registers, and an observer takes the arguments as they are.
/// Widening them, or adding a string's length, inside the function that holds the site would cost every call; at the
/// place that fires the probe it is free.
pub(crate) trait Passed {
    /// Its type in the function that holds the site.
    type Register;
    /// Its type in an observer.
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
        // It was made from a u32.
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
