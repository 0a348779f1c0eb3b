//! What the kernel lets this process trace, and who else is tracing. Linux has these files; elsewhere each answer is
//! `None` or empty.

use std::io;
use std::path::PathBuf;

use super::system::tracing as system;

/// Capabilities by their numbers in `linux/capability.h`.
pub mod capability {
    /// Trace processes of others.
    pub const SYS_PTRACE: u32 = 19;
    /// Nearly everything.
    pub const SYS_ADMIN: u32 = 21;
    /// See kernel addresses.
    pub const SYSLOG: u32 = 34;
    /// Use performance events without bounds.
    pub const PERFMON: u32 = 38;
    /// Load BPF programs.
    pub const BPF: u32 = 39;
}

/// The user this process acts as; 0 is root.
pub fn user() -> u32 {
    // SAFETY: geteuid reads a number and cannot fail.
    unsafe { libc::geteuid() }
}

/// The effective capabilities, one bit each.
pub fn capabilities() -> Option<u64> {
    system::capabilities()
}

/// A kernel setting by its `sysctl` name, such as `kernel.perf_event_paranoid`.
pub fn setting(name: &str) -> Option<String> {
    system::setting(name)
}

/// How far the kernel is locked down: `none`, `integrity` or `confidentiality`.
///
/// # Errors
/// When the file that says so cannot be read.
pub fn lockdown() -> io::Result<String> {
    system::lockdown()
}

/// Whether a file system of this kind (`tracefs`) is mounted, and where.
pub fn mounted(kind: &str) -> Vec<PathBuf> {
    system::mounted(kind)
}

/// Whether the kernel can mount file systems of this kind.
pub fn knows_file_system(kind: &str) -> bool {
    system::knows_file_system(kind)
}

/// The kernel's own type information, in bytes.
pub fn type_information() -> Option<u64> {
    system::type_information()
}

/// The files in which the kernel lists the probes that were made by text: those that exist, uprobes first.
///
/// # Errors
/// When the directory cannot be looked into, which root only may.
pub fn probe_lists() -> io::Result<Vec<PathBuf>> {
    system::probe_lists()
}

/// Processes that have this number in their own or any outer PID namespace, by the number they have in ours.
pub fn processes_numbered(number: u32) -> Vec<u32> {
    system::processes_numbered(number)
}

/// Whether every process of the machine can be seen from here; not from inside a PID namespace.
pub fn sees_all_processes() -> bool {
    system::sees_all_processes()
}

/// Whether this process is in a PID namespace of its own, as in a container: tracers see other numbers there.
pub fn in_container() -> bool {
    super::SYSTEM == super::System::Linux && !sees_all_processes()
}

/// Processor cycles that this thread spends on a small piece of work, as the hardware counts them.
///
/// # Errors
/// What the kernel answered when it was asked for the counter.
pub fn count_cycles() -> io::Result<u64> {
    system::count_cycles()
}
