//! What is the same on every system but Linux: nothing of it can be had.

use std::io;
use std::path::{Path, PathBuf};

use super::Mapping;
use super::users::User;

/// Nothing of what Linux offers to tracers is here.
pub mod tracing {
    use std::io;
    use std::path::PathBuf;

    fn not_here() -> io::Error {
        io::ErrorKind::Unsupported.into()
    }

    pub fn capabilities() -> Option<u64> {
        None
    }

    pub fn setting(_name: &str) -> Option<String> {
        None
    }

    pub fn lockdown() -> io::Result<String> {
        Err(not_here())
    }

    pub fn mounted(_kind: &str) -> Vec<PathBuf> {
        Vec::new()
    }

    pub fn knows_file_system(_kind: &str) -> bool {
        false
    }

    pub fn type_information() -> Option<u64> {
        None
    }

    pub fn probe_lists() -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    pub fn processes_numbered(_number: u32) -> Vec<u32> {
        Vec::new()
    }

    pub fn sees_all_processes() -> bool {
        false
    }

    pub fn count_cycles() -> io::Result<u64> {
        Err(not_here())
    }
}

/// Nothing is known of the clock and the other work here.
pub mod load {
    use crate::machine::platform::load::CoreTime;

    pub fn core_time() -> Option<CoreTime> {
        None
    }

    pub fn governors() -> Vec<String> {
        Vec::new()
    }

    pub fn turbo() -> Option<bool> {
        None
    }
}

/// Where a process sleeps is not told here.
pub fn waits_for_events(_pid: u32) -> bool {
    false
}

/// It may be macOS's.
pub const DTRACE_FOR_LINUX: bool = false;

/// Another process's memory is closed here.
pub fn mappings(_pid: u32) -> io::Result<Vec<Mapping>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// See [`mappings`].
pub fn path_of(_pid: u32, _mapping: &Mapping) -> Option<PathBuf> {
    None
}

/// See [`mappings`].
pub fn is_mapped_from(_pid: u32, _mapping: &Mapping, _path: &Path) -> bool {
    false
}

/// No process can be looked at here.
pub struct Pinned;

impl Pinned {
    pub fn new(_pid: u32) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn owner(&self) -> &User {
        unreachable!("there is none")
    }

    pub fn check(&self) -> Result<(), String> {
        unreachable!("there is none")
    }
}

/// See [`mappings`].
pub fn memory_byte(_pid: u32, _address: u64) -> Option<u8> {
    None
}

/// Not looked up here.
pub fn user_time(_pid: u32) -> Option<std::time::Duration> {
    None
}

/// Not looked up here.
pub fn command_line(_pid: u32) -> Option<String> {
    None
}
