//! Calls of a real OpenBLAS through every kind of import that Linux knows.

use raptors_hooks::routines;
use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::path::Path;

use crate::support::{self, Library, Recording, alone, caller, openblas, routine_call};

/// What one `run` of calls.c calls, by the catalogue's names.
const CALLED: [&str; 14] = [
    "cblas_cdotu_sub",
    "cblas_ddot",
    "cblas_dgemv",
    "cblas_drotg",
    "cblas_dtrsm",
    "cblas_isamax",
    "cblas_sgemm",
    "cblas_sger",
    "cblas_snrm2",
    "cblas_sscal",
    "cblas_ssyrk",
    "dgesv",
    "dpotrf",
    "zdotu",
];

fn each(times: usize) -> BTreeMap<String, usize> {
    CALLED.iter().map(|name| ((*name).to_owned(), times)).collect()
}

/// Runs hooked and unhooked: the same bytes, and each routine recorded once.
fn check(library: Library, what: &str) -> support::Recorded {
    let before = library.run();
    let recording = Recording::start();
    let report = routines::arm().unwrap();
    let hooked = library.run();
    let put_back = routines::disarm();
    let after = library.run();
    let recorded = recording.finish();
    assert_eq!(hooked, before, "{what}: results differ while hooked");
    assert_eq!(after, before, "{what}: results differ after disarming");
    assert_eq!(recorded.counts(), each(1), "{what}; report {report:?}");
    assert!(put_back.not_armed.is_empty(), "{what}: {put_back:?}");
    recorded
}

fn compiled(name: &str, flags: &[&str]) -> Option<(tempfile::TempDir, Library)> {
    let openblas = openblas()?;
    let dir = tempfile::tempdir().unwrap();
    let path = caller(dir.path(), name, &openblas, flags);
    Some((dir, Library::open(&path, libc::RTLD_LAZY | libc::RTLD_LOCAL)))
}

#[test]
fn lazy_slots() {
    let _alone = alone();
    let Some((dir, _)) = compiled("lazy", &["-fplt", "-Wl,-z,lazy"]) else {
        return;
    };
    // A second copy that never ran: its slots still hold their stubs when they are patched.
    let fresh = dir.path().join("libfresh.so");
    std::fs::copy(dir.path().join("liblazy.so"), &fresh).unwrap();
    let fresh = Library::open(&fresh, libc::RTLD_LAZY | libc::RTLD_LOCAL);
    let recording = Recording::start();
    let report = routines::arm().unwrap();
    let first = fresh.run();
    let second = fresh.run();
    let _ = routines::disarm();
    assert_eq!(recording.finish().counts(), each(2), "{report:?}");
    assert_eq!(first, second);
    check(fresh, "lazy slots, resolved");
}

#[test]
fn entries_of_the_global_offset_table() {
    let _alone = alone();
    if let Some((_dir, library)) = compiled("got", &["-fno-plt", "-Wl,-z,norelro"]) {
        check(library, "GOT");
    }
}

#[test]
fn slots_made_read_only_after_relocation() {
    let _alone = alone();
    if let Some((_dir, library)) = compiled("relro", &["-Wl,-z,now,-z,relro"]) {
        let before = relro_rights("librelro.so");
        check(library, "RELRO");
        assert_eq!(before, "r--p", "the loader leaves it so");
        assert_eq!(relro_rights("librelro.so"), before);
    }
}

/// The rights of the page that a loaded object's PT_GNU_RELRO begins in, as /proc/self/maps has them.
fn relro_rights(file: &str) -> String {
    unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> i32 {
        // SAFETY: the loader's own structure, and the pair handed in below.
        unsafe {
            let (file, start) = &mut *out.cast::<(&str, usize)>();
            let name = std::ffi::CStr::from_ptr((*info).dlpi_name).to_str().unwrap();
            let headers = std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum.into());
            let relro = headers.iter().find(|h| h.p_type == libc::PT_GNU_RELRO);
            if let Some(relro) = relro.filter(|_| name.ends_with(*file)) {
                *start = (*info).dlpi_addr as usize + relro.p_vaddr as usize;
            }
        }
        0
    }
    let mut wanted = (file, 0);
    // SAFETY: the callback takes this pair.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut wanted).cast()) };
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let address = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let line = maps.lines().find(|line| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        (address(start)..address(end)).contains(&wanted.1)
    });
    let line = line.unwrap_or_else(|| panic!("{file} has no RELRO"));
    line.split(' ').nth(1).unwrap().to_owned()
}

