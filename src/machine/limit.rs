//! This machine's memory limit: the most traffic it was seen to take, measured once and kept per machine.

use std::collections::BTreeMap;
use std::path::Path;

use super::bandwidth;
use super::cache::{self, Measured};
use crate::machine::platform;
use crate::model::comparison::{LimitDetail, Machine};

/// The memory limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limit {
    /// Most GB/s seen (bytes read plus bytes written): key `"1"` for one thread, `"all"` for all.
    pub gb_s: BTreeMap<String, f64>,
    /// The measurements behind it.
    pub details: Vec<LimitDetail>,
    /// Whether it was read from the cache.
    pub cached: bool,
    /// Why it could not be kept, where it could not.
    pub note: Option<String>,
}

/// The memory limit of this machine, from the cache or, where it is not there or `fresh` is set, measured (about 2 s).
/// A cache that cannot be written is said in [`Limit::note`] and is no failure.
pub fn limit(machine: &Machine, fresh: bool) -> Limit {
    let dir = platform::cache_dir();
    limit_in(dir.as_deref(), machine, fresh, || {
        let bytes = bandwidth::array_bytes(machine.l3.or(machine.l2), platform::memory_available());
        bandwidth::measure(bytes, machine.cores)
    })
}

/// The memory limit of this machine where it was measured before; nothing is measured.
pub fn kept(machine: &Machine) -> Option<Limit> {
    let kept = cache::kept(&platform::cache_dir()?, machine)?;
    Some(Limit::of(kept, machine))
}

fn limit_in(dir: Option<&Path>, machine: &Machine, fresh: bool, measure: impl FnOnce() -> Vec<LimitDetail>) -> Limit {
    let measured = cache::kept_or_measured(dir, machine, fresh, measure);
    Limit::of(measured, machine)
}

impl Limit {
    fn of(measured: Measured<LimitDetail>, machine: &Machine) -> Self {
        let of = measured.details.iter();
        Self {
            gb_s: cache::most(of.map(|detail| (detail.threads, detail.gb_s)), machine.cores),
            details: measured.details,
            cached: measured.cached,
            note: measured.note,
        }
    }
}

impl cache::Detail for LimitDetail {
    const FILE: &'static str = "memory-limit";
    const WHAT: &'static str = "the memory limit";

    fn value(&self) -> f64 {
        self.gb_s
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn machine() -> Machine {
        Machine { cpu: "Test CPU".into(), cores: 2, ..Machine::default() }
    }

    fn detail(threads: u32, gb_s: f64) -> LimitDetail {
        LimitDetail { work: "copy".into(), stores: "plain".into(), threads, gb_s }
    }

    #[test]
    fn the_limit_is_measured_once_and_then_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("made/as/needed");
        let measured = vec![detail(1, 30.0), detail(1, 40.5), detail(2, 35.0)];
        let first = limit_in(Some(&dir), &machine(), false, || measured.clone());
        assert!(!first.cached && first.note.is_none(), "{first:?}");
        assert_eq!(first.gb_s, BTreeMap::from([("1".to_owned(), 40.5), ("all".to_owned(), 35.0)]));
        let second = limit_in(Some(&dir), &machine(), false, || panic!("measured again"));
        assert_eq!(second, Limit { cached: true, ..first });
        let again = limit_in(Some(&dir), &machine(), true, || vec![detail(1, 9.0)]);
        assert_eq!(again.gb_s["1"], 9.0, "asked for a fresh one");
    }

    #[test]
    fn another_machine_or_a_broken_file_is_measured_anew() {
        let dir = tempfile::tempdir().unwrap();
        limit_in(Some(dir.path()), &machine(), false, || vec![detail(1, 30.0)]);
        let other = Machine { cores: 4, ..machine() };
        assert_eq!(limit_in(Some(dir.path()), &other, false, || vec![detail(1, 1.0)]).gb_s["1"], 1.0);
        for entry in fs::read_dir(dir.path()).unwrap() {
            fs::write(entry.unwrap().path(), "{ not json").unwrap();
        }
        assert_eq!(limit_in(Some(dir.path()), &machine(), false, || vec![detail(1, 2.0)]).gb_s["1"], 2.0);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_said_and_no_failure() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let limit = limit_in(Some(&file.path().join("sub")), &machine(), false, || vec![detail(1, 30.0)]);
        assert_eq!(limit.gb_s["1"], 30.0);
        assert!(limit.note.unwrap().starts_with("the memory limit was measured and not kept: "));
    }
}
