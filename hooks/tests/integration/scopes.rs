//! Slots that the loader has not bound yet: observed or not, a call goes where the loader sends it.

use raptors_hooks::{Report, routines};
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::{Path, PathBuf};

use crate::support::{Library, Recording, alone, linked, shared};

const LAZY: [&str; 3] = ["-DCALLS", "-fplt", "-Wl,-z,lazy"];

/// Another routine, for libraries opened RTLD_GLOBAL: they stay in the scopes of all tests of a process. It has fewer
/// arguments and the same result.
const GLOBAL: &str = "-Dcblas_sdot=cblas_sasum";

/// A library whose routine gives `value`.
fn routine(dir: &Path, name: &str, value: u32) -> PathBuf {
    shared(dir, name, "scope.c", &[&format!("-DVALUE={value}")])
}

/// The same for the other routine.
fn global_routine(dir: &Path, name: &str, value: u32) -> PathBuf {
    shared(dir, name, "scope.c", &[&format!("-DVALUE={value}"), GLOBAL])
}

/// A library that needs these others, whether it uses them or not.
fn user(dir: &Path, name: &str, flags: &[&str], needed: &[&Path]) -> PathBuf {
    let links: Vec<_> = needed.iter().map(|library| linked(library)).collect();
    let links = links.iter().flat_map(|(path, rpath)| [path.as_str(), rpath]);
    let flags: Vec<&str> = flags.iter().copied().chain(["-Wl,--no-as-needed"]).chain(links).collect();
    shared(dir, name, "scope.c", &flags)
}

fn call(library: Library) -> f32 {
    // SAFETY: the function's type in scope.c.
    unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> f32>(library.symbol("call"))() }
}

/// The writable memory of a loaded file: its slots are in there.
fn writable(file: &Path) -> Vec<u8> {
    unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> i32 {
        // SAFETY: the loader's own structure, and the pair handed in below; a writable segment is readable.
        unsafe {
            let (file, bytes) = &mut *out.cast::<(&Path, Vec<u8>)>();
            let headers = std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum.into());
            let loads = headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W != 0);
            for load in loads.filter(|_| Path::new(CStr::from_ptr((*info).dlpi_name).to_str().unwrap()) == *file) {
                let start = ((*info).dlpi_addr + load.p_vaddr) as *const u8;
                bytes.extend_from_slice(std::slice::from_raw_parts(start, load.p_memsz as usize));
            }
        }
        0
    }
    let mut found = (file, Vec::new());
    // SAFETY: the callback takes this pair.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut found).cast()) };
    assert!(!found.1.is_empty(), "{} is not loaded", file.display());
    found.1
}

fn refused<'a>(report: &'a Report, path: &Path) -> Option<&'a str> {
    let path = format!(" in {}", path.display());
    let of = |n: &&raptors_hooks::NotArmed| n.what.starts_with("cblas_s") && n.what.ends_with(&path);
    report.not_armed.iter().find(of).map(|n| n.why.as_str())
}

fn observed(report: &Report, path: &Path) -> usize {
    let object = report.objects.iter().find(|o| Path::new(&o.object) == path);
    object.map_or(0, |o| o.slots)
}

/// A slot that is certain: observed from its first call on, and afterwards as it was before.
fn check_certain(path: &Path, flags: i32, expected: f32) {
    let library = Library::open(path, flags);
    let before = writable(path);
    let report = routines::arm().unwrap();
    assert_eq!((observed(&report, path), refused(&report, path)), (1, None), "{report:?}");
    let put_back = routines::disarm();
    assert!(put_back.not_armed.is_empty(), "{put_back:?}");
    assert!(writable(path) == before, "the slot does not hold its stub again");
    let recording = Recording::start();
    routines::arm().unwrap();
    assert_eq!(call(library), expected, "observed");
    assert_eq!(call(library), expected, "observed again");
    let put_back = routines::disarm();
    assert!(put_back.not_armed.is_empty(), "{put_back:?}");
    assert_eq!(call(library), expected, "no longer observed");
    assert_eq!(recording.finish().records.len(), 2);
}

