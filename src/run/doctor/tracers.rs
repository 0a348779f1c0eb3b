//! bpftrace and perf, and the kernel's features that tracers need.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::{Finding, Patient};
use crate::machine::ask::{self, Silence, ask};
use crate::machine::command::{as_root, ourselves_as_root};
use crate::machine::platform::tracing;
use crate::tracers::tool::{Tool, describe};

/// It compiles and attaches one probe: a second or two, many times that on a busy machine.
const SMOKE: Duration = Duration::from_secs(60);

/// Whether tracefs is mounted.
pub fn tracefs(_: &Patient) -> Finding {
    match tracing::mounted("tracefs").first() {
        Some(place) => at(place),
        None if !tracing::knows_file_system("tracefs") => Finding::missing(
            "this kernel has no tracefs, so nothing can be traced",
            "start a kernel with CONFIG_FTRACE=y and CONFIG_UPROBE_EVENTS=y",
        ),
        None => Finding::missing(
            "tracefs is not mounted, so no tracer can list or create probes",
            as_root("mount -t tracefs tracefs /sys/kernel/tracing"),
        ),
    }
}

/// Whether debugfs is mounted, below which DTrace looks for tracefs.
pub fn debugfs(_: &Patient) -> Finding {
    match tracing::mounted("debugfs").first() {
        Some(place) => at(place),
        None => Finding::limited(
            "debugfs is not mounted, and DTrace looks for tracefs below it",
            as_root("mount -t debugfs debugfs /sys/kernel/debug"),
        ),
    }
}

fn at(place: &Path) -> Finding {
    let place = place.display().to_string();
    Finding::ok(format!("mounted at {}", ask::quote(&place))).fact("path", place)
}

/// Whether the kernel has uprobes, shown by the file that lists them.
pub fn uprobes(_: &Patient) -> Finding {
    match tracing::probe_lists() {
        Ok(lists) => match lists.iter().find(|list| list.ends_with("uprobe_events")) {
            Some(list) => Finding::ok(format!("the kernel has them: {}", list.display())),
            None => Finding::missing(
                "this kernel has no uprobes, which every tracer needs",
                "start a kernel with CONFIG_UPROBE_EVENTS=y",
            ),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Finding::unknown(
            "tracefs, which has the answer, is not mounted",
            as_root("mount -t tracefs tracefs /sys/kernel/tracing"),
        ),
        Err(error) => Finding::unknown(
            format!("tracefs, which has the answer, cannot be read: {error}"),
            ourselves_as_root("doctor"),
        ),
    }
}

/// Whether the kernel contains its own type information.
pub fn type_information(_: &Patient) -> Finding {
    match tracing::type_information() {
        Some(bytes) => {
            let size = crate::model::units::bytes(bytes as f64);
            Finding::ok(format!("the kernel contains its types ({size})")).fact("bytes", bytes)
        }
        None => Finding::limited(
            "the kernel does not contain its types, which DTrace and parts of bpftrace need",
            "start a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build it",
        ),
    }
}

/// Whether bpftrace is installed, recent enough, and attaches a probe.
pub fn bpftrace(patient: &Patient) -> Finding {
    let Some(path) = patient.on_path("bpftrace") else {
        return Finding::missing("not on PATH", patient.install("bpftrace")).short("is not here");
    };
    let shown = ask::quote(&path.display().to_string());
    let oldest = describe(Tool::Bpftrace).oldest.unwrap_or_default();
    let finding = match version_of(&path, &["--version"]) {
        Err(finding) => finding,
        Ok(version) if ask::major_minor(&version) < oldest => {
            let (major, minor) = oldest;
            let sentence = format!("{version} at {shown}; {major}.{minor} or newer is needed");
            Finding::limited(sentence, patient.install("bpftrace"))
                .short(format!("is too old ({version})"))
                .fact("version", version)
        }
        Ok(version) if !patient.root => {
            let sentence = format!("{version} at {shown}; it needs root to attach");
            Finding::limited(sentence, ourselves_as_root("doctor")).short("needs root").fact("version", version)
        }
        Ok(version) => attaches(&path, &version).fact("version", version),
    };
    finding.fact("path", path.display().to_string())
}

/// Lets bpftrace attach the probe at its own beginning, which is a uprobe as well.
fn attaches(path: &Path, version: &str) -> Finding {
    let shown = ask::quote(&path.display().to_string());
    let again = format!("run it to see its output: {shown} -e 'BEGIN {{ exit() }}'");
    match ask(path, &["-e", "BEGIN { exit() }"], SMOKE) {
        Ok(answer) if answer.status.success() => Finding::ok(format!("{version} at {shown}; it attached a probe")),
        Ok(answer) => Finding::missing(format!("{version} at {shown} attaches nothing: {}", answer.said()), again)
            .short("does not work"),
        Err(silence) => Finding::unknown(
            format!("{version} at {shown}; when asked to attach a probe, it {}", silence.sentence()),
            again,
        )
        .short("did not answer"),
    }
}

/// A program's version, or the finding if it prints none.
pub(super) fn version_of(path: &Path, args: &[&str]) -> Result<String, Finding> {
    let shown = ask::quote(&path.display().to_string());
    let again = format!("run it to see its output: {shown} {}", args.join(" "));
    match ask(path, args, ask::SHORT) {
        Err(silence @ Silence::Hung(..)) => {
            Err(Finding::unknown(format!("{shown} {}", silence.sentence()), again).short("did not answer"))
        }
        Err(silence) => Err(Finding::missing(format!("{shown} {}", silence.sentence()), again).short("does not start")),
        Ok(answer) => ask::version_in(&answer.output).ok_or_else(|| {
            Finding::unknown(format!("{shown} does not print its version: {}", answer.said()), again)
                .short("is of an unknown version")
        }),
    }
}

/// Whether perf is installed and samples by the clock.
pub fn perf(patient: &Patient) -> Finding {
    let Some(path) = patient.on_path("perf") else {
        return Finding::missing("not on PATH", patient.install("perf")).short("is not here");
    };
    let version = match version_of(&path, &["--version"]) {
        Err(finding) => return finding,
        Ok(version) => version,
    };
    let shown = ask::quote(&path.display().to_string());
    let again = format!("run it to see its output: {shown} stat -e cpu-clock true");
    let finding = match ask(&path, &["stat", "-x", ",", "-e", "cpu-clock", "true"], ask::SHORT) {
        Ok(answer) if counted(&answer.errors, "cpu-clock") => {
            Finding::ok(format!("{version} at {shown}; it measured cpu-clock"))
        }
        Ok(answer) => Finding::missing(format!("{version} at {shown} measures nothing: {}", answer.said()), again)
            .short("does not work"),
        Err(silence) => {
            Finding::unknown(format!("{version} at {shown} {}", silence.sentence()), again).short("did not answer")
        }
    };
    finding.fact("version", version).fact("path", path.display().to_string())
}

/// Whether `perf stat -x,` has a number for an event: `0.63,msec,cpu-clock,627941,100.00,…`.
fn counted(text: &str, event: &str) -> bool {
    text.lines().any(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let number = fields.first().and_then(|text| text.parse::<f64>().ok());
        number.is_some_and(|number| number > 0.0) && fields.get(2).is_some_and(|name| name.starts_with(event))
    })
}

