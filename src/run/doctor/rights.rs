//! The rights that the kernel gives this user.

use std::io::ErrorKind;

use super::{Finding, Patient};
use crate::machine::ask;
use crate::machine::command::{as_root, ourselves_as_root};
use crate::machine::platform::tracing::{self, capability};

/// The capabilities that tracers need, by name.
const NEEDED: [(u32, &str); 4] = [
    (capability::SYS_ADMIN, "CAP_SYS_ADMIN"),
    (capability::SYS_PTRACE, "CAP_SYS_PTRACE"),
    (capability::PERFMON, "CAP_PERFMON"),
    (capability::BPF, "CAP_BPF"),
];

/// Root, or the present capabilities.
pub fn user(patient: &Patient) -> Finding {
    // CAP_SYS_ADMIN includes the two that were later split off.
    let has = |number| {
        let part = number != capability::SYS_PTRACE;
        patient.may(number) || (part && patient.may(capability::SYS_ADMIN))
    };
    let of = |wanted: bool| -> Vec<&str> {
        let chosen = NEEDED.iter().filter(|(number, _)| has(*number) == wanted);
        chosen.map(|(_, name)| *name).collect()
    };
    let (held, lacking) = (of(true), of(false));
    let user = tracing::user();
    let finding = user_with(user, &held, &lacking, patient.capabilities.is_some()).fact("uid", user);
    match patient.capabilities {
        Some(_) => finding.fact("capabilities", held),
        None => finding,
    }
}

fn user_with(user: u32, held: &[&str], lacking: &[&str], known: bool) -> Finding {
    match user {
        0 if lacking.is_empty() => Finding::ok("root, with all rights that tracers need"),
        0 => Finding::limited(
            format!("root, but without {}, as in a container", lacking.join(", ")),
            "start the container with --privileged --pid=host",
        ),
        _ if known && !held.is_empty() => Finding::limited(
            format!("user {user} with {}; bpftrace and DTrace still need root", held.join(", ")),
            ourselves_as_root("doctor"),
        ),
        _ => Finding::limited(
            format!("user {user}: observing in process needs no rights, bpftrace and DTrace need root"),
            ourselves_as_root("doctor"),
        ),
    }
}

/// The rights to use performance events.
pub fn perf_event_paranoid(patient: &Patient) -> Finding {
    const NAME: &str = "kernel.perf_event_paranoid";
    let Some(level) = tracing::setting(NAME).and_then(|text| text.parse::<i64>().ok()) else {
        return Finding::missing("this kernel has no performance events", "start a kernel with CONFIG_PERF_EVENTS=y");
    };
    let unbound = patient.may(capability::PERFMON) || patient.may(capability::SYS_ADMIN);
    perf_level(level, unbound).fact("value", level)
}

fn perf_level(level: i64, unbound: bool) -> Finding {
    let meaning = match level {
        ..0 => "every user may measure everything",
        0 => "every user may measure every process",
        1 => "every user may measure own processes, kernel time included",
        2 => "every user may measure own processes, without kernel time",
        _ => "only users with CAP_PERFMON may measure anything",
    };
    let help = as_root("sysctl kernel.perf_event_paranoid=1");
    match level {
        _ if unbound => Finding::ok(format!("{level}: {meaning}; this process is exempt")),
        ..=1 => Finding::ok(format!("{level}: {meaning}")),
        2 => Finding::limited(format!("{level}: {meaning}"), help),
        _ => Finding::missing(format!("{level}: {meaning}"), help),
    }
}

/// The rights to attach to processes.
pub fn ptrace_scope(patient: &Patient) -> Finding {
    match tracing::setting("kernel.yama.ptrace_scope").and_then(|text| text.parse::<i64>().ok()) {
        None => Finding::not_applicable("this kernel has no Yama: a process may attach to own processes"),
        Some(scope) => ptrace_level(scope, patient.may(capability::SYS_PTRACE)).fact("value", scope),
    }
}

fn ptrace_level(scope: i64, unbound: bool) -> Finding {
    let help = as_root("sysctl kernel.yama.ptrace_scope=0");
    match scope {
        0 => Finding::ok("0: a process may attach to own processes"),
        1 | 2 if unbound => Finding::ok(format!("{scope}: this process has CAP_SYS_PTRACE and is exempt")),
        1 => Finding::limited("1: a process may attach only to its own children", help),
        2 => Finding::limited("2: only processes with CAP_SYS_PTRACE may attach", help),
        _ => Finding::missing(
            format!("{scope}: no process may attach to another until the next restart"),
            "put kernel.yama.ptrace_scope=0 into /etc/sysctl.d/99-ptrace.conf and restart",
        ),
    }
}

