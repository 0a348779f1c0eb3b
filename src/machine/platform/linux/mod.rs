//! Linux: `/proc`, `/sys`, the scheduler's affinity and the control group.

pub mod load;
mod maps;
mod pinned;
pub mod tracing;

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub use maps::{is_mapped_from, mappings, mappings_in, path_of};
pub use pinned::Pinned;

use super::{Caches, System};

pub const SYSTEM: System = System::Linux;

/// Groups whose members are root, or can become it.
pub const GROUPS_OF_ROOT: &[u32] = &[0];

/// What an unset locale means.
pub const UTF8_BY_DEFAULT: bool = false;

pub fn cpu_name() -> Option<String> {
    cpu_name_of(&fs::read_to_string("/proc/cpuinfo").ok()?)
}

/// x86 names its processors; Arm gives numbers, which are at least the same on the same machine.
fn cpu_name_of(cpuinfo: &str) -> Option<String> {
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    field("model name").or_else(|| {
        Some(format!("Arm processor, implementer {}, part {}", field("CPU implementer")?, field("CPU part")?))
    })
}

pub fn cores_usable() -> Option<u32> {
    // SAFETY: cpu_set_t is a plain bit mask, for which all zeroes are valid.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer and the size are of the same live mask.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return None;
    }
    // SAFETY: CPU_COUNT only reads the mask.
    u32::try_from(unsafe { libc::CPU_COUNT(&set) }).ok().filter(|&n| n > 0)
}

pub fn caches() -> Caches {
    caches_in(Path::new("/sys/devices/system/cpu/cpu0/cache"))
}

fn caches_in(dir: &Path) -> Caches {
    let mut caches = Caches::default();
    for index in 0..8 {
        let read = |file: &str| {
            let text = fs::read_to_string(dir.join(format!("index{index}")).join(file)).ok()?;
            Some(text.trim().to_owned())
        };
        let (Some(level), Some(kind), Some(size)) = (read("level"), read("type"), read("size")) else {
            continue;
        };
        let size = kibibytes(&size);
        match (level.as_str(), kind.as_str()) {
            ("1", "Data" | "Unified") => caches.l1d = size,
            ("2", "Data" | "Unified") => caches.l2 = size,
            ("3", "Data" | "Unified") => caches.l3 = size,
            _ => {}
        }
    }
    caches
}

/// `48K` or `32M` in bytes.
fn kibibytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.strip_suffix('K') {
        Some(number) => (number, 1 << 10),
        None => (text.strip_suffix('M')?, 1 << 20),
    };
    Some(number.parse::<u64>().ok()? * unit)
}

pub fn transparent_huge_pages() -> Option<String> {
    let modes = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    modes.split_whitespace().find_map(|mode| mode.strip_prefix('[')?.strip_suffix(']')).map(str::to_owned)
}

pub fn memory_total() -> Option<u64> {
    let machine = meminfo("MemTotal:")?;
    Some(control_group().map_or(machine, |group| group.limit.min(machine)))
}

pub fn memory_available() -> Option<u64> {
    let machine = meminfo("MemAvailable:")?;
    Some(control_group().map_or(machine, |group| group.limit.saturating_sub(group.used).min(machine)))
}

fn meminfo(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

struct ControlGroup {
    limit: u64,
    used: u64,
}

/// The memory limit of this process's own control group, version 2 or 1; none where it is unlimited.
fn control_group() -> Option<ControlGroup> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let read = |dir: &str, file: &str| {
        let text = fs::read_to_string(Path::new(dir).join(file)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        // Inside a container the path is the host's, and the group itself is mounted at the root.
        let (root, limit, used) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            c if c.split(',').any(|c| c == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => return None,
        };
        [format!("{root}{path}"), root.to_owned()]
            .iter()
            .find_map(|dir| Some(ControlGroup { limit: read(dir, limit)?, used: read(dir, used)? }))
    })
}

pub fn allocator() -> Option<String> {
    c_library().map(|library| format!("{library} malloc"))
}

#[cfg(target_env = "gnu")]
fn c_library() -> Option<String> {
    // SAFETY: returns a pointer to a static, NUL-terminated string of the C library.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    Some(format!("glibc {}", version.to_str().ok()?))
}

