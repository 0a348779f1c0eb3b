//! What differs between operating systems; the only place with `target_os` in this package.
//!
//! Each system offers the same functions. A fact that cannot be had is `None` or empty, never a guess.
//! What only tracers and `doctor` ask for is in [`tracing`] and [`load`].

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod other;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
use other as system;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod files;
pub mod load;
pub mod tracing;
pub mod users;

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// Who waits for events so long after an interrupt has missed it.
const ONLY_WAITS: Duration = Duration::from_secs(1);

/// The directory for files that can be made again; not created here. The kernel keeps its table there too.
pub use raptors_kernel::cache_dir;

#[cfg(target_os = "linux")]
pub use linux::mappings_in;

/// A process that is held while it is looked at, so that its number stays its own.
pub use system::Pinned;

pub use files::{make_pipe, private_directory};

/// The operating systems that differ here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Any other, about which little is known.
    Other,
}

/// The one this program was built for.
pub const SYSTEM: System = system::SYSTEM;

/// Sizes of the caches one core can use, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    /// Level-1 data cache.
    pub l1d: Option<u64>,
    /// Level-2 cache.
    pub l2: Option<u64>,
    /// Level-3 cache.
    pub l3: Option<u64>,
}

/// Whether a terminal shows UTF-8 where no locale is set.
pub const UTF8_BY_DEFAULT: bool = system::UTF8_BY_DEFAULT;

/// Marketing name of the processor, or what can be said instead.
pub fn cpu_name() -> String {
    system::cpu_name().unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH))
}

/// Logical cores that this process may use.
pub fn cores_usable() -> u32 {
    system::cores_usable().unwrap_or_else(cores_online)
}

/// Logical cores of the machine.
pub fn cores_online() -> u32 {
    // SAFETY: sysconf reads a number and touches no memory of ours.
    let cores = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    u32::try_from(cores).ok().filter(|&n| n > 0).unwrap_or(1)
}

/// Sizes of the caches.
pub fn caches() -> Caches {
    system::caches()
}

/// How transparent huge pages are handed out: `always`, `madvise` or `never`.
pub fn transparent_huge_pages() -> Option<String> {
    system::transparent_huge_pages()
}

