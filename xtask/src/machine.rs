//! This machine and its tools.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The path of a program, from PATH or the usual directories of tracers.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/opt/dtrace/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let places = more.into_iter().chain(env::split_paths(&path));
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

/// A DTrace that traces. SystemTap's package has a header generator of the same name.
pub fn find_dtrace() -> Option<PathBuf> {
    let program = find_program("dtrace")?;
    let output = Command::new(&program).arg("-V").output().ok()?;
    (output.status.success() && is_dtrace(&String::from_utf8_lossy(&output.stdout))).then_some(program)
}

/// `dtrace: D 2.0.7` on Linux, `dtrace: Sun D 1.13.1` on macOS.
fn is_dtrace(version: &str) -> bool {
    version.starts_with("dtrace: ") && version.contains(" D ")
}

/// Whether Debian's OpenBLAS is installed, in the directory of any architecture.
pub fn has_debian_openblas() -> bool {
    let architectures = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let library = |place: fs::DirEntry| place.path().join("openblas-pthread/libopenblas.so.0");
    architectures.map(library).any(|path| path.exists())
}

/// Whether this runs as root.
pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether this is Linux at all.
pub fn is_linux() -> bool {
    env::consts::OS == "linux"
}

/// Whether apt installs the packages: Debian, Ubuntu and their derivatives.
pub fn is_debian() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|text| names_debian(&text))
}

fn names_debian(os_release: &str) -> bool {
    let values = os_release.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        matches!(key, "ID" | "ID_LIKE").then(|| value.trim_matches('"'))
    });
    values.flat_map(str::split_whitespace).any(|id| matches!(id, "debian" | "ubuntu"))
}

/// Whether a missing tool or right is a failure instead of a skip: root on a CI machine can install everything, so a
/// skip there would hide a missing test.
pub fn has_to_have_everything() -> bool {
    is_ci() && is_linux() && is_root()
}

/// Whether `CI` says that a machine reads the output, not a person.
fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != OsStr::new("false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_kin_are_known() {
        assert!(names_debian("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"));
        assert!(names_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(names_debian("ID=pop\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!names_debian("ID=fedora\nHOME_URL=\"https://debian.example\"\n"));
        assert!(!names_debian(""));
    }

    #[test]
    fn a_dtrace_is_known_by_its_version() {
        assert!(is_dtrace("dtrace: D 2.0.7\n"));
        assert!(is_dtrace("dtrace: Sun D 1.13.1\n"));
        assert!(!is_dtrace("Usage /usr/bin/dtrace [--help] [-h | -G]\n"));
    }

    #[test]
    fn programs_are_found_or_not() {
        assert!(find_program("sh").is_some());
        assert_eq!(find_program("no-such-program"), None);
    }
}
