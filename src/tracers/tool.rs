//! What each tool needs, and how it is found, armed, followed and ended: one description for each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::machine::ask::{SHORT, ask};
use crate::machine::command::ourselves_as_root;
use crate::machine::platform::{self, System};
use crate::model::error::{Error, Exit};
pub use crate::model::tool::Tool;

/// A tool, described.
///
/// | | armed | its output | its losses | ended |
/// |---|---|---|---|---|
/// | bpftrace | breakpoints in the process | maps, at its end | in both outputs | SIGINT, again if it waits |
/// | DTrace | the same; a script: a line | aggregations, at its end | standard error | SIGINT, again if it waits |
/// | perf | it answers on a pipe | `perf.data`, read by `perf script` | standard error of `perf script` | SIGINT |
/// | sample | never | a report in a file | it tells none | by itself |
/// | Instruments | never | a recording, exported as XML | it tells none | by itself, earlier by SIGINT |
#[derive(Debug)]
pub struct Description {
    /// Its program.
    program: &'static str,
    /// Where it is looked for before `PATH`.
    pub places: &'static [&'static str],
    /// The systems it runs on; all where there is none.
    systems: &'static [System],
    /// The argument that prints its version; none where the version does not matter.
    asks_version: Option<&'static str>,
    /// What its version has to hold, as SystemTap has a program named `dtrace`, which makes headers and traces nothing.
    says: &'static str,
    /// The oldest version whose programs are like ours.
    pub oldest: Option<(u32, u32)>,
    /// Why it cannot be used, where it is not found.
    missing: &'static str,
    /// How to get it.
    install: &'static str,
    /// Whether it sees other processes for root only. perf's rights are the kernel's settings: `stacks::perf::check`.
    pub needs_root: bool,
    /// How long it may take until it is armed.
    pub arm_patience: Duration,
    /// How long it may take to end.
    pub end_patience: Duration,
    /// How much longer, for each function that it watches.
    pub end_patience_each: Duration,
    /// It ends its wait for events when a signal interrupts it and goes on to wait where the signal came just before
    /// (bpftrace 0.17), so it gets another one while it only waits.
    pub interrupted_again: bool,
    /// It fails where it ends by a signal or with a failure. perf ends by the signal that it was sent.
    pub ends_well: bool,
    /// Killed, it leaves probes in the kernel.
    pub leaves_probes: bool,
}

const NOTHING: Description = Description {
    program: "",
    places: &[],
    systems: &[],
    asks_version: None,
    says: "",
    oldest: None,
    missing: "",
    install: "",
    needs_root: false,
    arm_patience: Duration::from_secs(30),
    end_patience: Duration::from_secs(60),
    end_patience_each: Duration::ZERO,
    interrupted_again: false,
    ends_well: false,
    leaves_probes: false,
};

const BPFTRACE: Description = Description {
    program: "bpftrace",
    asks_version: Some("--version"),
    oldest: Some((0, 17)),
    missing: "bpftrace is not installed",
    install: "apt-get install bpftrace",
    needs_root: true,
    arm_patience: Duration::from_secs(90),
    // It takes 0.2 s to withdraw from one function, several times that on a busy machine.
    end_patience_each: Duration::from_secs(1),
    interrupted_again: true,
    ends_well: true,
    ..NOTHING
};

const DTRACE: Description = Description {
    program: "dtrace",
    // Where `scripts/install-dtrace` puts it, and where systems do that do not have it on everybody's `PATH`.
    places: &["/opt/dtrace/bin/dtrace", "/usr/sbin/dtrace"],
    asks_version: Some("-V"),
    says: " D ",
    missing: "DTrace is not installed",
    install: "as root: scripts/install-dtrace, or `apt-get install dtrace` where Debian packages it",
    needs_root: true,
    // It starts in about 5 s; with a hundred probes on a busy machine in several times that.
    arm_patience: Duration::from_secs(90),
    // It takes 0.26 s to withdraw from one function.
    end_patience_each: Duration::from_secs(1),
    interrupted_again: true,
    ends_well: true,
    leaves_probes: true,
    ..NOTHING
};

const PERF: Description = Description {
    program: "perf",
    missing: "perf is not installed",
    install: "apt-get install linux-perf",
    // It opens one event for each thread and core, on a busy machine in a second or two, and writes what it holds at
    // its end.
    ..NOTHING
};

const SAMPLE: Description = Description {
    program: "sample",
    places: &["/usr/bin/sample"],
    systems: &[System::MacOs],
    missing: "sample is a tool of macOS",
    install: "leave --engine out, or give --engine dtrace",
    ..NOTHING
};

const INSTRUMENTS: Description = Description {
    program: "xcrun",
    missing: "xcrun is not installed",
    install: "Instruments comes with Xcode, on macOS only",
    ..NOTHING
};

