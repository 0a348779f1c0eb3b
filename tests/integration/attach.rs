//! Who may look into which process: the command run as another user, on a process of theirs and on one of ours.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

const NOBODY: u32 = 65534;

/// The command where every user can run it; `None`, with the reason printed, without root.
fn for_everybody(directory: &tempfile::TempDir) -> Option<PathBuf> {
    // SAFETY: geteuid reads a number.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: only root can run the command as another user");
        return None;
    }
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let copy = directory.path().join("raptors-trace");
    std::fs::copy(env!("CARGO_BIN_EXE_raptors-trace"), &copy).unwrap();
    Some(copy)
}

fn as_nobody(program: &PathBuf, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).uid(NOBODY).gid(NOBODY).current_dir("/").output().unwrap()
}

struct Sleeper(Child);

impl Sleeper {
    fn of(user: u32) -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").uid(user).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_process_of_another_user_is_one_sentence_with_the_fix() {
    let directory = tempfile::tempdir().unwrap();
    let Some(command) = for_everybody(&directory) else {
        return;
    };
    let ours = Sleeper::of(0);
    for line in [vec!["attach", &ours.pid()], vec!["calls", "--pid", &ours.pid()]] {
        let output = as_nobody(&command, &line);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let sentence = format!("error: process {} belongs to another user\n", ours.pid());
        assert!(told.starts_with(&sentence), "{told}");
        let help = format!("sudo {} attach {}", command.display(), ours.pid());
        assert!(told.contains(&help), "{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }
}

#[test]
fn a_process_of_ones_own_needs_a_tracer_with_rights() {
    let directory = tempfile::tempdir().unwrap();
    let Some(command) = for_everybody(&directory) else {
        return;
    };
    let theirs = Sleeper::of(NOBODY);
    let output = as_nobody(&command, &["calls", "--pid", &theirs.pid()]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    let no_tool = told.starts_with("error: bpftrace is not installed");
    let no_right = told.starts_with("error: bpftrace needs root to watch process")
        && told.contains(&format!("sudo {} calls --pid {}", command.display(), theirs.pid()));
    assert!(no_tool || no_right, "{told}");
}

#[test]
fn a_process_without_anything_to_watch_says_so() {
    let ours = Sleeper::of(own_user());
    let output = Command::new(env!("CARGO_BIN_EXE_raptors-trace"))
        .args(["calls", "--pid", &ours.pid(), "--duration", "0.2"])
        .output()
        .unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(output.stdout.is_empty());
    let reasons = ["has loaded no library", "is not installed", "needs root"];
    assert!(reasons.iter().any(|reason| told.contains(reason)), "{told}");
}

fn own_user() -> u32 {
    // SAFETY: getuid reads a number.
    unsafe { libc::getuid() }
}