/// The visibility of kernel addresses.
pub fn kptr_restrict(patient: &Patient) -> Finding {
    match tracing::setting("kernel.kptr_restrict").and_then(|text| text.parse::<i64>().ok()) {
        None => Finding::not_applicable("this kernel does not hide its addresses"),
        Some(level) => kptr_level(level, patient.may(capability::SYSLOG)).fact("value", level),
    }
}

fn kptr_level(level: i64, unbound: bool) -> Finding {
    match level {
        0 => Finding::ok("0: samples can name kernel functions"),
        1 if unbound => Finding::ok("1: this process has CAP_SYSLOG and can name kernel functions"),
        1 => Finding::limited(
            "1: samples of users without CAP_SYSLOG cannot name kernel functions",
            as_root("sysctl kernel.kptr_restrict=0"),
        ),
        _ => Finding::limited(
            format!("{level}: samples cannot name kernel functions, not even for root"),
            as_root("sysctl kernel.kptr_restrict=1"),
        ),
    }
}

/// Whether Secure Boot locked the kernel down.
pub fn lockdown(_: &Patient) -> Finding {
    match tracing::lockdown() {
        Ok(mode) => lockdown_mode(&mode),
        Err(error) if error.kind() != ErrorKind::NotFound => Finding::unknown(
            format!("/sys/kernel/security/lockdown cannot be read: {error}"),
            ourselves_as_root("doctor"),
        ),
        Err(_) if !tracing::knows_file_system("securityfs") => {
            Finding::not_applicable("this kernel cannot be locked down")
        }
        Err(_) if tracing::mounted("securityfs").is_empty() => Finding::unknown(
            "securityfs, which has the answer, is not mounted",
            as_root("mount -t securityfs securityfs /sys/kernel/security"),
        ),
        Err(_) => Finding::not_applicable("this kernel cannot be locked down"),
    }
}

fn lockdown_mode(mode: &str) -> Finding {
    let help = "turn Secure Boot off, or start the kernel with lockdown=none";
    let finding = match mode {
        "none" => Finding::ok("none: the kernel is not locked down"),
        "integrity" => Finding::limited("integrity: tracers may read memory, but not write it", help),
        other => Finding::missing(format!("{}: nobody may trace, not even root", ask::quote(other)), help),
    };
    finding.fact("mode", mode)
}

#[cfg(test)]
mod tests {
    use super::super::Outcome::{self, Limited, Missing, Ok};
    use super::*;

    fn outcomes(level: impl Fn(i64, bool) -> Finding, values: &[i64], unbound: bool) -> Vec<Outcome> {
        values.iter().map(|&value| level(value, unbound).outcome).collect()
    }

    #[test]
    fn paranoid_levels_bind_those_without_the_capability() {
        let levels = [-1, 0, 1, 2, 3, 4];
        assert_eq!(outcomes(perf_level, &levels, false), [Ok, Ok, Ok, Limited, Missing, Missing]);
        assert_eq!(outcomes(perf_level, &levels, true), [Ok; 6]);
        assert!(perf_level(4, false).help.unwrap().contains("sysctl"));
    }

    #[test]
    fn root_without_capabilities_is_limited_and_others_are_sent_to_root() {
        assert_eq!(user_with(0, &["CAP_BPF"], &[], true).outcome, Ok);
        let contained = user_with(0, &[], &["CAP_BPF", "CAP_PERFMON"], true);
        assert!(contained.sentence.contains("without CAP_BPF, CAP_PERFMON"), "{contained:?}");
        assert!(user_with(7, &["CAP_BPF"], &[], true).sentence.starts_with("user 7 with CAP_BPF"));
        assert!(user_with(7, &[], &[], true).sentence.contains("in process needs no rights"));
    }

    #[test]
    fn ptrace_scope_3_binds_root_too() {
        assert_eq!(outcomes(ptrace_level, &[0, 1, 2, 3], false), [Ok, Limited, Limited, Missing]);
        assert_eq!(outcomes(ptrace_level, &[0, 1, 2, 3], true), [Ok, Ok, Ok, Missing]);
    }

    #[test]
    fn kptr_restrict_2_binds_root_too() {
        assert_eq!(outcomes(kptr_level, &[0, 1, 2], false), [Ok, Limited, Limited]);
        assert_eq!(outcomes(kptr_level, &[0, 1, 2], true), [Ok, Ok, Limited]);
    }

    #[test]
    fn a_kernel_locked_for_confidentiality_lets_nobody_trace() {
        let modes = ["none", "integrity", "confidentiality"];
        assert_eq!(modes.map(|mode| lockdown_mode(mode).outcome), [Ok, Limited, Missing]);
    }
}
