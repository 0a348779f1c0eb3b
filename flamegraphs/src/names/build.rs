//! The identity of a file with code, which tells a rebuilt library from the one that was sampled.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use object::Object;
use serde::{Deserialize, Serialize};

use super::file;

/// The build of a module that was sampled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Build {
    /// The build id of an ELF file or the UUID of a Mach-O file, in hexadecimal digits.
    Id(String),
    /// A file without either.
    File {
        /// Its length.
        bytes: u64,
        /// When its content changed last: nanoseconds since 1970.
        modified_ns: i64,
    },
}

impl Build {
    /// A build id or UUID.
    pub fn id(bytes: &[u8]) -> Build {
        Build::Id(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The build that is at `path` now; `None` without a readable file.
    pub fn at(path: &Path) -> Option<Build> {
        let (file, about) = file::open(path).ok()?;
        let data = object::ReadCache::new(file);
        let id = object::File::parse(&data).ok().and_then(|file| id_of(&file));
        Some(id.unwrap_or_else(|| Build::of(&about)))
    }

    fn of(about: &Metadata) -> Build {
        let ns = about.mtime().saturating_mul(1_000_000_000).saturating_add(about.mtime_nsec());
        Build::File { bytes: about.len(), modified_ns: ns }
    }

    /// Whether this file is of the same build.
    pub(super) fn is(&self, file: &object::File<'_>, about: &Metadata) -> bool {
        match self {
            Build::Id(_) => id_of(file).as_ref() == Some(self),
            Build::File { .. } => Build::of(about) == *self,
        }
    }
}

fn id_of<'data>(file: &impl Object<'data>) -> Option<Build> {
    match file.build_id() {
        Ok(Some(id)) => Some(Build::id(id)),
        _ => file.mach_uuid().ok().flatten().map(|uuid| Build::id(&uuid)),
    }
}

/// When the file's content or its place among the files changed last.
pub(super) fn changed(about: &Metadata) -> Option<SystemTime> {
    let (seconds, rest) = (about.mtime(), about.mtime_nsec()).max((about.ctime(), about.ctime_nsec()));
    let since = Duration::new(seconds.try_into().ok()?, rest.try_into().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}