/// A library that calls a routine of its own through its own linkage table.
const SELF_CALLER: &str = "void cblas_daxpy(int n, double a, const double *x, int i, double *y, int j) { y[0] += a * \
                           x[0]; }\n\
    double twice(double v) { double y = v; cblas_daxpy(1, 1.0, &v, 1, &y, 1); return y; }";

#[test]
fn calls_inside_one_library_are_its_own_business() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (dir.path().join("own.c"), dir.path().join("libown.so"));
    std::fs::write(&source, SELF_CALLER).unwrap();
    let mut gcc = std::process::Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-fno-inline", "-fsemantic-interposition", "-o"]);
    assert!(gcc.arg(&out).arg(&source).status().unwrap().success());
    let library = Library::open(&out, libc::RTLD_NOW | libc::RTLD_LOCAL);
    // SAFETY: the function's type in SELF_CALLER.
    let twice: extern "C" fn(f64) -> f64 = unsafe { std::mem::transmute(library.symbol("twice")) };
    let recording = Recording::start();
    let report = routines::arm().unwrap();
    assert_eq!(twice(4.0), 8.0);
    let _ = routines::disarm();
    assert!(recording.finish().records.is_empty());
    assert!(report.objects.iter().all(|o| !o.object.ends_with("libown.so")), "{report:?}");
}

#[test]
fn pointers_in_data() {
    let _alone = alone();
    if let Some((_dir, library)) = compiled("table", &["-DVIA_TABLE=1"]) {
        check(library, "table in RELRO data");
    }
    if let Some((_dir, library)) = compiled("writable", &["-DVIA_TABLE=1", "-Wl,-z,norelro"]) {
        check(library, "table in writable data");
    }
}

#[test]
fn symbols_looked_up_by_handle() {
    let _alone = alone();
    if let (Some((_dir, library)), Some(openblas)) = (compiled("handle", &["-DVIA_DLSYM=1"]), openblas()) {
        set_handle(library, Library::open(&openblas, libc::RTLD_LAZY | libc::RTLD_LOCAL).0);
        check(library, "dlsym(handle)");
    }
}

#[test]
fn symbols_looked_up_in_the_callers_scope() {
    let _alone = alone();
    // This caller is linked with OpenBLAS, so its own scope has it, though the global one has not.
    let flags = ["-DVIA_DLSYM=1", "-Wl,--no-as-needed"];
    let Some(openblas) = openblas() else { return };
    let dir = tempfile::tempdir().unwrap();
    let link = openblas.display().to_string();
    let rpath = format!("-Wl,-rpath,{}", openblas.parent().unwrap().display());
    let path = caller(dir.path(), "scope", &openblas, &[&flags[..], &[&link, &rpath]].concat());
    let library = Library::open(&path, libc::RTLD_LAZY | libc::RTLD_LOCAL);
    set_handle(library, libc::RTLD_DEFAULT);
    check(library, "dlsym(RTLD_DEFAULT)");
}

fn set_handle(library: Library, handle: *mut c_void) {
    // SAFETY: the function's type in calls.c.
    unsafe {
        let set: unsafe extern "C" fn(*mut c_void) = std::mem::transmute(library.symbol("set_handle"));
        set(handle);
    }
}

