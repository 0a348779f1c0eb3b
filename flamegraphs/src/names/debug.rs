//! Debug information in a separate file.

use std::path::{Path, PathBuf};

use object::Object;

/// The file with the debug information of `file`, which was read from `path`: by its build id under `debug_root`, else
/// by the name in `.gnu_debuglink`. The file of another build is not used: its names would be wrong.
pub(super) fn separate_debug_file(file: &object::File<'_>, path: &Path, debug_root: &Path) -> Option<PathBuf> {
    let build_id = file.build_id().ok().flatten();
    if let Some([first, rest @ ..]) = build_id {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        let found = debug_root.join(format!(".build-id/{first:02x}/{rest}.debug"));
        if holds(&found, |data| has_build_id(data, build_id)) {
            return Some(found);
        }
    }
    let (name, sum) = file.gnu_debuglink().ok().flatten()?;
    let name = Path::new(std::str::from_utf8(name).ok()?);
    let directory = std::path::absolute(path).ok()?.parent()?.to_owned();
    let under_root = debug_root.join(directory.strip_prefix("/").unwrap_or(&directory));
    [directory.clone(), directory.join(".debug"), under_root]
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|found| found != path && holds(found, |data| crc32fast::hash(data) == sum))
}

fn holds(path: &Path, right: impl Fn(&[u8]) -> bool) -> bool {
    std::fs::read(path).is_ok_and(|data| right(&data))
}

fn has_build_id(data: &[u8], wanted: Option<&[u8]>) -> bool {
    object::File::parse(data).is_ok_and(|file| file.build_id().ok().flatten() == wanted)
}