#[cfg(not(target_env = "gnu"))]
fn c_library() -> Option<String> {
    cfg!(target_env = "musl").then(|| "musl".to_owned())
}

pub fn machine_id() -> Option<String> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostname"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .find(|text| !text.is_empty())
}

pub fn wish_huge_pages(start: *mut u8, bytes: usize) {
    let page = super::page_size().unwrap_or(4096) as usize;
    let skip = start.align_offset(page);
    if skip >= bytes {
        return;
    }
    // SAFETY: the range lies inside the caller's allocation and begins on a page; MADV_HUGEPAGE changes no content,
    // and a refusal (old kernel, no huge pages) leaves everything as it was.
    unsafe { libc::madvise(start.add(skip).cast(), bytes - skip, libc::MADV_HUGEPAGE) };
}

pub fn end_with_us(command: &mut Command) {
    let us = std::process::id();
    // SAFETY: the closure runs between fork and exec: it only makes system calls, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // Who died before that call sends no signal any more.
            if libc::getppid() as u32 != us {
                libc::_exit(1);
            }
            Ok(())
        });
    }
}

pub const DTRACE_FOR_LINUX: bool = true;

pub fn memory_byte(pid: u32, address: u64) -> Option<u8> {
    use std::os::unix::fs::FileExt as _;
    let memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut byte = [0];
    memory.read_exact_at(&mut byte, address).ok()?;
    Some(byte[0])
}

pub fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = bytes.split(|&byte| byte == 0).filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// By where the kernel has it sleep.
pub fn waits_for_events(pid: u32) -> bool {
    let place = fs::read_to_string(format!("/proc/{pid}/wchan"));
    place.is_ok_and(|place| place.contains("epoll") || place.contains("ep_poll"))
}

pub fn user_time(pid: u32) -> Option<Duration> {
    // SAFETY: sysconf reads a number of the system's.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    user_time_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, ticks)
}

/// The 14th field, in clock ticks; the second, the command's name, may hold blanks and parentheses.
fn user_time_in(stat: &str, ticks_per_second: i64) -> Option<Duration> {
    let fields = stat.rsplit_once(')')?.1;
    let ticks: u64 = fields.split_ascii_whitespace().nth(11)?.parse().ok()?;
    let per_second = u32::try_from(ticks_per_second).ok().filter(|&n| n > 0)?;
    Some(Duration::from_secs(ticks) / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_is_read_past_an_odd_name() {
        let stat = "7 (a ) 1 b) R 1 7 7 0 -1 4194304 9 0 0 0 250 31 0 0 20 0 1";
        assert_eq!(user_time_in(stat, 100), Some(Duration::from_millis(2500)));
        assert_eq!(user_time_in(stat, -1), None);
        assert_eq!(user_time_in("7 (a", 100), None);
    }

    #[test]
    fn arm_processors_without_a_name_are_told_by_their_numbers() {
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(cpu_name_of(arm).unwrap(), "Arm processor, implementer 0x41, part 0xd0c");
        assert_eq!(cpu_name_of("model name\t: AMD EPYC\nmodel name\t: no\n").unwrap(), "AMD EPYC");
        assert_eq!(cpu_name_of(""), None);
    }

    #[test]
    fn cache_sizes_are_read_with_their_unit() {
        assert_eq!(kibibytes("48K"), Some(49152));
        assert_eq!(kibibytes("32M"), Some(32 << 20));
        assert_eq!(kibibytes("32"), None);
        assert_eq!(caches_in(Path::new("/nowhere")), Caches::default());
    }

    #[test]
    fn caches_are_told_apart_from_the_instruction_cache() {
        let dir = tempfile::tempdir().unwrap();
        let entries = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "1024K")];
        for (i, (level, kind, size)) in entries.iter().enumerate() {
            let index = dir.path().join(format!("index{i}"));
            fs::create_dir(&index).unwrap();
            for (file, text) in [("level", level), ("type", kind), ("size", size)] {
                fs::write(index.join(file), format!("{text}\n")).unwrap();
            }
        }
        let expected = Caches { l1d: Some(48 << 10), l2: Some(1 << 20), l3: None };
        assert_eq!(caches_in(dir.path()), expected);
    }
}
