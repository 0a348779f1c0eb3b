//! This machine's memory limit: the most traffic it was seen to take, measured once and kept per machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bandwidth;
use crate::comparison::{LimitDetail, Machine};
use crate::platform;

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

/// What the cache file holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    machine: Key,
    details: Vec<LimitDetail>,
}

/// What makes a measurement that of this machine; nothing in it changes with a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    cpu: String,
    cores: u32,
    id: String,
}

const VERSION: u32 = 1;

/// The memory limit of this machine, from the cache or, where it is not there or `fresh` is set, measured (about 2 s).
/// A cache that cannot be written is said in [`Limit::note`] and is no failure.
pub fn limit(machine: &Machine, fresh: bool) -> Limit {
    let file = platform::cache_dir();
    limit_in(file.as_deref(), machine, fresh, || {
        let bytes = bandwidth::array_bytes(machine.l3.or(machine.l2), platform::memory_available());
        bandwidth::measure(bytes, machine.cores)
    })
}

/// The memory limit of this machine where it was measured before; nothing is measured.
pub fn kept(machine: &Machine) -> Option<Limit> {
    let key = key(machine);
    let details = read(&file_for(&platform::cache_dir()?, &key), &key)?;
    Some(Limit {
        gb_s: most(&details, machine.cores),
        details,
        cached: true,
        note: None,
    })
}

fn key(machine: &Machine) -> Key {
    Key {
        cpu: machine.cpu.clone(),
        cores: machine.cores,
        id: platform::machine_id().unwrap_or_default(),
    }
}

fn limit_in(
    dir: Option<&Path>,
    machine: &Machine,
    fresh: bool,
    measure: impl FnOnce() -> Vec<LimitDetail>,
) -> Limit {
    let key = key(machine);
    let file = dir.map(|dir| file_for(dir, &key));
    if let Some(details) = file
        .as_deref()
        .filter(|_| !fresh)
        .and_then(|file| read(file, &key))
    {
        return Limit {
            gb_s: most(&details, machine.cores),
            details,
            cached: true,
            note: None,
        };
    }
    let details = measure();
    let note = match &file {
        None => Some(
            "the memory limit was measured and not kept: there is no home directory".to_owned(),
        ),
        Some(file) => write(
            file,
            &Kept {
                version: VERSION,
                machine: key,
                details: details.clone(),
            },
        )
        .err()
        .map(|error| {
            format!(
                "the memory limit was measured and not kept: {}: {error}",
                file.display()
            )
        }),
    };
    Limit {
        gb_s: most(&details, machine.cores),
        details,
        cached: false,
        note,
    }
}

/// The most traffic by number of threads. With one core, all threads are one.
fn most(details: &[LimitDetail], cores: u32) -> BTreeMap<String, f64> {
    let best = |threads: u32| {
        let seen = details
            .iter()
            .filter(|d| d.threads == threads)
            .map(|d| d.gb_s);
        seen.fold(None, |most: Option<f64>, gb_s| {
            Some(most.map_or(gb_s, |m| m.max(gb_s)))
        })
    };
    let one = best(1).map(|gb_s| ("1".to_owned(), gb_s));
    let all = best(cores.max(1)).map(|gb_s| ("all".to_owned(), gb_s));
    one.into_iter().chain(all).collect()
}

fn file_for(dir: &Path, key: &Key) -> PathBuf {
    // FNV-1a: the name only has to differ between machines that share a home; the key inside is what is compared.
    let text = format!("{}\n{}\n{}", key.cpu, key.cores, key.id);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    dir.join(format!("memory-limit-{hash:016x}.json"))
}

/// What was kept for this very machine; anything odd counts as not kept.
fn read(file: &Path, key: &Key) -> Option<Vec<LimitDetail>> {
    let kept: Kept = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let sane = kept
        .details
        .iter()
        .all(|d| d.gb_s.is_finite() && d.gb_s > 0.0);
    (kept.version == VERSION && kept.machine == *key && sane && !kept.details.is_empty())
        .then_some(kept.details)
}

/// Makes a directory and those it is in, each for whom the one around it belongs to.
fn create_all(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    dir.parent().map_or(Ok(()), create_all)?;
    fs::create_dir(dir)?;
    platform::give_to_neighbours(dir);
    Ok(())
}

/// Writes a file of its own beside the old one and renames it, so that no reader ever sees half.
fn write(file: &Path, kept: &Kept) -> std::io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    create_all(dir)?;
    let mut part = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer_pretty(&mut part, kept)?;
    part.write_all(b"\n")?;
    platform::give_to_neighbours(part.path());
    part.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            cpu: "Test CPU".into(),
            cores: 2,
            ..Machine::default()
        }
    }

    fn detail(threads: u32, gb_s: f64) -> LimitDetail {
        LimitDetail {
            work: "copy".into(),
            stores: "plain".into(),
            threads,
            gb_s,
        }
    }

    #[test]
    fn the_limit_is_measured_once_and_then_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("made/as/needed");
        let measured = vec![detail(1, 30.0), detail(1, 40.5), detail(2, 35.0)];
        let first = limit_in(Some(&dir), &machine(), false, || measured.clone());
        assert!(!first.cached && first.note.is_none(), "{first:?}");
        assert_eq!(
            first.gb_s,
            BTreeMap::from([("1".to_owned(), 40.5), ("all".to_owned(), 35.0)])
        );
        let second = limit_in(Some(&dir), &machine(), false, || panic!("measured again"));
        assert_eq!(
            second,
            Limit {
                cached: true,
                ..first
            }
        );
        let again = limit_in(Some(&dir), &machine(), true, || vec![detail(1, 9.0)]);
        assert_eq!(again.gb_s["1"], 9.0, "asked for a fresh one");
    }

    #[test]
    fn another_machine_or_a_broken_file_is_measured_anew() {
        let dir = tempfile::tempdir().unwrap();
        limit_in(Some(dir.path()), &machine(), false, || {
            vec![detail(1, 30.0)]
        });
        let other = Machine {
            cores: 4,
            ..machine()
        };
        assert_eq!(
            limit_in(Some(dir.path()), &other, false, || vec![detail(1, 1.0)]).gb_s["1"],
            1.0
        );
        for entry in fs::read_dir(dir.path()).unwrap() {
            fs::write(entry.unwrap().path(), "{ not json").unwrap();
        }
        assert_eq!(
            limit_in(Some(dir.path()), &machine(), false, || vec![detail(1, 2.0)]).gb_s["1"],
            2.0
        );
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_said_and_no_failure() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let limit = limit_in(Some(&file.path().join("sub")), &machine(), false, || {
            vec![detail(1, 30.0)]
        });
        assert_eq!(limit.gb_s["1"], 30.0);
        assert!(
            limit
                .note
                .unwrap()
                .starts_with("the memory limit was measured and not kept: ")
        );
    }
}
