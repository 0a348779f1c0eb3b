//! The properties of the machine that change measured times.

use std::path::Path;
use std::time::Duration;

use super::{Finding, Patient};
use crate::machine::command::as_root;
use crate::machine::platform;
use crate::machine::platform::load::{self, CoreTime};
use crate::machine::{self, ask};
use crate::model::units;

/// Long enough for the kernel's ticks of up to 10 ms to show a twentieth of a core.
const SAMPLE: Duration = Duration::from_millis(500);
/// The cores' worth of other work from which on times suffer.
const BUSY: f64 = 0.2;
/// The same for cores that the hypervisor takes away.
const STOLEN: f64 = 0.05;
/// A run file of ten million calls.
const ROOM: u64 = 2 << 30;
/// Enough for five arrays of the main job's largest size and an interpreter, many times over.
const MEMORY: u64 = 1 << 30;

/// The activity of other processes during a sleep of this one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Cores' worth of work, and of work that the hypervisor delayed.
    busy: Option<(f64, f64)>,
    /// Processes ready to run, as a mean over the last minute.
    average: Option<f64>,
}

impl Load {
    /// Sleeps for half a second to measure the activity of others.
    pub fn measure() -> Self {
        let average = load::load_average();
        let busy = load::core_time().and_then(|before| {
            std::thread::sleep(SAMPLE);
            between(before, load::core_time()?, platform::cores_online())
        });
        Self { busy, average }
    }
}

fn between(before: CoreTime, after: CoreTime, cores: u32) -> Option<(f64, f64)> {
    let spent = |of: fn(&CoreTime) -> u64| of(&after).saturating_sub(of(&before)) as f64;
    let (busy, stolen) = (spent(|t| t.busy), spent(|t| t.stolen));
    let all = busy + stolen + spent(|t| t.idle);
    (all > 0.0).then(|| (busy / all * f64::from(cores), stolen / all * f64::from(cores)))
}

/// Cores, and whether they run several threads.
pub fn cores(_: &Patient) -> Finding {
    let (usable, online) = (platform::cores_usable(), platform::cores_online());
    let shared = load::shared_cores();
    let threads = match shared {
        Some(true) => ", several per physical core",
        Some(false) => ", one per physical core",
        None => "",
    };
    let count = if usable < online { format!("{usable} of {online}") } else { online.to_string() };
    let cpu = crate::model::text::escape(&platform::cpu_name());
    Finding::ok(format!("{count}{threads}; {cpu}"))
        .fact("usable", usable)
        .fact("online", online)
        .fact("share_a_real_core", shared)
}

/// Whether the machine is virtual.
pub fn virtual_machine(_: &Patient) -> Finding {
    match load::virtualised() {
        Some(true) => Finding::limited(
            "yes: page faults cost more than on a physical machine, and other guests may slow it down",
            "measure on a physical machine if absolute times matter",
        )
        .fact("virtual", true),
        Some(false) => Finding::ok("no, a physical machine").fact("virtual", false),
        None => Finding::new(super::Outcome::Unknown, "this processor does not report it"),
    }
}

/// The clock's governor.
pub fn governor(_: &Patient) -> Finding {
    governor_of(&load::governors())
}

fn governor_of(governors: &[String]) -> Finding {
    let names = ask::quote(&governors.join(", "));
    match governors {
        [] => Finding::not_applicable("the clock has no governor here"),
        [one] if one == "performance" => Finding::ok(names),
        _ => Finding::limited(
            format!("{names}: the clock follows the load, so short rounds may run on a slow clock"),
            as_root("cpupower frequency-set -g performance"),
        ),
    }
    .fact("governors", governors)
}

/// Whether turbo is on.
pub fn turbo(_: &Patient) -> Finding {
    match load::turbo() {
        None => Finding::not_applicable("its state cannot be read here"),
        Some(true) => Finding::ok("on: the clock varies with heat and load, which interleaved rounds average out")
            .fact("on", true),
        Some(false) => Finding::ok("off: the clock is constant").fact("on", false),
    }
}

/// Transparent huge pages, which NumPy requests.
pub fn huge_pages(_: &Patient) -> Finding {
    huge_pages_of(platform::transparent_huge_pages().as_deref())
}

fn huge_pages_of(mode: Option<&str>) -> Finding {
    let finding = match mode {
        None => Finding::not_applicable("this kernel has none"),
        Some("always") => Finding::ok("always"),
        Some("madvise") => Finding::ok("madvise: NumPy requests them from 4 MiB on"),
        Some(other) => Finding::limited(
            format!("{}: every 4 KiB of a fresh result costs a page fault", ask::quote(other)),
            as_root("sh -c 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled'"),
        ),
    };
    finding.fact("mode", mode)
}

/// Other load.
pub fn other_load(patient: &Patient) -> Finding {
    other_load_of(&patient.load, platform::cores_online())
}

