//! Values whose multiplications differ, and the backends whose results are promised.
#![allow(dead_code, reason = "each of the two test programs uses its part")]

#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::process::Command;
#[cfg(target_os = "linux")]
use std::sync::OnceLock;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;
use raptors_kernel::{Backend, Element, Leaf, Request, Stores, available, scaled};

/// An element with its value one.
pub trait Bits: Element {
    const ONE: Self;
}

impl Bits for f32 {
    const ONE: f32 = 1.0;
}

impl Bits for f64 {
    const ONE: f64 = 1.0;
}

/// Zeros, ones, denormals, extremes, infinities, quiet and signalling NaNs with payloads.
pub const SPECIAL_F32: &[u32] = &[
    0,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x4020_0000,
    1,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0abc,
    0x7fff_ffff,
    0x7f80_0001,
    0xff80_0def,
    0x7fbf_ffff,
];

/// The same for `f64`.
pub const SPECIAL_F64: &[u64] = &[
    0,
    1 << 63,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x4004_0000_0000_0000,
    1,
    1 << 63 | 1,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0abc,
    0x7fff_ffff_ffff_ffff,
    0x7ff0_0000_0000_0001,
    0xfff0_0000_0000_0def,
    0x7ff7_ffff_ffff_ffff,
];

/// Any bits, often the special ones.
pub fn any_f32() -> impl Strategy<Value = f32> {
    prop_oneof![prop::sample::select(SPECIAL_F32), any::<u32>()].prop_map(f32::from_bits)
}

/// Any bits, often the special ones.
pub fn any_f64() -> impl Strategy<Value = f64> {
    prop_oneof![prop::sample::select(SPECIAL_F64), any::<u64>()].prop_map(f64::from_bits)
}

/// The backends of this machine that use the kernel's own loops.
pub fn own_backends() -> Vec<Backend> {
    let own = |leaf: Leaf| matches!(leaf, Leaf::Scalar | Leaf::Simd(_));
    let mut backends = available();
    backends.retain(|backend| match backend {
        Backend::Whole(leaf) => own(*leaf),
        Backend::Chunked(leaf) | Backend::Parallel(leaf) => leaf.is_none_or(own),
        Backend::Hybrid(leaf) => own(*leaf),
        _ => false,
    });
    backends
}

/// Those of them that have streaming stores.
pub fn streaming_backends() -> Vec<Backend> {
    let mut backends = own_backends();
    backends.retain(|backend| {
        let name = backend.name();
        let streams = !name.contains("scalar") && !name.contains('+');
        let request = Request { backend: Some(*backend), stores: Some(Stores::Stream), ..Request::default() };
        assert_eq!(scaled(&[1.0f32], 2.0, &request).is_ok(), streams, "{name}");
        streams
    });
    backends
}

/// One test at a time, where a test sets what belongs to the whole process.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for a test that needs OpenBLAS. None where there is no OpenBLAS, which is then printed as a skip.
#[cfg(target_os = "linux")]
pub fn alone_with_openblas() -> Option<MutexGuard<'static, ()>> {
    let alone = alone();
    openblas_found().then_some(alone)
}

/// Makes an OpenBLAS known to this process: the one named, NumPy's bundled one, or the system's.
#[cfg(target_os = "linux")]
fn openblas_found() -> bool {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let named = std::env::var_os("RAPTORS_OPENBLAS").is_some();
        let bundled = if named { None } else { bundled_with_numpy() };
        if let Some(path) = bundled {
            // SAFETY: the caller holds the guard of `alone`, and so does every test of its program that reads the
            // environment.
            unsafe { std::env::set_var("RAPTORS_OPENBLAS", path) };
        }
        raptors_kernel::openblas_library().map(drop).map_err(|error| error.to_string())
    });
    match found {
        Ok(()) => true,
        Err(why) => {
            skip(why);
            false
        }
    }
}

#[cfg(target_os = "linux")]
fn bundled_with_numpy() -> Option<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let named = std::env::var_os("RAPTORS_TRACE_PYTHON").map(PathBuf::from);
    let pythons = [named, Some(root.join(".venv/bin/python")), Some("python3".into())];
    let ask = "import numpy, glob, os; print(glob.glob(os.path.join(os.path.dirname(\
               numpy.__file__), '..', 'numpy.libs', '*openblas*'))[0])";
    pythons.into_iter().flatten().find_map(|python| {
        let output = Command::new(python).args(["-c", ask]).output().ok()?;
        let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        (output.status.success() && path.is_file()).then_some(path)
    })
}

/// Skips a test and prints the reason. Fails if everything should be available: on a CI machine with Linux, as root.
pub fn skip(reason: &str) {
    let ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!(ci && is_linux_root()), "cannot be skipped on this machine: {reason}");
    println!("skipped: {reason}");
}

fn is_linux_root() -> bool {
    // Under /proc, every process's folder belongs to its user.
    #[cfg(unix)]
    let root = std::fs::metadata("/proc/self").is_ok_and(|entry| std::os::unix::fs::MetadataExt::uid(&entry) == 0);
    #[cfg(not(unix))]
    let root = false;
    root
}

/// Runs the ignored test `name` of this program in a new process, with variables set and the kernel's others unset, and
/// returns its output.
pub fn in_new_process(name: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", name, "--nocapture"]);
    for variable in ["RAPTORS_BACKEND", "RAPTORS_THREADS", "RAPTORS_ALLOC", "RAPTORS_OPENBLAS"] {
        command.env_remove(variable);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "there is no ignored test {name}: {said}");
    said
}
