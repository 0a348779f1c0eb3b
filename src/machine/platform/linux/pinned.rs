//! A process that is looked at over some time: the number of one that has ended may be another's meanwhile.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use crate::machine::platform::identity;
use crate::machine::platform::users::User;

/// A process that is held by a descriptor, with what must not change while it is looked at.
#[derive(Debug)]
pub struct Pinned {
    pid: u32,
    /// Tells whether it has ended; none before Linux 5.3, where its start time has to tell.
    descriptor: Option<OwnedFd>,
    facts: Facts,
}

/// What tells a process from another one of the same number, and from itself with other rights.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    /// Clock ticks since the machine started.
    started: u64,
    owner: User,
    /// Device and number of its program's file.
    program: Option<(u64, u64)>,
}

impl Pinned {
    /// Holds process `pid`.
    ///
    /// # Errors
    /// It is not there, or may not be looked at, or has the rights of two users.
    pub fn new(pid: u32) -> io::Result<Self> {
        let descriptor = open(pid)?;
        Ok(Self { pid, descriptor, facts: Facts::of(pid)? })
    }

    /// The user it runs as.
    pub fn owner(&self) -> &User {
        &self.facts.owner
    }

    /// Checks that all that was read of the number since [`Pinned::new`] was of this process, with these rights.
    ///
    /// # Errors
    /// What has changed.
    pub fn check(&self) -> Result<(), String> {
        let now = Facts::of(self.pid);
        // Looked at last: a process that still runs has had its number all the time.
        let runs = self.descriptor.as_ref().is_none_or(runs);
        match now {
            Ok(now) if runs && now == self.facts => Ok(()),
            Ok(now) if runs && now.started == self.facts.started => {
                Err(format!("process {} has become another user or program while it was looked at", self.pid))
            }
            _ => Err(format!("process {} ended while it was looked at", self.pid)),
        }
    }
}

fn open(pid: u32) -> io::Result<Option<OwnedFd>> {
    let Ok(number) = libc::pid_t::try_from(pid) else { return Err(io::ErrorKind::NotFound.into()) };
    // SAFETY: the call takes numbers only.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
    if let Ok(descriptor @ 0..) = i32::try_from(descriptor) {
        // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) }));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EPERM) => Ok(None),
        Some(libc::ESRCH) => Err(io::ErrorKind::NotFound.into()),
        _ => Err(error),
    }
}

/// Whether the process of a descriptor has not ended: it can be read from once it has.
fn runs(descriptor: &OwnedFd) -> bool {
    let mut asked = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one live pollfd, and the call does not wait.
    unsafe { libc::poll(&mut asked, 1, 0) == 0 }
}

impl Facts {
    fn of(pid: u32) -> io::Result<Self> {
        let odd = |what: &str| io::Error::other(format!("/proc/{pid} does not tell {what}"));
        let stat = fs::read(format!("/proc/{pid}/stat"))?;
        let started = started(&stat).ok_or_else(|| odd("when it started"))?;
        let status = fs::read(format!("/proc/{pid}/status"))?;
        let owner = owner(&String::from_utf8_lossy(&status)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::PermissionDenied, "it has the rights of two users, so neither is its owner")
        })?;
        let program = fs::metadata(format!("/proc/{pid}/exe")).ok();
        Ok(Self { started, owner, program: program.as_ref().map(identity) })
    }
}

/// The 22nd field; the second, the command's name, may hold blanks and parentheses.
fn started(stat: &[u8]) -> Option<u64> {
    let stat = String::from_utf8_lossy(stat);
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The user, where the real, effective, saved and file system's user are the same, and so the group.
fn owner(status: &str) -> Option<User> {
    let numbers = |name: &str| -> Option<Vec<u32>> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().map(|number| number.parse().ok()).collect()
    };
    let one = |name| match numbers(name)?[..] {
        [first, ref others @ ..] if others.iter().all(|other| *other == first) => Some(first),
        _ => None,
    };
    Some(User { uid: one("Uid:")?, gid: one("Gid:")?, groups: numbers("Groups:")? })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::process::Command;

    use super::*;
    use crate::machine::platform::{is_root, users};

    #[test]
    fn a_process_is_the_same_until_it_ends() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        // The start waits for the child's exec.
        let pinned = Pinned::new(child.id()).unwrap();
        assert_eq!(pinned.check(), Ok(()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(pinned.check().unwrap_err().contains("ended while it was looked at"));
        assert_eq!(Pinned::new(child.id()).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(Pinned::new(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_process_with_the_rights_of_two_users_has_no_owner() {
        let status = "Name:\tx\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t8 9 \n";
        assert_eq!(owner(status), Some(User { uid: 7, gid: 8, groups: vec![8, 9] }));
        assert_eq!(owner(&status.replace("7\t7\n", "7\t0\n")), None);
        assert_eq!(owner(&status.replace("8\t8\n", "8\t0\n")), None);
        assert_eq!(owner("Uid:\n"), None);
    }

    #[test]
    fn the_owner_is_told_also_where_the_process_hides_its_memory() {
        if !is_root() {
            eprintln!("skipped: only root can start another user's process");
            return;
        }
        // PR_SET_DUMPABLE: what is in /proc/PID then belongs to root.
        let hides = "import ctypes, time; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); print(flush=True); time.sleep(600)";
        let mut command = Command::new("python3");
        command.args(["-I", "-c", hides]).stdout(std::process::Stdio::piped());
        users::run_as(&mut command, &User { uid: 4711, gid: 4712, groups: Vec::new() });
        let mut child = command.spawn().unwrap();
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        assert_eq!(fs::metadata(format!("/proc/{}/environ", child.id())).unwrap().uid(), 0);
        assert_eq!(Pinned::new(child.id()).unwrap().owner().uid, 4711);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