/// Name and version of the operating system's kernel.
pub fn kernel() -> String {
    // SAFETY: utsname is plain bytes, for which all zeroes are valid; uname fills it with NUL-terminated strings.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live utsname of ours.
    if unsafe { libc::uname(&mut name) } != 0 {
        return std::env::consts::OS.to_owned();
    }
    let text = |field: &[libc::c_char]| {
        let bytes: Vec<u8> = field.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    format!("{} {}", text(&name.sysname), text(&name.release))
}

/// Size of a page, bytes.
pub fn page_size() -> Option<u64> {
    // SAFETY: sysconf reads a number and touches no memory of ours.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok().filter(|&n| n > 0)
}

/// Physical memory, or the control group's limit where that is less, bytes.
pub fn memory_total() -> Option<u64> {
    system::memory_total()
}

/// Memory that can be had without swapping, bytes.
pub fn memory_available() -> Option<u64> {
    system::memory_available()
}

/// The C library's allocator, which NumPy's `malloc` is.
pub fn allocator() -> Option<String> {
    system::allocator()
}

/// Something that stays the same over restarts and differs between machines.
pub fn machine_id() -> Option<String> {
    system::machine_id()
}

/// Asks for large pages under `bytes` at `start`, so that touching them is quick; a wish that may go unheard.
pub fn wish_huge_pages(start: *mut u8, bytes: usize) {
    system::wish_huge_pages(start, bytes);
}

/// Has the process of `command` killed when the thread that starts it ends, also by a kill that leaves it no time to do
/// it itself; where the system cannot, the process finds its pipe broken.
pub fn end_with_us(command: &mut Command) {
    system::end_with_us(command);
}

/// Has SIGINT wait in the process of `command` until that is ready for it and unblocks it.
pub fn hold_interrupts(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec: it only calls functions that may be called in a signal handler,
    // and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGINT);
            match libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
}

/// Has the process of `command` end by SIGINT, or handle it, although this one may ignore it: a shell without job
/// control starts its background commands so, and DTrace, which [`interrupt`] ends, keeps what it inherits.
pub fn mind_interrupts(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and only makes a system call.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
}

/// Sends SIGINT to a child that has not been waited for; one that has ended meanwhile stays ended.
pub fn interrupt(child: &Child) {
    send(child, libc::SIGINT);
}

/// Sends SIGINT to a child that has not been waited for, and goes on to do so while it only waits for further events:
/// bpftrace ends its wait when the signal interrupts it, and goes on to wait where the signal came just before. Its
/// status; none where it runs after `patience`.
pub fn interrupt_until_it_ends(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    interrupt(child);
    // What it has left to print when its probes are gone takes it less, and no signal may interrupt that.
    let mut waiting_since = None;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if !system::waits_for_events(child.id()) {
            waiting_since = None;
        } else if waiting_since.get_or_insert_with(Instant::now).elapsed() > ONLY_WAITS {
            interrupt(child);
            waiting_since = None;
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Has a child that has not been waited for stand still, with all of its threads, until [`go_on`]; whether it does.
/// Only where it ends with us all the same, as [`end_with_us`] has it.
pub fn stand_still(child: &Child) -> bool {
    cfg!(target_os = "linux") && send(child, libc::SIGSTOP)
}

/// Has a child that stands still go on.
pub fn go_on(child: &Child) {
    send(child, libc::SIGCONT);
}

fn send(child: &Child, signal: libc::c_int) -> bool {
    let Ok(pid) = libc::pid_t::try_from(child.id()) else {
        return false;
    };
    // SAFETY: kill touches no memory of ours, and the id is the child's until it is waited for.
    unsafe { libc::kill(pid, signal) == 0 }
}

/// Whether DTrace here is DTrace 2 for Linux, which takes the address of a function in its file for its offset in it,
/// and reads paths in the process map only up to a blank, so that two files may look like one (seen with 2.0.7).
pub const DTRACE_FOR_LINUX: bool = system::DTRACE_FOR_LINUX;

/// A part of a file in the memory of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The file, by the name under which the process loaded it.
    pub path: PathBuf,
    /// The first address.
    pub start: u64,
    /// The address after the last one.
    pub end: u64,
    /// Where the part begins in the file.
    pub offset: u64,
    /// It may be run.
    pub executable: bool,
    /// The file is not there any more: deleted, or replaced by another.
    pub gone: bool,
    /// The device and the number of the file, as the kernel knows them.
    pub file: (u64, u64),
}

/// The files that a process has mapped, in the order of their addresses; none for a kernel thread.
///
/// # Errors
/// When there is no such process, it may not be looked at, or this system does not tell.
pub fn mappings(pid: u32) -> std::io::Result<Vec<Mapping>> {
    system::mappings(pid)
}

/// A path under which this process opens the very file that process `pid` has mapped there: its name, or, where the
/// process sees other files under the same names (a container), the way through its root directory. `None` where
/// neither leads to that file.
pub fn path_of(pid: u32, mapping: &Mapping) -> Option<PathBuf> {
    system::path_of(pid, mapping)
}

/// Whether `path` leads this process to the very file that process `pid` has mapped there, whatever its name.
pub fn is_mapped_from(pid: u32, mapping: &Mapping, path: &Path) -> bool {
    system::is_mapped_from(pid, mapping, path)
}

/// What a file is, whatever its name: its device and its number there.
pub fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// One byte of another process's memory; `None` where it cannot be had.
pub fn memory_byte(pid: u32, address: u64) -> Option<u8> {
    system::memory_byte(pid, address)
}

/// Whether this process has all rights.
pub fn is_root() -> bool {
    // SAFETY: geteuid reads a number of this process and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Has a command started in a process group of its own, so that Ctrl-C on the terminal does not end it before it is
/// told to.
pub fn in_own_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Has a command started in a session of its own, which has no controlling terminal: nothing can be typed into ours,
/// and Ctrl-C on ours does not end it. It leads its process group.
pub fn without_terminal(command: &mut Command) -> &mut Command {
    // SAFETY: these may be called between fork and exec, and touch no memory.
    unsafe {
        command.pre_exec(|| {
            // A process that leads a session already may not make another one.
            if libc::getsid(0) == libc::getpid() || libc::setsid() != -1 {
                return Ok(());
            }
            Err(std::io::Error::last_os_error())
        })
    }
}

/// How many files a process may have open at most, however far it raises its own limit.
pub fn most_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit of ours, which the call fills.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } {
        0 => limit.rlim_max,
        _ => 256,
    }
}

/// CPU time that a process has spent outside of the kernel, all its threads together, ended ones too.
pub fn user_time(pid: u32) -> Option<Duration> {
    system::user_time(pid)
}

/// The command line of a process, its words joined by blanks.
pub fn command_line(pid: u32) -> Option<String> {
    system::command_line(pid)
}

/// Whether a process is there, and may be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is, and may be.
    Ours,
    /// It is not there.
    Gone,
    /// It belongs to somebody else.
    Foreign,
}

