//! The probe functions, the observer's table and the list, all generated from `provider.d` by one macro.

#[cfg(feature = "observer")]
use crate::Text;
use crate::{Argument, Probe};
use std::ffi::CStr;

/// Called once, by the code that the build generates from `provider.d`:
/// `PROVIDER "comment" systemtap__name "dtrace-name" function(argument: Fired => Seen = "C type", …) …`
macro_rules! define_probes {
    ($provider:ident $(
        $doc:literal $stap:ident $dtrace:literal $function:ident(
            $($argument:ident: $type:ty => $seen:ty = $c_type:literal),*
        )
    )*) => {
        /// The provider's name.
        pub const PROVIDER: &str = stringify!($provider);

        /// All probes, in the order of `provider.d`.
        pub const PROBES: &[Probe] = &[$(Probe {
            name: $dtrace,
            stap_name: stringify!($stap),
            arguments: &[$(Argument { name: stringify!($argument), c_type: $c_type }),*],
        }),*];

        /// The actions of an in-process observer at each probe: plain functions, called on the thread that fires, after
        /// the probe itself. They must not unwind and must not fire probes. Set the observer with
        /// [`set_observer`](crate::set_observer).
        #[cfg(feature = "observer")]
        #[derive(Debug, Clone, Copy)]
        pub struct Observer {
            $(#[doc = $doc] pub $function: fn($($argument: $seen),*),)*
        }

        #[cfg(feature = "observer")]
        impl Observer {
            /// The observer that does nothing; a base for others: `Observer { scale_entry: f, ..Observer::NOOP }`.
            pub const NOOP: Observer = Observer {
                $($function: {
                    fn nothing($(_: $seen),*) {}
                    nothing
                },)*
            };
        }

        /// The functions that hold the sites. Their arguments are already registers, see `Passed`.
        #[cfg(any(feature = "usdt-probes", feature = "observer"))]
        mod sites {
            use super::*;
            use crate::passed::Passed;

            $(
                #[inline(never)]
                // One section for all functions, so that linking one probe keeps all of them: the linker keeps the note
                // of a dropped function, with an address near 0. It also folds identical sections, but not functions
                // within one section.
                #[cfg_attr(
                    any(target_os = "linux", target_os = "android"),
                    unsafe(link_section = ".text.raptors_probes")
                )]
                pub(super) fn $function($($argument: <$type as Passed>::Register),*) {
                    #[cfg(feature = "usdt-probes")]
                    crate::platform::fire!($provider, $stap, $($argument: $type),*);
                    #[cfg(feature = "observer")]
                    if let Some(observer) = crate::observer::get() {
                        (observer.$function)($(<$type as Passed>::seen($argument)),*);
                    }
                }
            )*
        }

        $(
            #[doc = $doc]
            ///
            #[doc = concat!("Fires the probe `", $dtrace, "`.")]
            #[cfg(any(feature = "usdt-probes", feature = "observer"))]
            #[inline(always)]
            pub fn $function($($argument: $type),*) {
                sites::$function($(crate::passed::Passed::register($argument)),*);
            }

            #[doc = $doc]
            ///
            /// Does nothing: probes and observers are compiled out.
            #[cfg(not(any(feature = "usdt-probes", feature = "observer")))]
            #[inline(always)]
            pub fn $function($(_: $type),*) {}
        )*
    };
}

include!(concat!(env!("OUT_DIR"), "/probes.rs"));
