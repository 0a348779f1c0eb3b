//! Systems without Instruments.

use crate::logging::AnyLayer;

/// Not available.
pub fn signposts() -> Result<AnyLayer, String> {
    Err(format!(
        "{} has no effect here: signposts are for Apple's Instruments, on macOS only; RAPTORS_LOG=trace shows the \
         same spans",
        raptors_signposts::VARIABLE
    ))
}

/// Does nothing.
pub fn show_kernel(_on: bool) {}
