//! The users that programs run as, and those who may change a file.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use super::system;

/// The links that are followed, as in the system itself.
const MOST_LINKS: usize = 40;

/// A user that a program can run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// The numbers of the other groups it is in.
    pub groups: Vec<u32>,
}

/// A user as the system's table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: OsString,
    /// Its home directory.
    pub home: PathBuf,
}

/// Has the program of `command` run as `user`, from which there is no way back. Only root can do so; a command that
/// cannot drop all rights of root is not started. It drops the right to be killed with its parent as well, so
/// [`super::end_with_us`] goes after this.
pub fn run_as(command: &mut Command, user: &User) {
    let User { uid, gid, groups } = user.clone();
    // SAFETY: the closure runs between fork and exec: it makes system calls only, and reads a list made before.
    unsafe {
        command.pre_exec(move || {
            let done = libc::setgroups(groups.len() as _, groups.as_ptr()) == 0
                && libc::setgid(gid) == 0
                && libc::setuid(uid) == 0;
            if !done {
                return Err(io::Error::last_os_error());
            }
            // Whoever can become root again has not dropped its rights.
            if uid != 0 && libc::setuid(0) == 0 { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
        });
    }
}

/// The user of this number in the system's table.
pub fn account(uid: u32) -> Option<Account> {
    let mut buffer = vec![0; 1 << 14];
    // SAFETY: passwd is numbers and pointers, for which all zeroes are valid.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: all pointers are to live memory of ours, and the length is the buffer's.
    let status = unsafe { libc::getpwuid_r(uid, &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
    if status != 0 || found.is_null() {
        return None;
    }
    // SAFETY: the call has filled the entry with pointers to strings in `buffer`, which lives until they are copied.
    let text = |pointer| OsString::from_vec(unsafe { CStr::from_ptr(pointer) }.to_bytes().to_vec());
    Some(Account { name: text(entry.pw_name), home: text(entry.pw_dir).into() })
}

/// The groups that a user of this name is in, `gid` among them; that alone where the system does not tell.
pub fn groups_of(name: OsString, gid: u32) -> Vec<u32> {
    const MOST: usize = 1 << 12;
    let Ok(name) = CString::new(name.into_vec()) else { return vec![gid] };
    let mut groups = vec![0_u32; MOST];
    let mut count = MOST as libc::c_int;
    // SAFETY: the name is a live C string, and the table has as many entries as `count` says.
    let known = unsafe { libc::getgrouplist(name.as_ptr(), gid as _, groups.as_mut_ptr().cast(), &mut count) };
    if known < 0 {
        return vec![gid];
    }
    groups.truncate(usize::try_from(count).unwrap_or(0));
    groups
}

/// Checks that nobody but root and the users of `trusted` may change what runs under the name of `path`: the file, the
/// links that lead to it, and each directory on the way.
///
/// # Errors
/// One sentence: what somebody else may change, and who.
pub fn changed_by_others(path: &Path, trusted: &[u32]) -> Result<(), String> {
    let unseen = |error| format!("{} cannot be looked at: {error}", path.display());
    let mut way = Way::to(path).map_err(unseen)?;
    while let Some((part, metadata)) = way.step().map_err(unseen)? {
        check(&part, &metadata, trusted)?;
    }
    Ok(())
}

fn check(part: &Path, metadata: &fs::Metadata, trusted: &[u32]) -> Result<(), String> {
    let part = part.display();
    let (owner, mode) = (metadata.uid(), metadata.mode());
    if owner != 0 && !trusted.contains(&owner) {
        let name = account(owner).map_or_else(String::new, |account| format!(" ({})", account.name.display()));
        return Err(format!("{part} belongs to user {owner}{name}"));
    }
    // What lies in a directory such as /tmp only its owner can replace; a link's own rights mean nothing.
    let sticky = metadata.is_dir() && mode & 0o1000 != 0;
    if metadata.is_symlink() || sticky {
        return Ok(());
    }
    if mode & 0o002 != 0 {
        return Err(format!("every user may write to {part}"));
    }
    if mode & 0o020 != 0 && has_others(metadata.gid(), trusted) {
        return Err(format!("all of group {} may write to {part}", metadata.gid()));
    }
    Ok(())
}

/// Whether others than root and the users of `trusted` are in a group, or nothing is known of it.
fn has_others(gid: u32, trusted: &[u32]) -> bool {
    if system::GROUPS_OF_ROOT.contains(&gid) {
        return false;
    }
    let tables = [fs::read_to_string("/etc/group"), fs::read_to_string("/etc/passwd")];
    let [Ok(groups), Ok(users)] = tables else { return true };
    has_others_in(gid, trusted, &groups, &users)
}

fn has_others_in(gid: u32, trusted: &[u32], groups: &str, users: &str) -> bool {
    let number = |field: &str| field.parse::<u32>().ok();
    let mut lines = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let Some(group) = lines.find(|fields| fields.get(2).and_then(|field| number(field)) == Some(gid)) else {
        return true;
    };
    let members: Vec<&str> = group.get(3).unwrap_or(&"").split(',').filter(|name| !name.is_empty()).collect();
    let mut known = 0;
    for user in users.lines().map(|line| line.split(':').collect::<Vec<_>>()) {
        let [name, _, uid, primary, ..] = user[..] else { continue };
        let member = members.contains(&name);
        known += usize::from(member);
        let is_trusted = number(uid).is_some_and(|uid| uid == 0 || trusted.contains(&uid));
        if (member || number(primary) == Some(gid)) && !is_trusted {
            return true;
        }
    }
    known < members.len()
}

/// The way to a file: each directory from the root on, each link, at last the file itself.
struct Way {
    at: PathBuf,
    rest: VecDeque<OsString>,
    begun: bool,
    links: usize,
}

impl Way {
    fn to(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let mut way = Self { at: "/".into(), rest: VecDeque::new(), begun: false, links: 0 };
        way.go_by(&path);
        Ok(way)
    }

    /// Goes by these parts first.
    fn go_by(&mut self, path: &Path) {
        let parts: Vec<OsString> = path.components().map(|part| part.as_os_str().to_owned()).collect();
        for part in parts.into_iter().rev() {
            self.rest.push_front(part);
        }
    }

    fn step(&mut self) -> io::Result<Option<(PathBuf, fs::Metadata)>> {
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Some((self.at.clone(), fs::symlink_metadata(&self.at)?)));
        }
        while let Some(part) = self.rest.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::Normal(name)) => return self.enter(&name.to_owned()).map(Some),
                Some(Component::ParentDir) => drop(self.at.pop()),
                Some(Component::RootDir) => self.at = "/".into(),
                _ => {}
            }
        }
        Ok(None)
    }

    fn enter(&mut self, name: &OsString) -> io::Result<(PathBuf, fs::Metadata)> {
        let next = self.at.join(name);
        let metadata = fs::symlink_metadata(&next)?;
        if metadata.is_symlink() {
            self.links += 1;
            if self.links > MOST_LINKS {
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
            self.go_by(&fs::read_link(&next)?);
        } else {
            self.at.clone_from(&next);
        }
        Ok((next, metadata))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;
    use crate::machine::platform::is_root;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_others_may_change_anywhere_on_the_way_is_told() {
        let place = tempfile::tempdir().unwrap();
        // SAFETY: geteuid reads a number and cannot fail.
        let trusted = [unsafe { libc::geteuid() }];
        let (directory, link) = (place.path().join("d"), place.path().join("link"));
        let file = directory.join("python");
        fs::create_dir(&directory).unwrap();
        fs::write(&file, "").unwrap();
        symlink("d/../d/python", &link).unwrap();
        for path in [&file, &directory] {
            set_mode(path, 0o755);
        }
        assert_eq!(changed_by_others(&link, &trusted), Ok(()));
        for (path, mode) in [(&file, 0o757), (&directory, 0o757)] {
            set_mode(path, mode);
            for name in [&file, &link] {
                let why = changed_by_others(name, &trusted).unwrap_err();
                assert!(why.starts_with("every user may write to ") && why.contains("/d"), "{why}");
            }
            set_mode(path, 0o755);
        }
        // As in /tmp: others may add files, not replace this one.
        set_mode(&directory, 0o1777);
        assert_eq!(changed_by_others(&link, &trusted), Ok(()));
        assert!(changed_by_others(&place.path().join("none"), &trusted).unwrap_err().contains("cannot be looked at"));
        symlink("loop", place.path().join("loop")).unwrap();
        assert!(changed_by_others(&place.path().join("loop"), &trusted).is_err());
    }

    #[test]
    fn a_file_a_directory_or_a_link_of_somebody_else_is_told() {
        if !is_root() {
            eprintln!("skipped: only root can give files away");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let (directory, link) = (place.path().join("d"), place.path().join("link"));
        let file = directory.join("python");
        fs::create_dir(&directory).unwrap();
        fs::write(&file, "").unwrap();
        symlink(&file, &link).unwrap();
        for path in [&file, &directory, &link] {
            std::os::unix::fs::lchown(path, Some(4711), None).unwrap();
            let why = changed_by_others(&link, &[4712]).unwrap_err();
            assert!(why.contains("belongs to user 4711"), "{why}");
            assert_eq!(changed_by_others(&link, &[4711]), Ok(()));
            std::os::unix::fs::lchown(path, Some(0), None).unwrap();
        }
        // A group that nothing is known of.
        chown(&file, None, Some(4711)).unwrap();
        set_mode(&file, 0o775);
        assert!(changed_by_others(&file, &[]).unwrap_err().contains("all of group 4711 may write to"));
    }

    #[test]
    fn a_group_is_trusted_where_all_of_it_are() {
        let groups = "ada:x:1000:\nstaff:x:50:\nusers:x:100:\nteam:x:2000:ada,bob\nghosts:x:3000:who\n";
        let users = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\nbob:x:1001:100::/:/bin/sh\n";
        let others = |gid| has_others_in(gid, &[1000], groups, users);
        assert!(!others(1000) && !others(50));
        assert!(others(100), "bob's own group");
        assert!(others(2000) && others(3000) && others(4000));
    }

    #[test]
    fn a_command_runs_as_another_user_and_has_no_way_back() {
        if !is_root() {
            eprintln!("skipped: only root can become another user");
            return;
        }
        let mut command = Command::new("sh");
        command.args(["-c", "grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status; id -u"]).current_dir("/");
        run_as(&mut command, &User { uid: 4711, gid: 4712, groups: vec![4713] });
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        let expected = "Uid: 4711 4711 4711 4711 Gid: 4712 4712 4712 4712 Groups: 4713 CapEff: 0000000000000000 4711";
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn root_has_an_account() {
        let root = account(0).unwrap();
        assert!(root.home.is_absolute());
        assert!(groups_of(root.name, 0).contains(&0));
        assert_eq!(account(4_000_000_001), None);
    }
}
