//! macOS: `sysctl` and the Mach host's memory counts.

use std::ffi::CString;
use std::process::Command;

use super::{Caches, System};

pub const SYSTEM: System = System::MacOs;

/// The bytes of a sysctl value.
fn sysctl(name: &str) -> Option<Vec<u8>> {
    let name = CString::new(name).ok()?;
    let mut size = 0;
    // SAFETY: a null buffer asks for the size only, which is written to a live usize.
    let asked = unsafe { libc::sysctlbyname(name.as_ptr(), std::ptr::null_mut(), &mut size, std::ptr::null_mut(), 0) };
    if asked != 0 {
        return None;
    }
    let mut value = vec![0_u8; size];
    // SAFETY: the buffer is live and `size` is its length; the call writes at most that and updates it.
    let read =
        unsafe { libc::sysctlbyname(name.as_ptr(), value.as_mut_ptr().cast(), &mut size, std::ptr::null_mut(), 0) };
    (read == 0).then(|| {
        value.truncate(size);
        value
    })
}

fn number(name: &str) -> Option<u64> {
    let bytes = sysctl(name)?;
    let value = match *bytes.as_slice() {
        [a, b, c, d] => u64::from(u32::from_ne_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        _ => return None,
    };
    (value > 0).then_some(value)
}

fn text(name: &str) -> Option<String> {
    let mut bytes = sysctl(name)?;
    bytes.truncate(bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len()));
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// Groups whose members are root, or can become it: wheel and admin.
pub const GROUPS_OF_ROOT: &[u32] = &[0, 80];

/// What an unset locale means.
pub const UTF8_BY_DEFAULT: bool = true;

pub fn cpu_name() -> Option<String> {
    text("machdep.cpu.brand_string")
}

pub fn cores_usable() -> Option<u32> {
    // macOS has no affinity that could take cores away.
    None
}

pub fn caches() -> Caches {
    // On Apple silicon perflevel0 is the fast cores; the plain names give the slow ones.
    let cache = |fast: &str, plain: &str| number(&format!("hw.perflevel0.{fast}")).or_else(|| number(plain));
    Caches {
        l1d: cache("l1dcachesize", "hw.l1dcachesize"),
        l2: cache("l2cachesize", "hw.l2cachesize"),
        l3: cache("l3cachesize", "hw.l3cachesize"),
    }
}

pub fn transparent_huge_pages() -> Option<String> {
    None
}

pub fn memory_total() -> Option<u64> {
    number("hw.memsize")
}

pub fn memory_available() -> Option<u64> {
    // Free, speculative and purgeable pages can be had at once. What is inactive is left out: too little is safe.
    let page = super::page_size()?;
    let pages = ["vm.page_free_count", "vm.page_speculative_count", "vm.page_purgeable_count"];
    let available = pages.iter().filter_map(|name| number(name)).sum::<u64>() * page;
    // Under memory pressure the counts are small by design, as memory is compressed on demand; half of it can be had.
    Some(available.max(memory_total()? / 2))
}

pub fn allocator() -> Option<String> {
    Some("macOS libmalloc".to_owned())
}

pub fn machine_id() -> Option<String> {
    let mut id = [0_u8; 16];
    let patience = libc::timespec { tv_sec: 1, tv_nsec: 0 };
    // SAFETY: the buffer has the 16 bytes a UUID is written to, and the timeout is a live timespec.
    let asked = unsafe { libc::gethostuuid(id.as_mut_ptr(), &patience) };
    (asked == 0).then(|| id.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub fn wish_huge_pages(_start: *mut u8, _bytes: usize) {}

pub fn end_with_us(_command: &mut Command) {}

pub use super::elsewhere::{
    DTRACE_FOR_LINUX, Pinned, command_line, is_mapped_from, mappings, memory_byte, path_of, tracing, user_time,
    waits_for_events,
};

/// The clock and the load, as macOS reports them.
pub mod load {
    pub use crate::machine::platform::elsewhere::load::{core_time, governors, turbo};

    pub fn shared_cores() -> Option<bool> {
        Some(super::number("hw.logicalcpu")? > super::number("hw.physicalcpu")?)
    }

    pub fn virtualised() -> Option<bool> {
        // The value 0 counts as none in `number`, and a system without the name is an old one on real hardware.
        Some(super::number("kern.hv_vmm_present").is_some())
    }
}
