//! macOS: spans as `os_signpost` intervals. Type-checked, but never run on a Mac.

use std::sync::OnceLock;

use raptors_signposts::{Detail, OsSignpost, Signposts};
use tracing_subscriber::layer::Layer;

use crate::logging::AnyLayer;

static DETAIL: OnceLock<Detail> = OnceLock::new();

/// The layer for Instruments.
pub fn signposts() -> Result<AnyLayer, String> {
    let layer = Signposts::new(OsSignpost::new());
    // The module is set up once in a process, and so is this.
    let _ = DETAIL.set(layer.detail());
    Ok(layer.boxed())
}

/// Whether the kernel's spans become intervals too, or only those of rounds.
pub fn show_kernel(on: bool) {
    if let Some(detail) = DETAIL.get() {
        detail.set(on);
    }
}
