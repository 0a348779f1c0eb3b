//! `/proc/stat` and the processors' entries in `/sys`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::machine::platform::load::CoreTime;

const PROCESSORS: &str = "/sys/devices/system/cpu";

pub fn core_time() -> Option<CoreTime> {
    core_time_in(&fs::read_to_string("/proc/stat").ok()?)
}

/// The line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal; the guest times after it are in user's
/// already.
fn core_time_in(stat: &str) -> Option<CoreTime> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|text| text.parse().ok()).collect();
    let at = |i: usize| ticks.get(i).copied().unwrap_or(0);
    (ticks.len() >= 4).then(|| CoreTime {
        busy: at(0) + at(1) + at(2) + at(5) + at(6),
        idle: at(3) + at(4),
        stolen: at(7),
    })
}

pub fn governors() -> Vec<String> {
    governors_in(Path::new(PROCESSORS))
}

fn governors_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let governor = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("cpufreq/scaling_governor")).ok()?;
        Some(text.trim().to_owned())
    };
    let found: BTreeSet<String> = entries.flatten().filter_map(governor).collect();
    found.into_iter().collect()
}

pub fn turbo() -> Option<bool> {
    let read = |file: &str| {
        let text = fs::read_to_string(Path::new(PROCESSORS).join(file)).ok()?;
        Some(text.trim() == "1")
    };
    read("intel_pstate/no_turbo").map(|off| !off).or_else(|| read("cpufreq/boost"))
}

pub fn shared_cores() -> Option<bool> {
    let active = fs::read_to_string(Path::new(PROCESSORS).join("smt/active")).ok()?;
    Some(active.trim() == "1")
}

pub fn virtualised() -> Option<bool> {
    // x86 has a flag for it; the device tree and Xen's directory say it elsewhere. Without either nothing is known
    // of other processors.
    let flags = fs::read_to_string("/proc/cpuinfo").ok()?;
    let flags = flags.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "flags").then_some(value)
    });
    let elsewhere = ["/sys/hypervisor/type", "/proc/device-tree/hypervisor"];
    let told = elsewhere.iter().any(|path| Path::new(path).exists());
    match flags {
        Some(flags) => Some(told || flags.split_whitespace().any(|flag| flag == "hypervisor")),
        None => told.then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_cores_are_summed_by_what_they_mean() {
        let stat = "cpu  100 1 20 3000 5 2 3 7 50 0\ncpu0 1 1 1 1\n";
        let expected = CoreTime { busy: 126, idle: 3005, stolen: 7 };
        assert_eq!(core_time_in(stat), Some(expected));
        assert_eq!(core_time_in("cpu  1 2\n"), None);
        assert_eq!(core_time_in("intr 5\n"), None);
    }

    #[test]
    fn governors_are_listed_once_each() {
        let dir = tempfile::tempdir().unwrap();
        for (core, governor) in [("cpu0", "powersave"), ("cpu1", "performance"), ("cpu2", "powersave")] {
            let place = dir.path().join(core).join("cpufreq");
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("scaling_governor"), format!("{governor}\n")).unwrap();
        }
        fs::create_dir(dir.path().join("cpuidle")).unwrap();
        assert_eq!(governors_in(dir.path()), ["performance", "powersave"]);
        assert!(governors_in(Path::new("/nowhere")).is_empty());
    }
}