/// A slot that is not: left alone until its first call, and said so.
fn check_uncertain(path: &Path, flags: i32, expected: f32) {
    let library = Library::open(path, flags);
    let before = writable(path);
    let recording = Recording::start();
    let report = routines::arm().unwrap();
    assert!(refused(&report, path).is_some_and(|why| why.contains("more than one function")), "{report:?}");
    assert!(writable(path) == before, "a slot was changed");
    assert_eq!(call(library), expected, "while the observers are on");
    let report = routines::rescan().unwrap();
    assert_eq!((observed(&report, path), refused(&report, path)), (1, None), "{report:?}");
    assert_eq!(call(library), expected, "observed");
    let put_back = routines::disarm();
    assert!(put_back.not_armed.is_empty(), "{put_back:?}");
    assert_eq!(call(library), expected, "no longer observed");
    assert_eq!(recording.finish().records.len(), 1);
}

#[test]
fn a_slot_that_can_only_mean_one_function_is_observed_from_its_first_call_on() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let own = routine(dir.path(), "own", 2);
    let caller = user(dir.path(), "caller", &LAZY, &[&own]);
    check_certain(&caller, libc::RTLD_LAZY | libc::RTLD_LOCAL, 2.0);
    // A stranger's routine that is in no scope of the caller changes nothing.
    Library::open(&routine(dir.path(), "stranger", 7), libc::RTLD_NOW | libc::RTLD_LOCAL);
    let second = user(dir.path(), "second", &LAZY, &[&own]);
    check_certain(&second, libc::RTLD_LAZY | libc::RTLD_LOCAL, 2.0);
}

#[test]
fn an_object_opened_deepbind_keeps_its_own_function() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    Library::open(&global_routine(dir.path(), "global", 1), libc::RTLD_NOW | libc::RTLD_GLOBAL);
    let lazy = [&LAZY[..], &[GLOBAL]].concat();
    let own = global_routine(dir.path(), "own", 2);
    let deep = user(dir.path(), "deep", &lazy, &[&own]);
    check_uncertain(&deep, libc::RTLD_LAZY | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND, 2.0);
    let plain = user(dir.path(), "plain", &lazy, &[&own]);
    check_uncertain(&plain, libc::RTLD_LAZY | libc::RTLD_LOCAL, 1.0);
}

#[test]
fn a_function_of_the_object_that_brought_the_caller_in_is_found() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let (caller, own) = (user(dir.path(), "orphan", &LAZY, &[]), routine(dir.path(), "own", 2));
    let root = user(dir.path(), "root", &[], &[&caller, &own]);
    Library::open(&root, libc::RTLD_LAZY | libc::RTLD_LOCAL);
    check_certain(&caller, libc::RTLD_LAZY | libc::RTLD_LOCAL, 2.0);
    // Two such objects, each with a routine: the loader asks the first.
    let (caller, other) = (user(dir.path(), "shared", &LAZY, &[]), routine(dir.path(), "other", 3));
    for (name, routine) in [("first", &own), ("then", &other)] {
        let root = user(dir.path(), name, &[], &[&caller, routine]);
        Library::open(&root, libc::RTLD_LAZY | libc::RTLD_LOCAL);
    }
    check_uncertain(&caller, libc::RTLD_LAZY | libc::RTLD_LOCAL, 2.0);
}

/// A library with an old and a new routine, and one with the old alone, under the same name.
fn versions(dir: &Path) -> (PathBuf, PathBuf) {
    let (old, new) = (dir.join("old"), dir.join("new"));
    let script = |dir: &Path, text: &str| {
        std::fs::create_dir(dir).unwrap();
        std::fs::write(dir.join("map"), text).unwrap();
        format!("-Wl,--version-script,{},-soname,libversions.so", dir.join("map").display())
    };
    let map = script(&old, "V1 { cblas_sdot; };");
    let old = shared(&old, "versions", "scope.c", &["-DVALUE=0", &map]);
    let map = script(&new, "V1 { cblas_sdot; }; V2 { cblas_sdot; } V1;");
    (old, shared(&new, "versions", "scope.c", &["-DVERSIONS", &map]))
}

