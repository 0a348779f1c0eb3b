//! Debug information in a separate file.

use std::path::Path;

use object::Object;

use super::file;

/// The content of the file with the debug information of `file`, which was read from `path`: by its build id under
/// `debug_root`, else by the name in `.gnu_debuglink`. The file of another build is not used: its names would be wrong.
pub(super) fn separate_debug_file(file: &object::File<'_>, path: &Path, debug_root: &Path) -> Option<Vec<u8>> {
    let build_id = file.build_id().ok().flatten();
    if let Some([first, rest @ ..]) = build_id {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        let found = debug_root.join(format!(".build-id/{first:02x}/{rest}.debug"));
        if let Some(data) = content(&found, |data| has_build_id(data, build_id)) {
            return Some(data);
        }
    }
    let (name, sum) = file.gnu_debuglink().ok().flatten()?;
    let name = Path::new(std::str::from_utf8(name).ok()?);
    // A name only: with a path in it, a file could lead anywhere.
    if name.file_name() != Some(name.as_os_str()) {
        return None;
    }
    let directory = std::path::absolute(path).ok()?.parent()?.to_owned();
    let under_root = debug_root.join(directory.strip_prefix("/").unwrap_or(&directory));
    [directory.clone(), directory.join(".debug"), under_root]
        .into_iter()
        .map(|directory| directory.join(name))
        .filter(|found| found != path)
        .find_map(|found| content(&found, |data| crc32fast::hash(data) == sum))
}

fn content(path: &Path, right: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let (data, _) = file::read(path).ok()?;
    right(&data).then_some(data)
}

fn has_build_id(data: &[u8], wanted: Option<&[u8]>) -> bool {
    object::File::parse(data).is_ok_and(|file| file.build_id().ok().flatten() == wanted)
}
