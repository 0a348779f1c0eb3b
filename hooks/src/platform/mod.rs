//! The only home of `target_os` cfgs: the operating system's services for the observers.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!("raptors-hooks knows the dynamic loaders of Linux and macOS only");

mod unix;
pub(crate) use unix::*;

/// The dynamic loader's look-up function.
pub(crate) type Dlsym = unsafe extern "C" fn(*mut std::ffi::c_void, *const std::ffi::c_char) -> *mut std::ffi::c_void;
