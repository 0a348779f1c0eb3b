//! What was measured of this machine, kept in a file of its own so that it is measured once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::machine::{files, platform};
use crate::model::comparison::Machine;

/// One measurement of a kind that is kept.
pub trait Detail: Clone + Serialize + DeserializeOwned {
    /// What the file's name begins with.
    const FILE: &'static str;
    /// What was measured, in a sentence.
    const WHAT: &'static str;

    /// The measured figure, above 0.
    fn value(&self) -> f64;
}

/// Measurements, and where they are from.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured<T> {
    /// The measurements.
    pub details: Vec<T>,
    /// Whether they were read from the cache.
    pub cached: bool,
    /// Why they could not be kept, where they could not.
    pub note: Option<String>,
}

/// What the cache file holds.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    version: u32,
    machine: Key,
    details: Vec<T>,
}

/// What makes a measurement that of this machine; nothing in it changes with a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    cpu: String,
    cores: u32,
    id: String,
}

const VERSION: u32 = 1;

/// What was measured of this machine before; nothing is measured.
pub fn kept<T: Detail>(dir: &Path, machine: &Machine) -> Option<Measured<T>> {
    let key = key(machine);
    let details = read(&file_for::<T>(dir, &key), &key)?;
    Some(Measured { details, cached: true, note: None })
}

/// What is kept in `dir` or, where there is nothing or `fresh` is set, what `measure` gives, which is kept. That it
/// could not be kept is said in [`Measured::note`] and is no failure.
pub fn kept_or_measured<T: Detail>(
    dir: Option<&Path>,
    machine: &Machine,
    fresh: bool,
    measure: impl FnOnce() -> Vec<T>,
) -> Measured<T> {
    if let Some(kept) = dir.filter(|_| !fresh).and_then(|dir| kept::<T>(dir, machine)) {
        return kept;
    }
    let key = key(machine);
    let details = measure();
    let failed = |why: String| format!("{} was measured and not kept: {why}", T::WHAT);
    let note = match dir.map(|dir| file_for::<T>(dir, &key)) {
        None => Some(failed("there is no home directory".to_owned())),
        Some(file) => {
            let kept = Kept { version: VERSION, machine: key, details: details.clone() };
            let error = write(&file, &kept).err();
            error.map(|error| failed(format!("{}: {error}", file.display())))
        }
    };
    Measured { details, cached: false, note }
}

/// The most by number of threads, from pairs of both: key `"1"` for one thread, `"all"` for all. With one core, all
/// threads are one.
pub fn most(measured: impl Iterator<Item = (u32, f64)> + Clone, cores: u32) -> BTreeMap<String, f64> {
    let best = |threads: u32| {
        let seen = measured.clone().filter(|(with, _)| *with == threads);
        seen.map(|(_, value)| value).fold(None, |most: Option<f64>, value| Some(most.map_or(value, |m| m.max(value))))
    };
    let one = best(1).map(|value| ("1".to_owned(), value));
    let all = best(cores.max(1)).map(|value| ("all".to_owned(), value));
    one.into_iter().chain(all).collect()
}

fn key(machine: &Machine) -> Key {
    Key { cpu: machine.cpu.clone(), cores: machine.cores, id: platform::machine_id().unwrap_or_default() }
}

fn file_for<T: Detail>(dir: &Path, key: &Key) -> PathBuf {
    // FNV-1a: the name only has to differ between machines that share a home; the key inside is what is compared.
    let text = format!("{}\n{}\n{}", key.cpu, key.cores, key.id);
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    dir.join(format!("{}-{hash:016x}.json", T::FILE))
}

/// What was kept for this very machine; anything odd counts as not kept.
fn read<T: Detail>(file: &Path, key: &Key) -> Option<Vec<T>> {
    let kept: Kept<T> = serde_json::from_str(&std::io::read_to_string(files::open_regular(file).ok()?).ok()?).ok()?;
    let sane = |detail: &T| detail.value().is_finite() && detail.value() > 0.0;
    (kept.version == VERSION && kept.machine == *key && !kept.details.is_empty() && kept.details.iter().all(sane))
        .then_some(kept.details)
}

/// Makes a directory and those it is in, each for whom the one around it belongs to.
fn create_all(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    dir.parent().map_or(Ok(()), create_all)?;
    fs::create_dir(dir)?;
    files::give_to_neighbours(dir);
    Ok(())
}

/// Writes a file of its own beside the old one and renames it, so that no reader ever sees half.
fn write<T: Serialize>(file: &Path, kept: &Kept<T>) -> std::io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    create_all(dir)?;
    let mut part = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer_pretty(&mut part, kept)?;
    part.write_all(b"\n")?;
    files::give_to_neighbours(part.path());
    part.persist(file).map_err(|error| error.error)?;
    Ok(())
}
