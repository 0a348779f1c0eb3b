//! What differs between systems, in one place.

#[cfg(not(target_os = "linux"))]
mod absent;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

#[cfg(not(target_os = "linux"))]
pub(crate) use absent::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

/// The size of the second-level cache where the system does not tell.
pub(crate) const USUAL_L2: usize = 1 << 20;

/// Bytes of the second-level cache: not asked for here.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn l2_bytes() -> usize {
    USUAL_L2
}

/// Accelerate where there is none.
#[cfg(not(target_os = "macos"))]
pub(crate) mod accelerate {
    use crate::Error;
    use crate::backend::{AccelerateRoutine, Backend};
    use crate::loops::Loop;

    fn absent() -> Error {
        let why = "Accelerate is a part of macOS, and this is another system".into();
        Error::Unavailable {
            backend: Backend::ACCELERATE,
            why,
        }
    }

    pub(crate) fn f32(_: AccelerateRoutine) -> Result<Loop<f32>, Error> {
        Err(absent())
    }

    pub(crate) fn f64(_: AccelerateRoutine) -> Result<Loop<f64>, Error> {
        Err(absent())
    }
}
