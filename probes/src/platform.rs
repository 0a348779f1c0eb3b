//! How a probe is fired on each system: the only place of this crate that depends on `target_os`.

use crate::Text;

/// The value of a probe argument in a register.
pub(crate) trait Word {
    type Raw;
    fn raw(self) -> Self::Raw;
}

macro_rules! word_itself {
    ($($integer:ty)*) => {$(
        impl Word for $integer {
            type Raw = Self;
            #[inline(always)]
            fn raw(self) -> Self { self }
        }
    )*};
}
word_itself!(u32 u64 usize);

impl Word for Text {
    type Raw = *const u8;
    #[inline(always)]
    fn raw(self) -> *const u8 {
        self.as_ptr().cast()
    }
}

// `fire!(provider, name, argument: Type, …)`: the arguments are the registers of `Passed`, the types those of the
// probe.

/// A one-byte nop and a SystemTap note. The crate `probe` evaluates the arguments into registers. Its `asm!` is
/// `readonly`, not `nomem`, so memory that an argument points to is written before the probe.
#[cfg(any(target_os = "linux", target_os = "android"))]
macro_rules! fire {
    ($provider:ident, $stap:ident, $($argument:ident: $type:ty),*) => {
        ::probe::probe!($provider, $stap, $(crate::platform::Word::raw($argument)),*)
    };
}

#[cfg(usdt_macros)]
include!(concat!(env!("OUT_DIR"), "/usdt.rs"));

/// A DTrace probe, which the linker makes from a call. The `usdt` crate first asks whether it is enabled.
#[cfg(usdt_macros)]
macro_rules! fire {
    ($provider:ident, $stap:ident, $($argument:ident: $type:ty),*) => {
        crate::platform::macros::$stap!(|| ($(crate::platform::Word::raw(
            <$type as crate::passed::Passed>::seen($argument)
        )),*))
    };
}

/// No probes here: the arguments are type-checked only.
#[cfg(not(any(target_os = "linux", target_os = "android", usdt_macros)))]
macro_rules! fire {
    ($provider:ident, $stap:ident, $($argument:ident: $type:ty),*) => {{
        $(let _ = crate::platform::Word::raw($argument);)*
    }};
}

pub(crate) use fire;