/// What is known of a tool.
pub const fn describe(tool: Tool) -> &'static Description {
    match tool {
        Tool::Bpftrace => &BPFTRACE,
        Tool::Dtrace => &DTRACE,
        Tool::Perf => &PERF,
        Tool::Sample => &SAMPLE,
        Tool::Instruments => &INSTRUMENTS,
    }
}

/// A tool's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Which tool it is of.
    pub tool: Tool,
    /// The file to start.
    pub path: PathBuf,
    /// The version it prints; empty where the version does not matter.
    pub version: String,
}

/// Finds a tool that can be used.
///
/// # Errors
/// When there is none, or only one that is too old: nothing can be observed.
pub fn find(tool: Tool) -> Result<Program, Error> {
    let about = describe(tool);
    let found = about.candidates().into_iter().find_map(|path| examine(tool, path));
    let refused = |error: Error| Err(error.exit(Exit::NothingObserved));
    let Some(program) = found else {
        return refused(Error::new(about.missing).help(about.install));
    };
    match (about.oldest, version_of(&program.version)) {
        (Some((major, minor)), Some(version)) if version < (major, minor) => {
            let sentence = format!("{} is too old: {}", program.path.display(), program.version);
            refused(Error::new(sentence).help(format!("install {tool} {major}.{minor} or later")))
        }
        _ => Ok(program),
    }
}

/// Finds a tool, and checks that this user may look with it at process `pid`; `command` is this command's line for it.
///
/// # Errors
/// What [`find`] says, which comes first: who has no tool needs that before any rights. That it needs root.
pub fn find_for(tool: Tool, pid: u32, command: &str) -> Result<Program, Error> {
    let program = find(tool)?;
    if describe(tool).needs_root && !platform::is_root() {
        let sentence = format!("{tool} needs root to watch process {pid}");
        return Err(Error::new(sentence).help(ourselves_as_root(command)).exit(Exit::NothingObserved));
    }
    Ok(program)
}

impl Description {
    fn candidates(&self) -> Vec<PathBuf> {
        if !self.systems.is_empty() && !self.systems.contains(&platform::SYSTEM) {
            return Vec::new();
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).map(|dir| dir.join(self.program));
        let all = self.places.iter().map(PathBuf::from).chain(on_path);
        all.filter(|path| path.is_file()).collect()
    }
}

fn examine(tool: Tool, path: PathBuf) -> Option<Program> {
    let about = describe(tool);
    let Some(argument) = about.asks_version else {
        return Some(Program { tool, path, version: String::new() });
    };
    let answer = ask(&path, &[argument], SHORT).ok()?;
    let text = answer.output + &answer.errors;
    let version = text.lines().find(|line| !line.trim().is_empty())?.trim().to_owned();
    (answer.status.success() && version.contains(about.says)).then_some(Program { tool, path, version })
}

/// The numbers of `bpftrace v0.17.0`.
pub fn version_of(text: &str) -> Option<(u32, u32)> {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').find(|part| part.contains('.'))?;
    let mut parts = numbers.split('.').map_while(|part| part.parse().ok());
    Some((parts.next()?, parts.next()?))
}

/// Checks that a process can be looked at.
///
/// # Errors
/// One sentence: it is not there, or belongs to somebody else.
pub fn check_process(pid: u32) -> Result<(), Error> {
    match platform::reach(pid) {
        platform::Reach::Ours => Ok(()),
        platform::Reach::Gone => {
            Err(Error::new(format!("there is no process {pid}")).help("look it up: pgrep -af python"))
        }
        platform::Reach::Foreign => Err(Error::new(format!("process {pid} belongs to another user"))
            .help(format!("run this as root: {}", ourselves_as_root(&format!("attach {pid}"))))),
    }
}

/// bpftrace and DTrace know a process by the number that it has in the outermost PID namespace (bpftrace until 0.21,
/// DTrace
/// 2.0.7; bpftrace 0.22 to 0.24 take the numbers of processes and threads for each other). From inside another one that
/// number cannot be told, and every call would be taken for another process's.
///
/// # Errors
/// From inside of a container.
pub fn check_numbers(tool: Tool, pid: u32) -> Result<(), Error> {
    if !platform::tracing::in_container() {
        return Ok(());
    }
    Err(Error::new(format!(
        "{tool} knows process {pid} by the number it has outside of this container, which cannot be told from inside"
    ))
    .help("run raptors-trace outside of the container, or start that with the machine's PID namespace (--pid=host)")
    .exit(Exit::NothingObserved))
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

    #[test]
    fn a_process_that_is_gone_is_one_sentence() {
        let error = check_process(u32::MAX / 2).unwrap_err();
        assert_eq!(error.to_string(), "there is no process 2147483647");
        assert!(check_process(std::process::id()).is_ok());
    }

    #[test]
    fn a_tool_of_another_system_is_not_looked_for() {
        if platform::SYSTEM == System::MacOs {
            return;
        }
        let error = find(Tool::Sample).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            ("sample is a tool of macOS", Exit::NothingObserved)
        );
    }
}