#[test]
fn other_look_ups_answer_as_without_the_hook() {
    let _alone = alone();
    let Some((_dir, library)) = compiled("asks", &["-DVIA_DLSYM=1"]) else {
        return;
    };
    let ask = |which: &str, name: &str| {
        let name = CString::new(name).unwrap();
        // SAFETY: the functions' type in calls.c.
        unsafe {
            let ask: unsafe extern "C" fn(*const c_char) -> usize = std::mem::transmute(library.symbol(which));
            ask(name.as_ptr())
        }
    };
    let questions = [
        ("ask_default", "malloc"),
        ("ask_default", "small"),
        ("ask_next", "malloc"),
        ("ask_next", "small"),
        ("ask_default", "cblas_sgemm"),
        ("ask_next", "scipy_cblas_sgemm64_"),
        ("ask_default", "nowhere_at_all"),
    ];
    let answers = || questions.map(|(which, name)| ask(which, name));
    let before = answers();
    routines::arm().unwrap();
    let hooked = answers();
    let _ = routines::disarm();
    assert_eq!(hooked, before);
    assert_ne!(before[1], 0, "a local library's own scope has `small`: who asks does matter");
}

#[test]
fn what_a_record_says() {
    let _alone = alone();
    let Some((_dir, library)) = compiled("says", &[]) else {
        return;
    };
    let recorded = check(library, "arguments");
    let gemm = recorded.one("cblas_sgemm");
    let call = routine_call(&gemm);
    assert_eq!((call.m, call.n, call.k, call.steps), (5, 7, 6, [6, 7]));
    assert_eq!(call.scalar, Some(1.5_f32.to_bits().into()));
    let site = &recorded.sites[&gemm.site];
    assert_eq!((site["width"].as_u64(), &site["symbol"]), (Some(64), &"scipy_cblas_sgemm64_".into()));
    assert!(site["module"].as_str().unwrap().contains("libscipy_openblas64_"), "{site}");
    let one = |name| routine_call(&recorded.one(name));
    let dot = one("cblas_ddot");
    assert_eq!((dot.m, dot.steps), (20, [1, -2]));
    let scal = one("cblas_sscal");
    assert_eq!((scal.m, scal.scalar), (40, Some(2.5_f32.to_bits().into())));
    let solve = one("dgesv");
    assert_eq!((solve.m, solve.n, solve.k), (6, 0, 2), "n and the right-hand sides");
    let zdot = one("zdotu");
    assert_eq!((zdot.m, zdot.steps), (10, [1, 1]));
    assert!(gemm.duration > 0);
}

#[test]
fn two_copies_of_one_library_keep_their_own_functions() {
    let _alone = alone();
    let Some(openblas) = openblas() else { return };
    let dir = tempfile::tempdir().unwrap();
    let second = copy_with_another_name(&openblas, dir.path());
    let open = |name: &str, blas: &Path| {
        let path = caller(dir.path(), name, blas, &[]);
        Library::open(&path, libc::RTLD_LAZY | libc::RTLD_LOCAL)
    };
    let (a, b) = (open("first", &openblas), open("second", &second));
    let plain = (a.run(), b.run());
    let recording = Recording::start();
    let report = routines::arm().unwrap();
    let hooked = (a.run(), b.run());
    let _ = routines::disarm();
    let recorded = recording.finish();
    assert_eq!(hooked, plain);
    assert_eq!(recorded.counts(), each(2));
    let modules: std::collections::BTreeSet<_> =
        recorded.records.iter().map(|r| recorded.sites[&r.site]["module"].to_string()).collect();
    assert_eq!(modules.len(), 2, "{modules:?}");
    let ours = report.objects.iter().filter(|o| o.object.starts_with(dir.path().to_str().unwrap()));
    let libraries: std::collections::BTreeSet<_> = ours.map(|o| &o.library).collect();
    assert_eq!(libraries.len(), 2, "{report:?}");
}

