//! Commands as somebody may type them, for fixes and hints.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::machine::interpreter::quoted;
use crate::machine::platform;

/// This command's name, where a shell finds it.
const NAME: &str = "raptors-trace";
/// Where `sudo` looks for a command, whatever the caller's PATH says: sudoers' usual `secure_path`.
const SECURE_PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A command line for root, as the user at hand types it: root as it stands, everybody else through `sudo`.
pub fn as_root(command: &str) -> String {
    let sudo = if platform::is_root() { "" } else { "sudo " };
    format!("{sudo}{command}")
}

/// This command with these arguments, for root. `sudo` does not look into a virtual environment, so that everybody but
/// root is told where the command lies.
pub fn ourselves_as_root(arguments: &str) -> String {
    let name = if platform::is_root() {
        NAME.to_owned()
    } else {
        sudo_finds(std::env::current_exe().ok(), std::env::args_os().next())
    };
    as_root(&format!("{name} {arguments}"))
}

/// What `sudo` takes for this command: its name where the name will do, else its path; where neither is known, the
/// name.
///
/// The plain binary is the program that runs. The console script is run by an interpreter, beside which it lies; its
/// path is the process's zeroth argument, as the program's own would be behind the links of a virtual environment.
fn sudo_finds(program: Option<PathBuf>, zeroth: Option<OsString>) -> String {
    let is_ours = |path: &PathBuf| path.file_name() == Some(OsStr::new(NAME));
    let beside = || {
        let script = PathBuf::from(zeroth?).with_file_name(NAME);
        (script.is_absolute() && script.exists()).then_some(script)
    };
    let Some(path) = program.filter(is_ours).or_else(beside) else {
        return NAME.to_owned();
    };
    let known = |directory: &Path| SECURE_PATH.iter().any(|safe| directory == Path::new(safe));
    if path.parent().is_some_and(known) {
        return NAME.to_owned();
    }
    quoted(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(program: &str, zeroth: &str) -> String {
        sudo_finds(Some(program.into()), Some(zeroth.into()))
    }

    #[test]
    fn a_binary_is_named_by_its_path_unless_sudo_finds_it() {
        assert_eq!(finds("/home/ada/.cargo/bin/raptors-trace", "raptors-trace"), "/home/ada/.cargo/bin/raptors-trace");
        assert_eq!(finds("/usr/local/bin/raptors-trace", "x"), "raptors-trace");
    }

    #[test]
    fn a_console_script_lies_beside_its_interpreter() {
        let directory = tempfile::tempdir().unwrap();
        let python = directory.path().join("python");
        let zeroth = python.to_str().unwrap();
        assert_eq!(finds("/usr/bin/python3.11", zeroth), "raptors-trace");
        let script = directory.path().join("raptors-trace");
        std::fs::write(&script, "").unwrap();
        assert_eq!(finds("/usr/bin/python3.11", zeroth), script.display().to_string());
        assert_eq!(finds("/usr/bin/python3.11", "python"), "raptors-trace");
    }

    #[test]
    fn a_path_is_quoted_for_the_shell() {
        assert_eq!(finds("/home/a b/raptors-trace", ""), "'/home/a b/raptors-trace'");
    }
}
