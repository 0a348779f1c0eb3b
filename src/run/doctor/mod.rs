//! Checks what works on this machine and how to fix what doesn't.
//!
//! Each check is one function that tests the real thing: it reads the kernel's settings, or starts the program and lets
//! it do its smallest piece of work. The checks change nothing.

mod dtrace;
mod leftovers;
mod machine;
mod macos;
mod python;
mod rights;
mod tracers;
mod verdict;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::ask;
use crate::machine::command::as_root;
use crate::machine::interpreter::Host;
use crate::machine::interpreter::Surroundings;
use crate::machine::platform::{self, System, tracing};
use crate::model::error::Error;
use crate::model::progress::Progress;
use crate::tracers::leftovers::Cleaned;

pub use verdict::Ability;

/// The name of the layout of `doctor --json`.
pub const SCHEMA: &str = "raptors-trace/doctor/1";

/// The options.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Remove the probes that a killed tracer left in the kernel.
    pub clean: bool,
    /// The interpreter from `--python`.
    pub python: Option<PathBuf>,
    /// What started the command.
    pub host: Host,
}

/// The outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It works.
    Ok,
    /// It works in part, or it makes measurements worse.
    Limited,
    /// It is absent, or it is installed and does not work.
    Missing,
    /// This machine has no such thing, and nothing suffers from it.
    NotApplicable,
    /// The check could not find out.
    Unknown,
}

/// The subject of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The rights that the kernel gives this user.
    Rights,
    /// The tracing programs, and the kernel's features that they need.
    Tracers,
    /// The interpreter, NumPy and its BLAS.
    Python,
    /// The properties of the machine that change measured times.
    Machine,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its group.
    pub group: Group,
    /// Its permanent name.
    pub name: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// The fact, for a person.
    pub sentence: String,
    /// The fix, usually a command to type; null if nothing needs fixing or nothing can be done.
    pub fix: Option<String>,
    /// The facts for a script: versions, paths, settings as they were read.
    pub facts: BTreeMap<String, Value>,
}

/// All checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The layout of this document: `raptors-trace/doctor/1`.
    pub schema: String,
    /// The operating system: `linux`, `macos`.
    pub os: String,
    /// The processor's architecture: `x86_64`, `aarch64`.
    pub arch: String,
    /// Name and version of the kernel.
    pub kernel: String,
    /// Every check for this operating system; after `--clean` only the one of left-over probes.
    pub checks: Vec<Check>,
    /// The abilities to observe, and their tools; empty after `--clean`.
    pub abilities: Vec<Ability>,
    /// The result of `--clean`; null without it.
    pub cleaned: Option<Cleaned>,
    /// A summary in one line.
    pub verdict: String,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq)]
struct Finding {
    outcome: Outcome,
    sentence: String,
    help: Option<String>,
    facts: BTreeMap<String, Value>,
    /// The short form for the verdict, after the name: `needs root`.
    short: Option<String>,
}

impl Finding {
    fn new(outcome: Outcome, sentence: impl Into<String>) -> Self {
        Self { outcome, sentence: sentence.into(), help: None, facts: BTreeMap::new(), short: None }
    }

    fn ok(sentence: impl Into<String>) -> Self {
        Self::new(Outcome::Ok, sentence)
    }

    fn not_applicable(sentence: impl Into<String>) -> Self {
        Self::new(Outcome::NotApplicable, sentence)
    }

    fn limited(sentence: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Outcome::Limited, sentence).help(help)
    }

    fn missing(sentence: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Outcome::Missing, sentence).help(help)
    }

    fn unknown(sentence: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, sentence).help(help)
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    fn short(mut self, short: impl Into<String>) -> Self {
        self.short = Some(short.into());
        self
    }
}

/// The data that checks share, each looked up once.
struct Patient {
    surroundings: Surroundings,
    /// Effective user 0.
    root: bool,
    capabilities: Option<u64>,
    /// Measured before anything is started that would itself be other load.
    load: machine::Load,
    python: OnceCell<python::Asked>,
}

impl Patient {
    fn new(options: &Options) -> Self {
        Self {
            surroundings: Surroundings::collect(options.python.clone(), options.host.python.clone()),
            root: tracing::user() == 0,
            capabilities: tracing::capabilities(),
            load: machine::Load::measure(),
            python: OnceCell::new(),
        }
    }

    /// Whether this process has a capability.
    fn may(&self, capability: u32) -> bool {
        self.capabilities.map_or(self.root, |all| all >> capability & 1 == 1)
    }

    /// A program on `PATH`.
    fn on_path(&self, name: &str) -> Option<PathBuf> {
        let places = self.surroundings.path.iter().map(|dir| dir.join(name));
        places.into_iter().find(|path| ask::can_run(path))
    }

    /// The command that installs a package with the present package manager, else with Debian's.
    fn install(&self, package: &str) -> String {
        let managers = [
            ("apt-get", "apt-get install"),
            ("dnf", "dnf install"),
            ("zypper", "zypper install"),
            ("pacman", "pacman -S"),
            ("apk", "apk add"),
            ("brew", "brew install"),
        ];
        let here = managers.iter().find(|(name, _)| self.on_path(name).is_some());
        let (_, command) = here.unwrap_or(&managers[0]);
        let package = match (package, *command) {
            ("perf", "apt-get install") => "linux-perf",
            (package, _) => package,
        };
        match *command {
            "brew install" => format!("{command} {package}"),
            command => as_root(&format!("{command} {package}")),
        }
    }
}

