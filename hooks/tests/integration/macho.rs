//! Symbol pointers of the real macOS wheel of NumPy, found on any system.

use raptors_hooks::macho::{Layout, SymbolPointer, symbol_pointers};
use raptors_routines::{Width, parse_symbol};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support;

const NUMPY: &str = "2.4.6";

/// A file of the wheel: its name and its bytes.
type Module = (String, Vec<u8>);

/// The wheel's extension modules. `None` where the wheel cannot be had, which was said.
fn extensions() -> Option<&'static [Module]> {
    static UNPACKED: OnceLock<Option<Vec<Module>>> = OnceLock::new();
    UNPACKED.get_or_init(unpacked).as_deref()
}

fn unpacked() -> Option<Vec<Module>> {
    let wheel = wheel()?;
    let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); \
                  [z.extract(n, sys.argv[2]) for n in z.namelist() if n.endswith('.so')]";
    // A directory of this process: the tests may run in several at once, and what one unpacks another may be reading.
    let out = wheel.with_extension(std::process::id().to_string());
    let status = Command::new("python3").args(["-c", script]).args([&wheel, &out]).status();
    assert!(status.expect("it downloaded the wheel").success());
    let names = ["_core/_multiarray_umath", "linalg/_umath_linalg", "linalg/lapack_lite"];
    let read = |name: &str| {
        let path = out.join(format!("numpy/{name}.cpython-311-darwin.so"));
        let mut bytes = Vec::new();
        std::fs::File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
        (name.to_owned(), bytes)
    };
    let read = names.map(read).into();
    std::fs::remove_dir_all(&out).unwrap();
    Some(read)
}

/// Downloads the wheel once into the build directory; whole or not at all, as several processes may want it at once.
fn wheel() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("macos-wheel");
    let own = dir.with_extension(std::process::id().to_string());
    let find = || {
        let files = std::fs::read_dir(&dir).ok()?;
        files.map(|f| f.unwrap().path()).find(|p| p.extension().is_some_and(|e| e == "whl"))
    };
    if find().is_none() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]);
        pip.args(["--platform", "macosx_14_0_arm64", "--python-version", "3.11"]);
        pip.arg("-d").arg(&own).arg(format!("numpy=={NUMPY}"));
        let done = pip.status().is_ok_and(|s| s.success());
        if !done {
            support::skip("pip cannot download NumPy's wheel for macOS");
            return None;
        }
        // Where another process was first, its directory stays.
        if std::fs::rename(&own, &dir).is_err() {
            std::fs::remove_dir_all(&own).unwrap();
        }
    }
    find()
}

fn pointers_of(name: &str) -> Option<(Vec<SymbolPointer>, Layout)> {
    let (_, bytes) = extensions()?.iter().find(|(n, _)| n == name).unwrap();
    Some((symbol_pointers(bytes).unwrap(), Layout::parse(bytes).unwrap()))
}

#[test]
fn numpys_accelerate_routines_are_found_as_slots() {
    let Some((pointers, layout)) = pointers_of("_core/_multiarray_umath") else {
        return;
    };
    let routines: Vec<&SymbolPointer> = pointers.iter().filter(|p| parse_symbol(&p.symbol).is_some()).collect();
    let gemm = routines.iter().find(|p| p.symbol == "cblas_sgemm$NEWLAPACK$ILP64");
    let gemm = gemm.unwrap_or_else(|| panic!("no sgemm among {routines:?}"));
    let (routine, width, _) = parse_symbol(&gemm.symbol).unwrap();
    assert_eq!((routine.name, width), ("cblas_sgemm", Width::Ilp64));
    let names: std::collections::BTreeSet<_> = routines.iter().map(|p| &p.symbol).collect();
    assert_eq!(names.len(), 22, "{names:?}");
    assert!(names.iter().all(|n| n.starts_with("cblas_")), "no vDSP and no vForce: {names:?}");
    for pointer in &pointers {
        assert_eq!(pointer.address % 8, 0, "{pointer:?}");
        let home = layout.segments.iter().find(|s| s.addresses.contains(&pointer.address));
        assert!(home.is_some_and(|s| s.name.starts_with("__DATA")), "{pointer:?}");
        assert!(!pointer.authenticated);
    }
    let places: std::collections::HashSet<_> = pointers.iter().map(|p| p.address).collect();
    assert_eq!(places.len(), pointers.len(), "two symbols in one place");
}

#[test]
fn a_lazy_pointer_leads_into_its_own_image_until_the_first_call() {
    let Some((_, bytes)) = extensions().and_then(|all| all.iter().find(|(n, _)| n == "linalg/_umath_linalg")) else {
        return;
    };
    let layout = Layout::parse(bytes).unwrap();
    let found = symbol_pointers(bytes).unwrap();
    let solve = found.iter().find(|p| parse_symbol(&p.symbol).is_some_and(|r| r.0.name == "dgesv"));
    let solve = solve.unwrap_or_else(|| panic!("no dgesv in {found:?}"));
    assert!(solve.lazy, "{solve:?}");
    // What the file holds in the place is the address of the image's own stub, which asks dyld.
    let segment = layout.segments.iter().find(|s| s.addresses.contains(&solve.address)).unwrap();
    let offset = (segment.file_offset + solve.address - segment.addresses.start) as usize;
    let held = u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
    let code = &layout.segment("__TEXT").unwrap().addresses;
    assert!(code.contains(&held), "{held:#x} of {solve:?} is not in {code:x?}");
    assert!(!layout.program && !layout.in_shared_cache);
}

#[test]
fn damaged_images_are_refused_and_never_a_panic() {
    let Some(all) = extensions() else { return };
    let (_, bytes) = &all[2];
    assert!(symbol_pointers(bytes).is_ok());
    for length in (0..4096).chain((4096..bytes.len()).step_by(4099)) {
        let _ = symbol_pointers(&bytes[..length]);
    }
    let mut seed = 1_u64;
    for _ in 0..2000 {
        let mut damaged = bytes.clone();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            damaged[(seed >> 33) as usize % 4096] = (seed >> 24) as u8;
        }
        let _ = symbol_pointers(&damaged);
    }
    assert!(symbol_pointers(b"\x7fELF").is_err());
    assert!(symbol_pointers(&bytes[..3000]).is_err());
}