/// The loader knows a library by the name inside it, so a copy needs another one.
fn copy_with_another_name(openblas: &Path, dir: &Path) -> std::path::PathBuf {
    let name = openblas.file_name().unwrap().to_str().unwrap();
    let other: String = name.chars().rev().skip(3).collect::<String>().chars().rev().collect();
    let other = format!("{}_b.so", &other[..other.len() - 2]);
    assert_eq!(other.len(), name.len());
    let mut bytes = std::fs::read(openblas).unwrap();
    let places: Vec<usize> = memmem(&bytes, name.as_bytes());
    assert!(!places.is_empty(), "{name} does not name itself");
    for at in places {
        bytes[at..at + name.len()].copy_from_slice(other.as_bytes());
    }
    for sibling in std::fs::read_dir(openblas.parent().unwrap()).unwrap() {
        let sibling = sibling.unwrap().path();
        if sibling != openblas {
            let _ = std::os::unix::fs::symlink(&sibling, dir.join(sibling.file_name().unwrap()));
        }
    }
    let path = dir.join(other);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn memmem(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    let starts = haystack.iter().enumerate().filter(|(_, b)| **b == needle[0]).map(|(i, _)| i);
    starts.filter(|&i| haystack[i..].starts_with(needle)).collect()
}

#[test]
fn objects_loaded_later_are_seen_after_a_rescan() {
    let _alone = alone();
    let Some(openblas) = openblas() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = caller(dir.path(), "later", &openblas, &[]);
    let recording = Recording::start();
    let before = routines::arm().unwrap();
    let library = Library::open(&path, libc::RTLD_LAZY | libc::RTLD_LOCAL);
    library.run();
    let rescanned = routines::rescan().unwrap();
    library.run();
    assert_eq!(routines::rescan().unwrap().armed, rescanned.armed);
    let _ = routines::disarm();
    assert_eq!(rescanned.armed, before.armed + CALLED.len());
    assert_eq!(recording.finish().counts(), each(1));
    assert_eq!(routines::rescan().unwrap().armed, 0, "nothing is armed by a rescan");
}

#[test]
fn a_slot_that_somebody_else_changed_is_left_alone() {
    let _alone = alone();
    let Some((_dir, library)) = compiled("foreign", &["-DVIA_TABLE=1", "-Wl,-z,norelro"]) else {
        return;
    };
    let slot = library.symbol("table").cast::<usize>();
    routines::arm().unwrap();
    // SAFETY: the table lies in writable data, and nobody calls through it meanwhile.
    let wrapper = unsafe { slot.replace(4711) };
    let report = routines::disarm();
    assert_eq!(report.not_armed.len(), 1, "{report:?}");
    assert!(report.not_armed[0].what.contains("scipy_cblas_sgemm64_"), "{report:?}");
    // SAFETY: as above.
    let held = unsafe { slot.replace(wrapper) };
    assert_eq!(held, 4711);
    // The wrapper works on, and records nothing.
    let recording = Recording::start();
    library.run();
    assert!(recording.finish().records.is_empty());
}

#[test]
fn threads_call_while_slots_come_and_go() {
    let _alone = alone();
    let Some((_dir, library)) = compiled("threads", &["-Wl,-z,lazy"]) else {
        return;
    };
    let small: extern "C" fn(f64) -> f64 =
        // SAFETY: the function's type in calls.c.
        unsafe { std::mem::transmute(library.symbol("small")) };
    let recording = Recording::start();
    let done = std::sync::atomic::AtomicBool::new(false);
    let calls: usize = std::thread::scope(|scope| {
        let worker = || {
            let mut calls = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let value = f64::from(calls as u32 % 1000);
                assert_eq!(small(value), 2.0 * value + 6.0);
                calls += 1;
            }
            calls
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        for cycle in 0..1000 {
            let report = routines::arm().unwrap();
            assert!(report.symbols.contains_key("scipy_cblas_ddot64_"), "cycle {cycle}: {report:?}");
            let report = routines::disarm();
            assert!(report.not_armed.is_empty(), "cycle {cycle}: {report:?}");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    let recorded = recording.finish();
    let seen = recorded.records.len() + recorded.lost as usize;
    assert!(seen > 0 && seen <= calls, "{seen} of {calls} calls were seen");
    assert!(recorded.records.iter().all(|r| routine_call(r).m == 4 && r.depth == 0));
}