fn other_load_of(load: &Load, cores: u32) -> Finding {
    let average = match load.average {
        Some(average) => format!("load average {average:.2} on {cores} {}", if cores == 1 { "core" } else { "cores" }),
        None => "load average unknown".to_owned(),
    };
    let help = "end other programs; `top` shows them";
    let finding = match (load.busy, load.average) {
        (Some((busy, stolen)), _) => {
            let many = stolen >= STOLEN;
            let stolen =
                if many { format!(", and other virtual machines take {stolen:.1} cores away") } else { String::new() };
            let sentence = format!("other programs use {busy:.1} of {cores} cores now{stolen}; {average}");
            if busy >= BUSY || many { Finding::limited(sentence, help) } else { Finding::ok(sentence) }
        }
        (None, Some(busy)) if busy >= BUSY => Finding::limited(average, help),
        (None, Some(_)) => Finding::ok(average),
        (None, None) => Finding::unknown(average, "top"),
    };
    finding
        .fact("busy_cores", load.busy.map(|(busy, _)| busy))
        .fact("stolen_cores", load.busy.map(|(_, stolen)| stolen))
        .fact("load_average", load.average)
}

/// Available memory.
pub fn memory(_: &Patient) -> Finding {
    let (Some(total), Some(available)) = (platform::memory_total(), platform::memory_available()) else {
        return Finding::new(super::Outcome::Unknown, "this system does not report it");
    };
    let size = |bytes: u64| units::bytes(bytes as f64);
    let sentence = format!("{} of {} available", size(available), size(total));
    let finding = if available < MEMORY {
        Finding::limited(sentence, "end other programs, or compare smaller sizes with --size")
    } else {
        Finding::ok(sentence)
    };
    finding.fact("available", available).fact("total", total)
}

/// Whether the memory limit was measured.
pub fn memory_limit(_: &Patient) -> Finding {
    match machine::kept(&machine::facts()) {
        None => Finding::ok("not measured yet; the first comparison measures it (about 2 s)").fact("measured", false),
        Some(limit) => {
            let most = limit.gb_s.values().copied().fold(0.0, f64::max);
            Finding::ok(format!("{} GB/s, measured before; --measure-limit measures it again", units::gb_s(most)))
                .fact("measured", true)
                .fact("gb_s", most)
        }
    }
}

/// Whether run files can be written.
pub fn temporary_files(_: &Patient) -> Finding {
    let dir = std::env::temp_dir();
    let writable = tempfile::tempfile_in(&dir).map(drop);
    temporary_files_of(&dir, writable, load::free_room(&dir)).fact("path", dir.display().to_string())
}

fn temporary_files_of(dir: &Path, writable: std::io::Result<()>, room: Option<u64>) -> Finding {
    let shown = ask::quote(&dir.display().to_string());
    let help = "export TMPDIR=DIRECTORY, a writable directory with free space";
    match (writable, room) {
        (Err(error), _) => Finding::missing(format!("{shown} is not writable: {error}"), help),
        (Ok(()), None) => Finding::ok(format!("{shown} is writable")),
        (Ok(()), Some(room)) => {
            let sentence = format!("{shown} has {} of free space", units::bytes(room as f64));
            let finding = if room < ROOM {
                Finding::limited(format!("{sentence}; long runs write up to {}", units::bytes(ROOM as f64)), help)
            } else {
                Finding::ok(sentence)
            };
            finding.fact("free", room)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn other_work_is_told_in_cores() {
        let before = CoreTime::default();
        let after = CoreTime { busy: 50, idle: 40, stolen: 10 };
        assert_eq!(between(before, after, 2), Some((1.0, 0.2)));
        assert_eq!(between(after, after, 2), None);
        let load = |busy| Load { busy: Some(busy), average: Some(9.0) };
        assert_eq!(other_load_of(&load((0.1, 0.0)), 2).outcome, Outcome::Ok, "the average looks back a minute");
        assert_eq!(other_load_of(&load((0.5, 0.0)), 2).outcome, Outcome::Limited);
        assert!(other_load_of(&load((0.1, 0.3)), 2).sentence.contains("take 0.3 cores away"));
        assert_eq!(other_load_of(&Load::default(), 2).outcome, Outcome::Unknown);
    }

    #[test]
    fn a_clock_that_follows_the_load_is_limited() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(governor_of(&[]).outcome, Outcome::NotApplicable);
        assert_eq!(governor_of(&names(&["performance"])).outcome, Outcome::Ok);
        assert_eq!(governor_of(&names(&["performance", "powersave"])).outcome, Outcome::Limited);
    }

    #[test]
    fn huge_pages_that_are_never_handed_out_are_limited() {
        let modes = [None, Some("always"), Some("madvise"), Some("never")];
        let expected = [Outcome::NotApplicable, Outcome::Ok, Outcome::Ok, Outcome::Limited];
        assert_eq!(modes.map(|mode| huge_pages_of(mode).outcome), expected);
    }

    #[test]
    fn temporary_files_need_room_and_the_right_to_write() {
        let dir = Path::new("/t");
        let outcome = |writable, room| temporary_files_of(dir, writable, room).outcome;
        assert_eq!(outcome(Ok(()), Some(8 << 30)), Outcome::Ok);
        assert_eq!(outcome(Ok(()), Some(1 << 20)), Outcome::Limited);
        assert_eq!(outcome(Err(std::io::Error::other("full")), Some(8 << 30)), Outcome::Missing);
    }
}
