//! What moves the times measured on this machine: its clock, its other work, its free room.

use std::path::Path;

use super::system::load as system;

/// Time that all cores together spent so far, in the system's own ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreTime {
    /// At work.
    pub busy: u64,
    /// Waiting.
    pub idle: u64,
    /// Ready to work, while the hypervisor ran somebody else.
    pub stolen: u64,
}

/// Time of all cores so far.
pub fn core_time() -> Option<CoreTime> {
    system::core_time()
}

/// Processes ready to run, as a mean over the last minute.
pub fn load_average() -> Option<f64> {
    let mut averages = [0.0_f64; 1];
    // SAFETY: the array has the one element that is asked for.
    let got = unsafe { libc::getloadavg(averages.as_mut_ptr(), 1) };
    (got == 1).then_some(averages[0])
}

/// The frequency governors of the cores, each once, sorted; empty where the clock cannot be governed.
pub fn governors() -> Vec<String> {
    system::governors()
}

/// Whether the clock may rise above its nominal rate.
pub fn turbo() -> Option<bool> {
    system::turbo()
}

/// Whether a core runs several threads.
pub fn shared_cores() -> Option<bool> {
    system::shared_cores()
}

/// Whether this is a virtual machine.
pub fn virtualised() -> Option<bool> {
    system::virtualised()
}

/// Bytes that this user may still write where `path` lies.
pub fn free_room(path: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: statvfs is plain numbers, for which all zeroes are valid.
    let mut facts: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path is NUL-terminated and the struct is a live one of ours.
    if unsafe { libc::statvfs(path.as_ptr(), &mut facts) } != 0 {
        return None;
    }
    // The fields' widths differ between systems.
    #[allow(clippy::unnecessary_cast)]
    (facts.f_bavail as u64).checked_mul(facts.f_frsize as u64)
}