/// Whether process `pid` is there, and belongs to who asks (or root asks).
pub fn reach(pid: u32) -> Reach {
    let Some(pid) = libc::pid_t::try_from(pid).ok().filter(|&pid| pid > 0) else {
        return Reach::Gone;
    };
    // SAFETY: signal 0 checks whether a signal could be sent and sends none.
    if unsafe { libc::kill(pid, 0) } == 0 {
        return Reach::Ours;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EPERM) => Reach::Foreign,
        _ => Reach::Gone,
    }
}

/// A system call that changes nothing and that nothing else in this process makes, for a tracer to see: `getpriority`
/// of this process for the beginning, of its group for the end.
pub fn mark(begins: bool) {
    let which = if begins { libc::PRIO_PROCESS } else { libc::PRIO_PGRP };
    // SAFETY: getpriority reads a number of the kernel's.
    unsafe { libc::getpriority(which, 0) };
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn an_interrupt_waits_for_who_holds_it() {
        let mut command = shell("kill -INT $$; echo alive");
        hold_interrupts(&mut command);
        assert_eq!(command.output().unwrap().stdout, b"alive\n");
    }

    #[test]
    fn a_tool_minds_interrupts_that_this_process_ignores() {
        // A shell that waits for another process would put the signal off until that has ended.
        let mut child = shell("exec sleep 600");
        // As a command has it that a shell without job control started in the background.
        // SAFETY: the closure runs between fork and exec and only makes a system call.
        unsafe {
            child.pre_exec(|| {
                libc::signal(libc::SIGINT, libc::SIG_IGN);
                Ok(())
            });
        }
        mind_interrupts(&mut child);
        let mut child = child.spawn().unwrap();
        interrupt(&child);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGINT));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_goes_on_to_wait_for_events_is_interrupted_again() {
        // It notes the first interrupt and ends with the second, as bpftrace does that was about to wait.
        let program = "import select, signal, sys\nseen = []\n\
            signal.signal(signal.SIGINT, lambda *_: sys.exit(7) if seen else seen.append(1))\n\
            print('ready', flush=True)\nselect.epoll().poll()";
        let mut command = Command::new("python3");
        command.args(["-c", program]).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let status = interrupt_until_it_ends(&mut child, Duration::from_secs(30));
        assert_eq!(status.and_then(|status| status.code()), Some(7));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_stands_still_until_it_may_go_on_and_ends_with_us_meanwhile() {
        let state_of = |pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit_once(") ")?.1.chars().next()
        };
        let becomes = |pid: u32, wanted: &[Option<char>]| {
            let until = Instant::now() + Duration::from_secs(10);
            while !wanted.contains(&state_of(pid)) {
                assert!(Instant::now() < until, "{:?}", state_of(pid));
                thread::sleep(Duration::from_millis(2));
            }
        };
        let start = || {
            let mut command = shell("while :; do :; done");
            end_with_us(&mut command);
            command.spawn().unwrap()
        };
        let mut child = start();
        assert!(stand_still(&child));
        becomes(child.id(), &[Some('T')]);
        go_on(&child);
        becomes(child.id(), &[Some('R')]);
        child.kill().unwrap();
        child.wait().unwrap();
        // One that nobody lets go on is not left behind.
        let child = thread::spawn(move || {
            let child = start();
            stand_still(&child);
            child
        });
        let mut child = child.join().unwrap();
        becomes(child.id(), &[Some('Z'), None]);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_ends_with_the_thread_that_started_it() {
        let start = || {
            let mut command = shell("exec sleep 600");
            end_with_us(&mut command);
            command.spawn().unwrap()
        };
        let mut child = thread::spawn(start).join().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
