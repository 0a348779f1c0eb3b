//! What a killed tracer left in the kernel, and its removal.
//!
//! DTrace for Linux lists its own probes in `uprobe_events` (and where it traces kernel functions in `kprobe_events`)
//! under groups named `dt_PID_…`, after the number of the DTrace process itself, and removes them when it ends. Killed
//! by SIGKILL it cannot. bpftrace leaves nothing: its probes end with its file descriptors.
//!
//! A group is taken for left over only if
//! 1. no process with that number, in any PID namespace that can be seen, has libdtrace mapped. Another process that
//!    got
//!    the number later is not taken for DTrace; a process whose mappings cannot be read is taken for one;
//! 2. this process can see all of the machine's processes, which from inside a container it cannot: the number might be
//!    that of a DTrace outside. A caller that names the number vouches for it instead: it started that DTrace itself;
//! 3. the kernel lets go of it: it refuses (`EBUSY`) where any perf event or BPF program is still attached, so a
//!    running DTrace keeps its probes even if the first two were wrong.
//!
//! Groups without a number (`dt_pid`, which dtprobed makes) belong to no DTrace process and stay.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::command::ourselves_as_root;
use crate::machine::platform::{self, Mapping, tracing};
use crate::model::error::Error;

/// What [`clean`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cleaned {
    /// The probes that were removed, `group/event`.
    pub removed: Vec<String>,
    /// Those of DTrace that stay, and why.
    pub kept: Vec<Kept>,
}

/// A probe of DTrace that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// `group/event`.
    pub probe: String,
    /// Whose it is, as far as that is known.
    pub why: String,
}

impl fmt::Display for Cleaned {
    /// In one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.removed.len() {
            0 if self.kept.is_empty() => f.write_str("nothing was left over"),
            0 => f.write_str("nothing was removed"),
            1 => f.write_str("1 probe was removed"),
            n => write!(f, "{n} probes were removed"),
        }?;
        match self.kept.len() {
            0 => Ok(()),
            n => write!(f, ", {n} in use {} kept", if n == 1 { "is" } else { "are" }),
        }
    }
}

/// A probe that a DTrace made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Probe {
    /// The file that lists it.
    list: PathBuf,
    /// `group/event`.
    name: String,
    /// The number of its DTrace.
    owner: u32,
}

/// Removes the probes of DTraces that are gone: all of them, or those of the DTrace that had the number `only`, which
/// the caller started itself and has seen end.
///
/// # Errors
/// When there are any and this process may not remove them, or the kernel refuses for another reason than their use.
pub fn clean(only: Option<u32>) -> Result<Cleaned, Error> {
    let lists = match tracing::probe_lists() {
        Ok(lists) => lists,
        // Without tracefs there is nothing that could be left in it.
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(refused("the kernel's list of probes cannot be read", error)),
    };
    let probes = probes_in(&lists).map_err(|error| refused("the kernel's list of probes cannot be read", error))?;
    let whole = only.is_some() || tracing::sees_all_processes();
    clean_of(probes, only, |owner| alive(owner, whole))
}

fn clean_of(probes: Vec<Probe>, only: Option<u32>, alive: impl Fn(u32) -> Option<String>) -> Result<Cleaned, Error> {
    let mut cleaned = Cleaned::default();
    for probe in probes {
        if only.is_some_and(|only| only != probe.owner) {
            continue;
        }
        let why = match alive(probe.owner) {
            Some(why) => Ok(Some(why)),
            None => remove(&probe),
        };
        match why {
            Ok(None) => cleaned.removed.push(probe.name),
            Ok(Some(why)) => cleaned.kept.push(Kept { probe: probe.name, why }),
            // Somebody else was quicker.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let sentence = format!("the left-over probe {} cannot be removed", probe.name);
                return Err(refused(&sentence, error).detail(cleaned.to_string()));
            }
        }
    }
    Ok(cleaned)
}

fn refused(sentence: &str, error: io::Error) -> Error {
    let failure = Error::new(sentence);
    let failure = match error.kind() {
        ErrorKind::PermissionDenied => failure.help(ourselves_as_root("doctor --clean")),
        _ => failure,
    };
    failure.caused_by(error)
}

/// Removes a probe, or tells why the kernel keeps it. Each write to the list is one command; the file has to be opened
/// for appending, or the kernel forgets all other probes first.
fn remove(probe: &Probe) -> io::Result<Option<String>> {
    let mut list = fs::OpenOptions::new().append(true).open(&probe.list)?;
    match list.write_all(format!("-:{}\n", probe.name).as_bytes()) {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => {
            Ok(Some("the kernel says that it is in use".to_owned()))
        }
        other => other.map(|()| None),
    }
}

/// Why the DTrace that had this number has to be taken for a living one; `None` where it is gone.
fn alive(owner: u32, whole: bool) -> Option<String> {
    if !whole {
        return Some(format!("its DTrace, process {owner}, may run outside of this container"));
    }
    tracing::processes_numbered(owner).into_iter().find_map(|process| match platform::mappings(process) {
        Ok(mappings) if mappings.iter().any(is_dtrace) => Some(format!("its DTrace, process {process}, is running")),
        Ok(_) => None,
        // It ended while it was looked at.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => Some(format!("process {process} cannot be looked into")),
    })
}

fn is_dtrace(mapping: &Mapping) -> bool {
    mapping.path.to_string_lossy().contains("libdtrace")
}

fn probes_in(lists: &[PathBuf]) -> io::Result<Vec<Probe>> {
    let mut probes = Vec::new();
    for list in lists {
        let text = fs::read(list)?;
        probes.extend(probes_of(list, &String::from_utf8_lossy(&text)));
    }
    Ok(probes)
}