#[test]
fn a_caller_of_an_old_version_is_served_by_it() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = versions(dir.path());
    let rpath = linked(&new).1;
    let old_path = old.display().to_string();
    let caller = shared(dir.path(), "caller", "scope.c", &[&LAZY[..], &[&old_path, &rpath]].concat());
    check_certain(&caller, libc::RTLD_LAZY | libc::RTLD_LOCAL, 1.0);
    // The linker writes no version where the library it sees has none; then the loader takes the oldest.
    let plain = dir.path().join("plain");
    std::fs::create_dir(&plain).unwrap();
    let plain = shared(&plain, "versions", "scope.c", &["-DVALUE=0", "-Wl,-soname,libversions.so"]);
    let plain = plain.display().to_string();
    let unversioned = shared(dir.path(), "unversioned", "scope.c", &[&LAZY[..], &[&plain, &rpath]].concat());
    check_uncertain(&unversioned, libc::RTLD_LAZY | libc::RTLD_LOCAL, 1.0);
}

#[test]
fn a_look_up_in_the_default_scope_answers_as_without_the_hook() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    Library::open(&global_routine(dir.path(), "global", 1), libc::RTLD_NOW | libc::RTLD_GLOBAL);
    let own = global_routine(dir.path(), "own", 2);
    let asks = user(dir.path(), "asks", &["-DASKS"], &[&own]);
    let asks = Library::open(&asks, libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND);
    let ask = || {
        let name = CString::new("cblas_sasum").unwrap();
        // SAFETY: the functions' types in scope.c.
        unsafe {
            let ask: extern "C" fn(*const c_char) -> *mut c_void = std::mem::transmute(asks.symbol("ask"));
            let found: extern "C" fn(i32, usize, i32, usize, i32) -> f32 = std::mem::transmute(ask(name.as_ptr()));
            found(1, 0, 1, 0, 1)
        }
    };
    assert_eq!(ask(), 2.0);
    routines::arm().unwrap();
    let observed = ask();
    let _ = routines::disarm();
    assert_eq!((observed, ask()), (2.0, 2.0));
}

#[test]
fn a_slot_that_could_not_be_restored_is_not_observed_again() {
    type Dot = unsafe extern "C" fn(i32, usize, i32, usize, i32) -> f32;
    static INNER: std::sync::OnceLock<Dot> = std::sync::OnceLock::new();
    /// Another tool's wrapper.
    unsafe extern "C" fn wrapping(n: i32, x: usize, i: i32, y: usize, j: i32) -> f32 {
        // SAFETY: the caller's own arguments; the test stores the function first.
        unsafe { INNER.get().unwrap()(n, x, i, y, j) }
    }
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let own = routine(dir.path(), "own", 2);
    let path = user(dir.path(), "pointer", &["-DPOINTER", "-Wl,-z,norelro"], &[&own]);
    let library = Library::open(&path, libc::RTLD_NOW | libc::RTLD_LOCAL);
    let slot = library.symbol("slot").cast::<Dot>();
    routines::arm().unwrap();
    // SAFETY: a pointer in writable data, which nobody calls through meanwhile.
    let ours = unsafe {
        INNER.get_or_init(|| *slot);
        slot.replace(wrapping)
    };
    let put_back = routines::disarm();
    assert!(refused(&put_back, &path).is_some(), "{put_back:?}");
    for _ in 0..2 {
        let report = routines::arm().unwrap();
        assert!(refused(&report, &path).is_some_and(|why| why.contains("somebody else")), "{report:?}");
        assert_eq!((observed(&report, &path), call(library)), (0, 2.0));
        let _ = routines::disarm();
        // SAFETY: as above.
        assert_eq!(unsafe { *slot } as usize, wrapping as *const () as usize);
    }
    // Once the other tool has gone, all is as before.
    // SAFETY: as above.
    unsafe { slot.write(ours) };
    let recording = Recording::start();
    let report = routines::arm().unwrap();
    assert_eq!((observed(&report, &path), call(library)), (1, 2.0), "{report:?}");
    let put_back = routines::disarm();
    assert!(put_back.not_armed.is_empty(), "{put_back:?}");
    // SAFETY: as above.
    assert_ne!(unsafe { *slot } as usize, ours as usize);
    assert_eq!((call(library), recording.finish().records.len()), (2.0, 1));
}
