//! Systems without code of their own: everything still builds and reports less.

use std::process::Command;

use super::{Caches, System};

pub const SYSTEM: System = System::Other;

/// Groups whose members are root, or can become it.
pub const GROUPS_OF_ROOT: &[u32] = &[0];

/// What an unset locale means.
pub const UTF8_BY_DEFAULT: bool = false;

pub fn cpu_name() -> Option<String> {
    None
}

pub fn cores_usable() -> Option<u32> {
    None
}

pub fn caches() -> Caches {
    Caches::default()
}

pub fn transparent_huge_pages() -> Option<String> {
    None
}

pub fn memory_total() -> Option<u64> {
    None
}

pub fn memory_available() -> Option<u64> {
    None
}

pub fn allocator() -> Option<String> {
    None
}

pub fn machine_id() -> Option<String> {
    None
}

pub fn wish_huge_pages(_start: *mut u8, _bytes: usize) {}

pub fn end_with_us(_command: &mut Command) {}

pub use super::elsewhere::{
    DTRACE_FOR_LINUX, Pinned, command_line, is_mapped_from, mappings, memory_byte, path_of, tracing, user_time,
    waits_for_events,
};

pub mod load {
    pub use crate::machine::platform::elsewhere::load::{core_time, governors, turbo};

    pub fn shared_cores() -> Option<bool> {
        None
    }

    pub fn virtualised() -> Option<bool> {
        None
    }
}
