//! `raptors-trace doctor` on this very machine, and beside programs that are old, odd, silent or not there.
//!

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use raptors_trace::run::doctor::{self, Report};
use raptors_trace::tracers::leftovers;
use serde_json::{Value, json};

const DTRACE_PLACES: [&str; 2] = ["/opt/dtrace/bin/dtrace", "/usr/sbin/dtrace"];
const UPROBE_EVENTS: &str = "/sys/kernel/tracing/uprobe_events";

fn schema_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.schema.json")
}

/// The schema that the types make: every field is required, unknown ones are allowed, as fields may be added.
fn generated() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Report>().to_value();
    schema["$id"] = json!("https://raptors-trace/doctor.schema.json");
    schema["title"] = json!("raptors-trace doctor --json");
    schema["properties"]["schema"]["const"] = json!(doctor::SCHEMA);
    schema
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let now = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(schema_file(), &now).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(schema_file()).unwrap();
    assert!(
        now == expected,
        "fields may be added, never renamed; BLESS=1 writes the schema anew\n{}",
        similar::TextDiff::from_lines(&expected, &now).unified_diff().context_radius(2)
    );
}

fn is_linux() -> bool {
    std::env::consts::OS == "linux"
}

fn is_root() -> bool {
    // SAFETY: geteuid reads a number and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Says why something is not tested; in CI as root on Linux everything has to be there.
fn skip(reason: &str) {
    let has_to_be_there = std::env::var_os("CI").is_some() && is_linux() && is_root();
    assert!(!has_to_be_there, "in CI this must not be missing: {reason}");
    eprintln!("skipped: {reason}");
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raptors-trace"));
    command.arg("doctor").args(args).current_dir(dir).env("XDG_CACHE_HOME", dir);
    for name in ["RAPTORS_TRACE_PYTHON", "RAPTORS_TRACE_HOST_PYTHON", "VIRTUAL_ENV", "COLUMNS", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

/// What `doctor --json` says; it has to be of the schema, and to have examined is no failure.
#[track_caller]
fn report(command: &mut Command) -> Report {
    let output = command.arg("--json").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{:?}: {errors}", output.status);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema_file()).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    serde_json::from_value(value).unwrap()
}

fn program(dir: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A check has to have this outcome and to say this; what is not ok has to have a fix.
#[track_caller]
fn says(report: &Report, name: &str, outcome: doctor::Outcome, words: &str) {
    let check = report.checks.iter().find(|check| check.name == name);
    let check = check.unwrap_or_else(|| panic!("no check {name}"));
    assert_eq!(check.outcome, outcome, "{check:#?}");
    assert!(check.sentence.contains(words), "no {words:?} in {check:#?}");
    let fixed = check.fix.as_ref().is_some_and(|help| !help.is_empty());
    assert!(fixed || outcome == doctor::Outcome::Ok, "{check:#?}");
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

fn dtrace() -> Option<&'static str> {
    DTRACE_PLACES.into_iter().find(|place| Path::new(place).is_file())
}

#[test]
fn this_machine_is_examined_for_real() {
    let dir = tempfile::tempdir().unwrap();
    let report = report(&mut command(dir.path(), &[]));
    assert_eq!(report.os, std::env::consts::OS);
    let mut names: Vec<&str> = report.checks.iter().map(|check| check.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), report.checks.len(), "names are unique");
    assert!(report.verdict.contains("observing in process"), "{}", report.verdict);
    if !is_linux() || !is_root() {
        return skip("tracers are tried as root on Linux only");
    }
    says(&report, "uprobes", doctor::Outcome::Ok, "uprobe_events");
    if on_path("bpftrace") {
        says(&report, "bpftrace", doctor::Outcome::Ok, "it attached a probe");
    } else {
        skip("bpftrace is not installed");
    }
    match dtrace() {
        Some(place) => says(&report, "DTrace", doctor::Outcome::Ok, &format!("at {place}; it ran a probe")),
        None => skip("DTrace is not installed; as root: scripts/install-dtrace"),
    }
}

#[test]
fn tools_that_are_not_there_are_missing_with_the_command_that_installs_them() {
    if !is_linux() {
        return skip("bpftrace and perf are of Linux");
    }
    let dir = tempfile::tempdir().unwrap();
    let report = report(command(dir.path(), &[]).env("PATH", dir.path()));
    says(&report, "bpftrace", doctor::Outcome::Missing, "not on PATH");
    says(&report, "perf", doctor::Outcome::Missing, "not on PATH");
    says(&report, "Python", doctor::Outcome::Missing, "no Python was found");
    let help = |name: &str| report.checks.iter().find(|c| c.name == name).unwrap().fix.clone().unwrap();
    assert!(help("bpftrace").ends_with("apt-get install bpftrace"), "{}", help("bpftrace"));
    assert!(help("perf").ends_with("apt-get install linux-perf"), "{}", help("perf"));
    assert!(report.verdict.starts_with("observing in process could not be checked; bpftrace is not here"));
}

#[test]
fn old_odd_and_wrong_programs_are_told_apart() {
    if !is_linux() {
        return skip("bpftrace and perf are of Linux");
    }
    let dir = tempfile::tempdir().unwrap();
    program(dir.path(), "bpftrace", "#!/bin/sh\necho 'bpftrace v0.16.0'\n");
    program(dir.path(), "perf", "#!/bin/sh\nprintf 'garbage \\033[2J\\n'\n");
    let systemtap =
        "#!/bin/sh\n# SystemTap's dtrace makes headers from lists of probes.\necho 'Usage dtrace [-h | -G]'; exit 1\n";
    program(dir.path(), "dtrace", systemtap);
    program(dir.path(), "python3", "#!/bin/sh\necho 'Python 1.5'\n");
    let report = report(command(dir.path(), &[]).env("PATH", dir.path()));
    says(&report, "bpftrace", doctor::Outcome::Limited, "0.17 or newer is needed");
    says(&report, "perf", doctor::Outcome::Unknown, "does not print its version: garbage \\x1b[2J");
    says(&report, "Python", doctor::Outcome::Unknown, "does not behave like a Python: Python 1.5");
    let own = dir.path().join("dtrace").display().to_string();
    let check = report.checks.iter().find(|check| check.name == "DTrace").unwrap();
    assert!(check.sentence.contains("SystemTap's script of that name, which cannot trace"), "{check:#?}");
    assert_eq!(check.facts.get("systemtap"), Some(&json!(own)));
    assert_ne!(check.facts.get("path"), Some(&json!(own)), "it is taken for DTrace");
    if dtrace().is_none() {
        assert_eq!(check.outcome, doctor::Outcome::Missing, "{check:#?}");
    }
}

#[test]
fn a_tool_that_hangs_does_not_stop_the_doctor() {
    if !is_linux() {
        return skip("bpftrace and perf are of Linux");
    }
    let dir = tempfile::tempdir().unwrap();
    program(dir.path(), "bpftrace", "#!/bin/sh\n/bin/sleep 1000\n");
    program(dir.path(), "perf", "no program at all\n");
    let report = report(command(dir.path(), &[]).env("PATH", dir.path()));
    says(&report, "bpftrace", doctor::Outcome::Unknown, "did not answer within");
    says(&report, "perf", doctor::Outcome::Missing, "cannot be started");
}

#[test]
fn the_table_fits_the_terminal_and_has_no_colour_in_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path(), &[]);
    command.env("PATH", dir.path()).env("COLUMNS", "60").env("LC_ALL", "C");
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|line| line.len() <= 60), "{text}");
    assert!(text.contains("help: ") && text.contains("machine\n"), "{text}");
    assert_eq!(text.lines().next(), Some("rights"));
}