/// The lines `p:dt_123_dtrace/BEGIN FILE:OFFSET`.
fn probes_of(list: &Path, text: &str) -> Vec<Probe> {
    let probe = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let name = rest.split_whitespace().next()?;
        let (number, provider) = name.strip_prefix("dt_")?.split_once('_')?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        (digits && provider.contains('/')).then_some(())?;
        Some(Probe { list: list.to_owned(), name: name.to_owned(), owner: number.parse().ok()? })
    };
    text.lines().filter_map(probe).collect()
}

/// What DTraces have in the kernel now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Probes of DTraces that are gone, `group/event`.
    pub left: Vec<String>,
    /// The process numbers of these DTraces.
    pub owners: BTreeSet<u32>,
    /// Number of probes of DTraces that run.
    pub in_use: usize,
}

/// Looks for probes that killed tracers left.
///
/// # Errors
/// The kernel's list of probes cannot be read; `NotFound` where tracefs is not mounted.
pub fn find() -> io::Result<Found> {
    let probes = probes_in(&tracing::probe_lists()?)?;
    Ok(sort(probes, |owner| alive(owner, tracing::sees_all_processes())))
}

fn sort(probes: Vec<Probe>, alive: impl Fn(u32) -> Option<String>) -> Found {
    let owners: BTreeSet<u32> = probes.iter().map(|probe| probe.owner).collect();
    let owners: BTreeSet<u32> = owners.into_iter().filter(|&owner| alive(owner).is_none()).collect();
    let all = probes.len();
    let left: Vec<String> =
        probes.into_iter().filter(|probe| owners.contains(&probe.owner)).map(|probe| probe.name).collect();
    Found { in_use: all - left.len(), left, owners }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
p:dt_617_dtrace/BEGIN /opt/libdtrace.so.2.0.0:0x00000000000ded20
p:dt_617_dtrace/END /opt/libdtrace.so.2.0.0:0x00000000000ded30
r:dt_42_pid/x /a:0x10 arg1=%di
p:dt_pid/p_1_2_3 /a:0x10
p:probe_libc/malloc /lib/libc.so.6:0x10
p:dt__dtrace/BEGIN /a:0x10
p:dt_99999999999_dtrace/BEGIN /a:0x10
p:dt_5_dtrace
garbage
";

    fn listed() -> (tempfile::TempDir, Vec<Probe>) {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("uprobe_events");
        fs::write(&list, LIST).unwrap();
        let probes = probes_in(&[list]).unwrap();
        (dir, probes)
    }

    fn names(probes: &[Probe]) -> Vec<(&str, u32)> {
        probes.iter().map(|probe| (probe.name.as_str(), probe.owner)).collect()
    }

    #[test]
    fn only_probes_with_the_number_of_a_dtrace_are_its() {
        let (_dir, probes) = listed();
        let expected = [("dt_617_dtrace/BEGIN", 617), ("dt_617_dtrace/END", 617), ("dt_42_pid/x", 42)];
        assert_eq!(names(&probes), expected);
    }

    #[test]
    fn those_of_the_dead_are_removed_by_appending_and_those_of_the_living_kept() {
        let (dir, probes) = listed();
        let alive = |owner| (owner == 42).then(|| "it is running".to_owned());
        let cleaned = clean_of(probes, None, alive).unwrap();
        assert_eq!(cleaned.removed, ["dt_617_dtrace/BEGIN", "dt_617_dtrace/END"]);
        assert_eq!(cleaned.kept[0].probe, "dt_42_pid/x");
        assert_eq!(cleaned.to_string(), "2 probes were removed, 1 in use is kept");
        let written = fs::read_to_string(dir.path().join("uprobe_events")).unwrap();
        assert_eq!(written, format!("{LIST}-:dt_617_dtrace/BEGIN\n-:dt_617_dtrace/END\n"));
    }

    #[test]
    fn a_caller_cleans_after_its_own_dtrace_only() {
        let (_dir, probes) = listed();
        let cleaned = clean_of(probes, Some(42), |_| None).unwrap();
        assert_eq!(cleaned.removed, ["dt_42_pid/x"]);
        assert!(cleaned.kept.is_empty());
    }

    #[test]
    fn from_inside_a_container_nobody_is_known_to_be_gone() {
        assert!(alive(u32::MAX, false).unwrap().contains("outside of this container"));
        assert_eq!(alive(u32::MAX, true), None);
        assert_eq!(alive(std::process::id(), true), None, "it is no DTrace");
    }

    #[test]
    fn a_list_that_cannot_be_written_fails_with_what_was_done() {
        let (dir, mut probes) = listed();
        probes[1].list = dir.path().join("no/such/list");
        let cleaned = clean_of(probes.clone(), None, |_| None).unwrap();
        assert_eq!(cleaned.removed, ["dt_617_dtrace/BEGIN", "dt_42_pid/x"], "it was gone already");
        probes[1].list = dir.path().to_owned();
        let error = clean_of(probes, None, |_| None).unwrap_err();
        assert_eq!(error.to_string(), "the left-over probe dt_617_dtrace/END cannot be removed");
        assert_eq!(error.detail_text(), Some("1 probe was removed"));
    }

    #[test]
    fn left_over_probes_are_told_from_probes_in_use() {
        let (_dir, probes) = listed();
        let found = sort(probes, |owner| (owner == 42).then(String::new));
        assert_eq!(found.left, ["dt_617_dtrace/BEGIN", "dt_617_dtrace/END"]);
        assert_eq!((found.owners, found.in_use), (BTreeSet::from([617]), 1));
        assert_eq!(sort(Vec::new(), |_| None), Found::default());
    }
}
