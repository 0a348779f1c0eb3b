//! Wheels, compilers and readers that the tests share.

use std::path::{Path, PathBuf};
use std::process::Command;

use raptors_trace::analysis::imports::{self, Family, File, Imports, Options, Subject};

pub const NUMPY: &str = "2.4.6";

/// Says why a test is skipped; in CI, where everything is there, that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "cannot run in CI: {why}");
    eprintln!("skipped: {why}");
}

/// NumPy's wheel for a platform, downloaded once into the build directory. `None` where it cannot be had, which was
/// said.
pub fn numpy(platform: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("imports-wheels").join(platform);
    let find = |dir: &Path| {
        let files = std::fs::read_dir(dir).ok()?;
        files.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|e| e == "whl"))
    };
    if let Some(wheel) = find(&dir) {
        return Some(wheel);
    }
    // Tests run side by side, each in a process of its own: a wheel appears there whole or not at all.
    std::fs::create_dir_all(&dir).unwrap();
    let fresh = tempfile::tempdir_in(dir.parent().unwrap()).unwrap();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--platform", platform, "--python-version", "3.11", "-d"]);
    pip.arg(fresh.path()).arg(format!("numpy=={NUMPY}"));
    if !pip.status().is_ok_and(|status| status.success()) {
        skip(&format!("pip cannot download NumPy's wheel for {platform}"));
        return None;
    }
    let wheel = find(fresh.path()).expect("pip downloaded it");
    let place = dir.join(wheel.file_name().unwrap());
    std::fs::rename(wheel, &place).unwrap();
    Some(place)
}

/// Reads paths.
pub fn read(paths: &[&Path]) -> Imports {
    let subjects = paths.iter().map(|path| path.to_path_buf()).collect();
    let options = Options { subjects, ..Options::default() };
    imports::read(&options).unwrap_or_else(|error| panic!("{}", error.report()))
}

/// Reads one path.
pub fn read_one(path: &Path) -> Subject {
    read(&[path]).subjects.remove(0)
}

/// The file of this name.
#[track_caller]
pub fn file<'a>(subject: &'a Subject, part: &str) -> &'a File {
    let mut found = subject.files.iter().filter(|file| file.path.contains(part));
    let file = found.next().unwrap_or_else(|| panic!("no {part}"));
    assert!(found.next().is_none(), "more than one {part}");
    file
}

/// The names of a family's routines, in order.
pub fn routines(file: &File, family: Family) -> Vec<&str> {
    let imports = file.imports.iter().filter(|import| import.family == family);
    imports.map(|import| import.routine.as_str()).collect()
}

/// A member of a wheel.
pub fn member(wheel: &Path, part: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(wheel).unwrap()).unwrap();
    let mut names = archive.file_names().flatten();
    let name = names.find(|name| name.contains(part)).unwrap().into_owned();
    drop(names);
    let mut bytes = Vec::new();
    std::io::copy(&mut archive.by_name(&name).unwrap(), &mut bytes).unwrap();
    bytes
}

/// A zip archive with these members, not compressed.
pub fn archive(path: &Path, members: &[(&str, &[u8])]) {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in members {
        writer.start_file(*name, stored).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
}

/// Compiles C into a shared library. `None` where there is no gcc, which was said.
pub fn gcc(dir: &Path, name: &str, source: &str, flags: &[&str]) -> Option<PathBuf> {
    let code = dir.join(format!("{name}.c"));
    std::fs::write(&code, source).unwrap();
    let out = dir.join(name);
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-nostdlib", "-o"]).arg(&out).arg(&code).args(flags);
    if !cfg!(target_os = "linux") {
        skip("only Linux's gcc makes ELF files");
        return None;
    }
    match gcc.status() {
        Ok(status) => assert!(status.success(), "gcc: {status}"),
        Err(error) => {
            skip(&format!("gcc does not run: {error}"));
            return None;
        }
    }
    Some(out)
}
