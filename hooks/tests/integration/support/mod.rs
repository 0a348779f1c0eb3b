//! What the tests of this crate share: a real OpenBLAS, callers compiled for each kind of import, run files.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the tests that load libraries are for Linux"))]

pub mod ufunc;

use raptors_recording::{Event, LoopCall, Options, Reader, Record, RoutineCall, Writer};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Observers and the run file are process-wide: tests that use them take turns.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says why a test is skipped; in CI, where everything is there, that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "cannot run in CI: {why}");
    eprintln!("skipped: {why}");
}

/// A Python that has NumPy: `RAPTORS_TEST_PYTHON`, the project's own environment, or the one on PATH.
pub fn python() -> Option<PathBuf> {
    let named = std::env::var_os("RAPTORS_TEST_PYTHON").map(PathBuf::from);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    let found = named.into_iter().chain([ours, "python3".into()]).find(|python| {
        let out = Command::new(python).args(["-c", "import numpy"]).output();
        out.is_ok_and(|o| o.status.success())
    });
    if found.is_none() {
        skip("no Python with NumPy; set RAPTORS_TEST_PYTHON to one");
    }
    found
}

/// The OpenBLAS that NumPy's wheel brings.
pub fn openblas() -> Option<PathBuf> {
    let script = "import numpy, glob, os; d = os.path.dirname(numpy.__file__) + '.libs'; \
                  print(*glob.glob(d + '/libscipy_openblas64_*'))";
    let out = Command::new(python()?).args(["-c", script]).output().expect("it ran a moment ago");
    let path = String::from_utf8(out.stdout).expect("a path").trim().to_owned();
    if path.is_empty() {
        skip("this NumPy brings no libscipy_openblas64_");
        return None;
    }
    Some(path.into())
}

/// A library opened for good: closing it would be one more thing to go wrong.
#[derive(Clone, Copy)]
pub struct Library(pub *mut c_void);

// SAFETY: a handle of the dynamic loader may be used on any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    pub fn open(path: &Path, flags: i32) -> Self {
        let name = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a string; what the library runs when loaded is our own or OpenBLAS's.
        let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
        assert!(!handle.is_null(), "{}: {}", path.display(), error());
        Library(handle)
    }

    pub fn symbol(self, name: &str) -> *mut c_void {
        let name = CString::new(name).unwrap();
        // SAFETY: an open handle and a string.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!address.is_null(), "{name:?}: {}", error());
        address
    }

    /// The results of `run` in `calls.c`.
    pub fn run(self) -> Vec<u8> {
        let mut results = vec![0xee_u8; 8192];
        // SAFETY: the function's type in calls.c, which writes less than 4 KiB.
        let bytes = unsafe {
            let run: unsafe extern "C" fn(*mut u8) -> usize = std::mem::transmute(self.symbol("run"));
            run(results.as_mut_ptr())
        };
        results.truncate(bytes);
        results
    }
}

fn error() -> String {
    // SAFETY: dlerror gives null or a string that is good until the next call of its kind.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "no error".into();
    }
    // SAFETY: as above.
    unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Compiles `calls.c` against a library, with extra flags for gcc.
pub fn caller(dir: &Path, name: &str, library: &Path, flags: &[&str]) -> PathBuf {
    let (path, rpath) = linked(library);
    let mut flags = flags.to_vec();
    if !flags.contains(&"-DVIA_DLSYM=1") {
        flags.extend([&path[..], &rpath]);
    }
    shared(dir, name, "calls.c", &flags)
}

/// gcc's flags for a caller of this library, which it finds where it is now.
pub fn linked(library: &Path) -> (String, String) {
    let dir = library.parent().unwrap().display();
    (library.display().to_string(), format!("-Wl,-rpath,{dir}"))
}

/// Compiles a fixture into `libNAME.so`.
pub fn shared(dir: &Path, name: &str, fixture: &str, flags: &[&str]) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let out = dir.join(format!("lib{name}.so"));
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&out).arg(fixtures.join(fixture));
    let status = gcc.args(flags).arg("-ldl").status().expect("gcc is there");
    assert!(status.success(), "gcc: {status}");
    out
}

/// A recording under way, in a directory of its own.
pub struct Recording {
    dir: tempfile::TempDir,
    writer: &'static Writer,
}

/// What a recording holds.
pub struct Recorded {
    pub records: Vec<Record>,
    pub sites: HashMap<u32, serde_json::Value>,
    pub lost: u64,
}

impl Recording {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { limit_bytes: 256 << 20, ..Options::default() };
        let writer = Writer::create(&dir.path().join("run.rtrace"), options).unwrap();
        raptors_hooks::record_into(writer).unwrap();
        Recording { dir, writer }
    }

    pub fn finish(self) -> Recorded {
        let lost = self.writer.lost();
        self.writer.finish().unwrap();
        let reader = Reader::open(&self.dir.path().join("run.rtrace")).unwrap();
        let mut records = Vec::new();
        reader.for_each(|_, record| records.push(*record)).unwrap();
        let sites = reader
            .documents_of("site")
            .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap())
            .map(|site| (site["id"].as_u64().unwrap() as u32, site))
            .collect();
        Recorded { records, sites, lost }
    }
}

/// What the record of a loop says of its call.
pub fn loop_call(record: &Record) -> LoopCall {
    let Event::Loop(call) = record.event else { panic!("not a loop: {record:?}") };
    call
}

/// What the record of a routine says of its call.
pub fn routine_call(record: &Record) -> RoutineCall {
    let Event::Routine(call) = record.event else { panic!("not a routine: {record:?}") };
    call
}

impl Recorded {
    /// How often each site's name was recorded, outermost calls only.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in self.records.iter().filter(|r| r.depth == 0) {
            *counts.entry(self.name(record)).or_default() += 1;
        }
        counts
    }

    pub fn name(&self, record: &Record) -> String {
        self.sites[&record.site]["name"].as_str().unwrap().to_owned()
    }

    /// The only record of this name.
    pub fn one(&self, name: &str) -> Record {
        let mut found = self.records.iter().filter(|r| self.name(r) == name);
        let record = *found.next().unwrap_or_else(|| panic!("no record of {name}"));
        assert_eq!(found.count(), 0, "more than one record of {name}");
        record
    }
}