/// Whether the processor counts cycles; asks the kernel itself, with or without perf.
pub fn hardware_counters(_: &Patient) -> Finding {
    counters(tracing::count_cycles())
}

fn counters(counted: io::Result<u64>) -> Finding {
    match counted {
        Ok(cycles) if cycles > 0 => Finding::ok("cycles are counted").fact("cycles", cycles),
        Ok(_) => Finding::missing(
            "the counter of cycles does not move",
            "give the virtual machine a virtual PMU, or measure on a physical machine",
        )
        .short("none"),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM)) => Finding::missing(
            format!("the kernel refuses them: {error}"),
            as_root("sysctl kernel.perf_event_paranoid=1; in a container also --security-opt seccomp=unconfined"),
        )
        .short("refused"),
        Err(error) => {
            // The kernel's answers if there is no such counter.
            let nothing = [libc::ENOENT, libc::ENODEV, libc::EOPNOTSUPP];
            let why = match error.raw_os_error() {
                Some(number) if nothing.contains(&number) => String::new(),
                _ => format!(" ({error})"),
            };
            Finding::missing(
                format!("the processor or the hypervisor below it offers none{why}"),
                "give the virtual machine a virtual PMU, or measure on a physical machine",
            )
            .short("none")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn perf_has_to_have_counted() {
        assert!(counted("0.63,msec,cpu-clock,627941,100.00,0.279,CPUs utilized\n", "cpu-clock"));
        assert!(counted("12,,cycles:u,5,100.00,,\n", "cycles"));
        assert!(!counted("<not supported>,,cycles,0,100.00,,\n", "cycles"));
        assert!(!counted("0.00,msec,cpu-clock,0,100.00,,\n", "cpu-clock"));
        assert!(!counted("WARNING: perf not found for kernel 6.1\n", "cpu-clock"));
    }

    #[test]
    fn counters_that_are_refused_are_told_from_those_that_are_not_there() {
        let error = |number| Err(io::Error::from_raw_os_error(number));
        assert_eq!(counters(Ok(7)).outcome, Outcome::Ok);
        assert_eq!(counters(Ok(0)).outcome, Outcome::Missing);
        assert!(counters(error(libc::EACCES)).help.unwrap().contains("perf_event_paranoid"));
        assert!(counters(error(libc::ENOENT)).sentence.ends_with("offers none"));
    }
}