/// A DTrace that has said that it runs; interrupted, so that it tidies up, also where a test fails.
struct Dtrace(Child);

impl Dtrace {
    fn start(path: &str) -> Self {
        let child = Command::new(path)
            .args(["-qn", "BEGIN { printf(\"here\\n\"); }"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut dtrace = Self(child);
        let mut line = String::new();
        // Whatever it prints first, or nothing where it ended; the probes in the kernel are what is looked at.
        let _ = BufReader::new(dtrace.0.stdout.as_mut().unwrap()).read_line(&mut line);
        dtrace
    }

    fn number(&self) -> u32 {
        self.0.id()
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Dtrace {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // SAFETY: kill touches no memory, and the child has not been waited for, so the number is still its own.
            unsafe { libc::kill(self.0.id().cast_signed(), libc::SIGINT) };
            let _ = self.0.wait();
        }
    }
}

/// The probes in the kernel of the DTrace with this number.
fn probes_of(number: u32) -> Vec<String> {
    let list = std::fs::read_to_string(UPROBE_EVENTS).unwrap();
    let of = format!("dt_{number}_");
    let names = list.lines().filter_map(|line| line.split_once(':')?.1.split(' ').next());
    names.filter(|name| name.starts_with(&of)).map(str::to_owned).collect()
}

#[test]
fn what_a_killed_dtrace_left_is_removed_and_a_running_one_keeps_its_probes() {
    if !is_linux() || !is_root() {
        return skip("probes are removed as root on Linux only");
    }
    let Some(path) = dtrace() else {
        return skip("DTrace is not installed; as root: scripts/install-dtrace");
    };
    let (mut killed, running) = (Dtrace::start(path), Dtrace::start(path));
    let (dead, living) = (killed.number(), running.number());
    killed.kill();
    let (left, used) = (probes_of(dead), probes_of(living));
    assert!(!left.is_empty() && !used.is_empty(), "left {left:?}, used {used:?}");

    // The kernel's own guard, which the last of the rules for removal relies on.
    let mut list = std::fs::OpenOptions::new().append(true).open(UPROBE_EVENTS).unwrap();
    let refusal = std::io::Write::write_all(&mut list, format!("-:{}\n", used[0]).as_bytes());
    assert_eq!(refusal.unwrap_err().raw_os_error(), Some(libc::EBUSY));

    let dir = tempfile::tempdir().unwrap();
    let report = report(&mut command(dir.path(), &["--clean"]));
    let cleaned = report.cleaned.unwrap();
    assert!(left.iter().all(|probe| cleaned.removed.contains(probe)), "{left:?} in {cleaned:#?}");
    let kept = |probe: &String| cleaned.kept.iter().any(|kept| kept.probe == *probe && kept.why.contains("running"));
    assert!(used.iter().all(kept), "{used:?} in {cleaned:#?}");
    assert_eq!((probes_of(dead), probes_of(living)), (Vec::new(), used.clone()));

    let own = leftovers::clean(Some(living)).unwrap();
    assert_eq!((own.removed.len(), own.kept.len()), (0, used.len()), "{own:#?}");
    drop(running);
    assert_eq!(probes_of(living), Vec::<String>::new(), "DTrace removes its own at its end");
}
