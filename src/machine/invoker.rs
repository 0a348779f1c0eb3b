//! The user who had root run this command, by `sudo`: what is asked, measured and left behind is theirs.

use std::ffi::OsStr;
use std::process::Command;

use crate::machine::platform::users::{self, User};
use crate::machine::platform::{self, is_root};

/// The user who runs this command as root through sudo; `None` without sudo, and where that is root too.
pub fn invoker() -> Option<User> {
    let number = |name| number(std::env::var_os(name).as_deref());
    let (uid, gid) = is_root().then(|| Some((number("SUDO_UID")?, number("SUDO_GID")?))).flatten()?;
    if uid == 0 {
        return None;
    }
    let groups = users::account(uid).map_or_else(|| vec![gid], |account| users::groups_of(account.name, gid));
    Some(User { uid, gid, groups })
}

fn number(text: Option<&OsStr>) -> Option<u32> {
    // The greatest number means "leave it".
    text?.to_str()?.parse().ok().filter(|&id| id != u32::MAX)
}

/// Has a command run as the user who invoked sudo, in their home and without root's terminal; without sudo it runs as
/// this command does. What is set for the environment of `command` afterwards stays.
pub fn run_as_invoker(command: &mut Command) {
    let Some(user) = invoker() else { return };
    platform::without_terminal(command);
    users::run_as(command, &user);
    // sudo has set these to root's, or not at all.
    if let Some(account) = users::account(user.uid) {
        command.env("HOME", account.home).env("USER", &account.name).env("LOGNAME", &account.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_users() {
        assert_eq!(number(Some("1000".as_ref())), Some(1000));
        for text in ["", "-1", "root", "4294967295", "4294967296"] {
            assert_eq!(number(Some(text.as_ref())), None, "{text}");
        }
    }
}
