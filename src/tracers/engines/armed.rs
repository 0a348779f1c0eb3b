//! Whether a tracer is armed is seen in the process's memory: where it puts a probe, the first byte of the instruction
//! becomes another (a breakpoint). Neither tracer says so by itself in every version.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::machine::platform::{self, Mapping};
use crate::model::error::Error;

/// Places in the memory of a process, with what stands there before a tracer comes.
pub struct Watch {
    pid: u32,
    places: Vec<(u64, Option<u8>)>,
}

impl Watch {
    /// Looks at `places`: files and addresses in their own numbering.
    ///
    /// # Errors
    /// Where the process's memory cannot be looked at.
    pub fn new(pid: u32, places: &[(PathBuf, u64)]) -> Result<Self, Error> {
        let mappings = platform::mappings(pid).map_err(|error| {
            Error::new(format!("process {pid} cannot be looked at"))
                .caused_by(error)
                .help("run this as the user who started it, or as root; or check that it still runs")
        })?;
        let mut known: HashMap<&Path, Option<u64>> = HashMap::new();
        let mut all = Vec::with_capacity(places.len());
        for (path, address) in places {
            let base = *known.entry(path).or_insert_with(|| base_of(pid, &mappings, path));
            let base = base.ok_or_else(|| not_loaded(pid, path))?;
            let at = base + address;
            all.push((at, platform::memory_byte(pid, at)));
        }
        Ok(Self { pid, places: all })
    }

    /// Whether all places have changed; how many have, where some have not.
    ///
    /// # Errors
    /// That number, in words.
    pub fn armed(&self) -> Result<(), String> {
        let changed = |&&(at, before): &&(u64, Option<u8>)| {
            let byte = platform::memory_byte(self.pid, at);
            byte.is_some() && byte != before
        };
        match self.places.iter().filter(changed).count() {
            armed if armed == self.places.len() => Ok(()),
            armed => Err(format!("{armed} of {} probes are in the process", self.places.len())),
        }
    }
}

fn not_loaded(pid: u32, path: &Path) -> Error {
    Error::new(format!("process {pid} has not loaded `{}`, or another file of that name", path.display()))
        .help("start it again if the file was replaced; in a container, run this inside of it")
}

/// Where a file is loaded. A file is known by its device and number: a name may lead to another file here than in a
/// process with mounts of its own, and a breakpoint would be put into that.
fn base_of(pid: u32, mappings: &[Mapping], path: &Path) -> Option<u64> {
    let begins = |part: &&Mapping| part.offset == 0 && platform::is_mapped_from(pid, part, path);
    Some(mappings.iter().find(begins)?.start)
}