/// One check: its group, its systems, and its function.
struct Examination {
    group: Group,
    name: &'static str,
    systems: &'static [System],
    examine: fn(&Patient) -> Finding,
}

const EVERYWHERE: &[System] = &[System::Linux, System::MacOs, System::Other];
const LINUX: &[System] = &[System::Linux];
const MACOS: &[System] = &[System::MacOs];

const fn on(
    systems: &'static [System],
    group: Group,
    name: &'static str,
    examine: fn(&Patient) -> Finding,
) -> Examination {
    Examination { group, name, systems, examine }
}

/// All checks in the order of the output; their names are part of the promise of `--json`.
const EXAMINATIONS: &[Examination] = &[
    on(EVERYWHERE, Group::Rights, "user", rights::user),
    on(LINUX, Group::Rights, "perf_event_paranoid", rights::perf_event_paranoid),
    on(LINUX, Group::Rights, "ptrace_scope", rights::ptrace_scope),
    on(LINUX, Group::Rights, "kptr_restrict", rights::kptr_restrict),
    on(LINUX, Group::Rights, "lockdown", rights::lockdown),
    on(MACOS, Group::Rights, "SIP", macos::integrity_protection),
    on(MACOS, Group::Rights, "developer mode", macos::developer_mode),
    on(LINUX, Group::Tracers, "tracefs", tracers::tracefs),
    on(LINUX, Group::Tracers, "debugfs", tracers::debugfs),
    on(LINUX, Group::Tracers, "uprobes", tracers::uprobes),
    on(LINUX, Group::Tracers, "BTF", tracers::type_information),
    on(LINUX, Group::Tracers, "left-over probes", leftovers::check),
    on(LINUX, Group::Tracers, "bpftrace", tracers::bpftrace),
    on(EVERYWHERE, Group::Tracers, "DTrace", dtrace::check),
    on(LINUX, Group::Tracers, "perf", tracers::perf),
    on(LINUX, Group::Tracers, "hardware counters", tracers::hardware_counters),
    on(MACOS, Group::Tracers, "xctrace", macos::xctrace),
    on(EVERYWHERE, Group::Python, "Python", python::interpreter),
    on(EVERYWHERE, Group::Python, "NumPy", python::numpy),
    on(EVERYWHERE, Group::Python, "raptors_trace", python::raptors_trace),
    on(EVERYWHERE, Group::Python, "BLAS", python::blas),
    on(LINUX, Group::Python, "symbols", python::symbols),
    on(LINUX, Group::Python, "file layout", python::file_layout),
    on(LINUX, Group::Python, "USDT probes", python::usdt),
    on(EVERYWHERE, Group::Machine, "cores", machine::cores),
    on(EVERYWHERE, Group::Machine, "virtual machine", machine::virtual_machine),
    on(LINUX, Group::Machine, "frequency governor", machine::governor),
    on(LINUX, Group::Machine, "turbo", machine::turbo),
    on(LINUX, Group::Machine, "huge pages", machine::huge_pages),
    on(EVERYWHERE, Group::Machine, "other load", machine::other_load),
    on(EVERYWHERE, Group::Machine, "memory", machine::memory),
    on(EVERYWHERE, Group::Machine, "memory limit", machine::memory_limit),
    on(EVERYWHERE, Group::Machine, "temporary files", machine::temporary_files),
];

/// Runs every check for this system. Takes seconds, because tracers are really started.
pub fn examine(options: &Options, progress: &mut dyn Progress) -> Report {
    progress.update(0.0, "other load");
    let patient = Patient::new(options);
    let here: Vec<&Examination> =
        EXAMINATIONS.iter().filter(|examination| examination.systems.contains(&platform::SYSTEM)).collect();
    let mut found = Vec::new();
    for (i, examination) in here.iter().enumerate() {
        progress.update(i as f64 / here.len() as f64, examination.name);
        found.push((*examination, (examination.examine)(&patient)));
    }
    let abilities = verdict::abilities(&found);
    let verdict = verdict::sentence(&abilities);
    Report {
        checks: found.into_iter().map(|(what, finding)| check(what, finding)).collect(),
        abilities,
        verdict,
        ..blank()
    }
}

/// Removes the probes that killed tracers left in the kernel; returns the removed and the remaining ones.
///
/// # Errors
/// A probe that could not be removed, usually for lack of rights.
pub fn clean() -> Result<Report, Error> {
    let cleaned = crate::tracers::leftovers::clean(None)?;
    let verdict = cleaned.to_string();
    let checks = EXAMINATIONS
        .iter()
        .filter(|what| what.group == Group::Tracers && what.name == "left-over probes")
        .filter(|what| what.systems.contains(&platform::SYSTEM))
        .map(|what| check(what, leftovers::look()))
        .collect();
    Ok(Report { checks, verdict, cleaned: Some(cleaned), ..blank() })
}

pub(crate) fn blank() -> Report {
    Report {
        schema: SCHEMA.to_owned(),
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        kernel: platform::kernel(),
        checks: Vec::new(),
        abilities: Vec::new(),
        cleaned: None,
        verdict: String::new(),
    }
}

fn check(what: &Examination, finding: Finding) -> Check {
    Check {
        group: what.group,
        name: what.name.to_owned(),
        outcome: finding.outcome,
        sentence: finding.sentence,
        fix: finding.help,
        facts: finding.facts,
    }
}
