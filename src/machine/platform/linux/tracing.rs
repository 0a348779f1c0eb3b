//! `/proc`, tracefs, and one performance event.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::FromRawFd as _;
use std::path::{Path, PathBuf};

pub fn capabilities() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

pub fn setting(name: &str) -> Option<String> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

pub fn lockdown() -> io::Result<String> {
    let modes = fs::read_to_string("/sys/kernel/security/lockdown")?;
    let chosen = modes.split_whitespace().find_map(|mode| mode.strip_prefix('[')?.strip_suffix(']'));
    chosen.map(str::to_owned).ok_or(io::ErrorKind::InvalidData.into())
}

pub fn mounted(kind: &str) -> Vec<PathBuf> {
    mounted_in(&fs::read_to_string("/proc/self/mounts").unwrap_or_default(), kind)
}

fn mounted_in(mounts: &str, kind: &str) -> Vec<PathBuf> {
    let place = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (place, found) = (fields.next()?, fields.next()?);
        // The kernel writes blanks in paths as octal numbers.
        (found == kind).then(|| place.replace("\\040", " ").into())
    };
    mounts.lines().filter_map(place).collect()
}

pub fn knows_file_system(kind: &str) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.split_whitespace().next_back() == Some(kind))
}

pub fn type_information() -> Option<u64> {
    Some(fs::metadata("/sys/kernel/btf/vmlinux").ok()?.len())
}

pub fn probe_lists() -> io::Result<Vec<PathBuf>> {
    let here = mounted("tracefs").into_iter();
    let Some(dir) = here.chain(mounted("debugfs").into_iter().map(|dir| dir.join("tracing"))).next() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "tracefs is not mounted"));
    };
    fs::read_dir(&dir)?;
    let lists = ["uprobe_events", "kprobe_events"].map(|name| dir.join(name));
    Ok(lists.into_iter().filter(|list| list.exists()).collect())
}

pub fn processes_numbered(number: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|process| {
            let status = fs::read_to_string(format!("/proc/{process}/status"));
            status.is_ok_and(|status| is_numbered(&status, number))
        })
        .collect()
}

/// `NSpid:` lists a process's numbers from our PID namespace inwards.
fn is_numbered(status: &str, number: u32) -> bool {
    status
        .lines()
        .filter_map(|line| line.strip_prefix("NSpid:").or_else(|| line.strip_prefix("Pid:")))
        .flat_map(str::split_whitespace)
        .any(|text| text.parse() == Ok(number))
}

pub fn sees_all_processes() -> bool {
    // The first PID namespace has this number in every kernel: PROC_PID_INIT_INO in linux/proc_ns.h.
    let ours = fs::read_link("/proc/self/ns/pid");
    ours.is_ok_and(|name| name == Path::new("pid:[4026531836]"))
}

/// The first 64 bytes of `perf_event_attr`, which every kernel takes as its version 0.
#[repr(C)]
#[derive(Default)]
struct CounterWish {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint: u32,
    config1: u64,
}

pub fn count_cycles() -> io::Result<u64> {
    const HARDWARE: u32 = 0;
    const CPU_CYCLES: u64 = 0;
    // Bits 5 and 6: neither the kernel nor a hypervisor is counted, which users without rights may ask for.
    const USER_ONLY: u64 = 1 << 5 | 1 << 6;
    let mut counter = open_counter(&CounterWish {
        kind: HARDWARE,
        size: size_of::<CounterWish>() as u32,
        config: CPU_CYCLES,
        flags: USER_ONLY,
        ..CounterWish::default()
    })?;
    std::hint::black_box((0..100_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n)));
    let mut count = [0_u8; 8];
    counter.read_exact(&mut count)?;
    Ok(u64::from_ne_bytes(count))
}

/// A counter of this thread on any core.
fn open_counter(wish: &CounterWish) -> io::Result<fs::File> {
    const THIS_THREAD: libc::c_int = 0;
    const ANY_CORE: libc::c_int = -1;
    const NO_GROUP: libc::c_int = -1;
    const CLOSE_ON_EXEC: libc::c_ulong = 8;
    let wish: *const CounterWish = wish;
    // SAFETY: the wish is live for the call and says its own size; the kernel only reads it and returns a new
    // descriptor or -1.
    let descriptor =
        unsafe { libc::syscall(libc::SYS_perf_event_open, wish, THIS_THREAD, ANY_CORE, NO_GROUP, CLOSE_ON_EXEC) };
    match libc::c_int::try_from(descriptor) {
        // SAFETY: the kernel has just handed this descriptor to us, and nobody else knows it.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { fs::File::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_told_by_their_kind() {
        let mounts = "proc /proc proc rw 0 0\ntracefs /sys/kernel/tracing tracefs rw 0 0\nx /a\\040b tracefs rw 0 0\n";
        let expected = [Path::new("/sys/kernel/tracing"), Path::new("/a b")];
        assert_eq!(mounted_in(mounts, "tracefs"), expected);
        assert!(mounted_in(mounts, "debugfs").is_empty());
        assert!(mounted_in("short\n", "proc").is_empty());
    }

    #[test]
    fn a_process_is_found_by_each_of_its_numbers() {
        let status = "Name:\tdtrace\nPid:\t4242\nPPid:\t7\nNSpid:\t4242\t9\n";
        assert!(is_numbered(status, 4242) && is_numbered(status, 9));
        assert!(!is_numbered(status, 7) && !is_numbered(status, 42));
        assert_eq!(processes_numbered(std::process::id()), [std::process::id()]);
    }

    #[test]
    fn cycles_are_counted_or_the_kernel_says_why_not() {
        match count_cycles() {
            Ok(cycles) => assert!(cycles > 0),
            Err(error) => assert!(error.raw_os_error().is_some(), "{error:?}"),
        }
    }
}
