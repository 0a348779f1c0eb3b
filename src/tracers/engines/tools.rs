//! Where the tracers are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Tracer;
use crate::model::error::Error;

/// Where `scripts/install-dtrace` puts DTrace, and where systems do that do not have it on everybody's `PATH`.
const DTRACE_PLACES: [&str; 2] = ["/opt/dtrace/bin/dtrace", "/usr/sbin/dtrace"];
/// Oldest bpftrace whose programs are like ours.
const OLDEST_BPFTRACE: (u32, u32) = (0, 17);

/// A tracer's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Which one it is.
    pub tracer: Tracer,
    /// The file to start.
    pub path: PathBuf,
    /// What it says of itself.
    pub version: String,
}

/// Finds a tracer that can be used.
///
/// # Errors
/// When there is none, or only one that is too old.
pub fn find(tracer: Tracer) -> Result<Tool, Error> {
    let candidates = candidates(tracer);
    match tracer {
        Tracer::Bpftrace => {
            let tool = candidates.into_iter().find_map(|path| ask(tracer, path, "--version"));
            let tool = tool.ok_or_else(|| Error::new("bpftrace is not installed").help("apt-get install bpftrace"))?;
            match version_of(&tool.version) {
                Some(version) if version < OLDEST_BPFTRACE => {
                    Err(Error::new(format!("{} is too old: {}", tool.path.display(), tool.version))
                        .help("install bpftrace 0.17 or later"))
                }
                _ => Ok(tool),
            }
        }
        // SystemTap brings a program of the same name, which makes header files and traces nothing.
        Tracer::Dtrace => candidates
            .into_iter()
            .filter_map(|path| ask(tracer, path, "-V"))
            .find(|tool| tool.version.contains(" D "))
            .ok_or_else(|| {
                Error::new("DTrace is not installed")
                    .help("as root: scripts/install-dtrace, or `apt-get install dtrace` where Debian packages it")
            }),
    }
}

/// Whether a program is on `PATH`.
pub fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

fn candidates(tracer: Tracer) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|dir| dir.join(tracer.as_str()));
    let places: &[&str] = match tracer {
        Tracer::Bpftrace => &[],
        Tracer::Dtrace => &DTRACE_PLACES,
    };
    let all = places.iter().map(PathBuf::from).chain(on_path);
    all.filter(|path| path.is_file()).collect()
}

fn ask(tracer: Tracer, path: PathBuf, argument: &str) -> Option<Tool> {
    let output = Command::new(&path).arg(argument).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let version = text.lines().find(|line| !line.trim().is_empty())?.trim().to_owned();
    output.status.success().then_some(Tool { tracer, path, version })
}

/// The numbers of `bpftrace v0.17.0`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').find(|part| part.contains('.'))?;
    let mut parts = numbers.split('.').map_while(|part| part.parse().ok());
    Some((parts.next()?, parts.next()?))
}

/// The name of a file's own, for sentences.
pub fn short(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version_of("bpftrace v0.17.0"), Some((0, 17)));
        assert_eq!(version_of("bpftrace v0.23.5-dirty"), Some((0, 23)));
        assert_eq!(version_of("bpftrace"), None);
    }
}
