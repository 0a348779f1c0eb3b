//! What differs between systems, in one place.

#[cfg(not(target_os = "linux"))]
mod absent;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(unix)]
mod unix;
#[cfg(not(unix))]
mod unmapped;

#[cfg(not(target_os = "linux"))]
pub(crate) use absent::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(not(unix))]
pub(crate) use unmapped::*;

/// The size of the last-level cache where the system does not tell.
pub(crate) const USUAL_LLC: usize = 32 << 20;

/// The size of the second-level cache where the system does not tell.
pub(crate) const USUAL_L2: usize = 1 << 20;

/// The size of the first-level cache for data where the system does not tell.
pub(crate) const USUAL_L1D: usize = 32 << 10;

/// Bytes of the first-level cache for data: not asked for here.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn l1d_bytes() -> usize {
    USUAL_L1D
}

/// Bytes of the second-level cache: not asked for here.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn l2_bytes() -> usize {
    USUAL_L2
}

/// Bytes of the last-level cache: not asked for here.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn llc_bytes() -> usize {
    USUAL_LLC
}

/// The processor's name: its architecture.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn cpu_name() -> String {
    std::env::consts::ARCH.into()
}

/// Accelerate where there is none.
#[cfg(not(target_os = "macos"))]
pub(crate) mod accelerate {
    use crate::Error;
    use crate::backend::{AccelerateRoutine, Backend};
    use crate::loops::Loop;

    fn absent() -> Error {
        let why = "Accelerate is a part of macOS, and this is another system".into();
        Error::Unavailable { backend: Backend::ACCELERATE, why }
    }

    pub(crate) fn f32(_: AccelerateRoutine) -> Result<Loop<f32>, Error> {
        Err(absent())
    }

    pub(crate) fn f64(_: AccelerateRoutine) -> Result<Loop<f64>, Error> {
        Err(absent())
    }
}
