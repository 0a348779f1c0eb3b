//! Real files cut off and damaged: refused or read, never a panic.

use proptest::prelude::*;
use raptors_trace::analysis::imports::read_bytes;

use super::support::{member, numpy};

/// Small real modules: ELF of Linux, Mach-O of macOS.
fn modules() -> Option<Vec<Vec<u8>>> {
    let platforms = ["manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "macosx_14_0_arm64"];
    platforms.iter().map(|platform| Some(member(&numpy(platform)?, "linalg/lapack_lite.cpython"))).collect()
}

#[test]
fn a_module_that_was_cut_off_is_refused() {
    let Some(modules) = modules() else { return };
    for module in &modules {
        assert_eq!(read_bytes("x.so", module).unwrap()[0].counts.lapack, 6);
        for length in (0..module.len()).step_by(251) {
            // What lies behind all tables (a signature, say) is not missed.
            if let Ok(files) = read_bytes("x.so", &module[..length]) {
                assert_eq!(files[0].counts.lapack, 6, "{length} of {} bytes", module.len());
            }
        }
        assert!(read_bytes("x.so", &module[..module.len() / 2]).is_err());
    }
}

#[test]
fn a_damaged_module_never_panics() {
    let Some(modules) = modules() else { return };
    let headers = 0_usize..4096;
    let spots = proptest::collection::vec((headers, any::<u8>()), 1..16);
    let ends = proptest::collection::vec((0_usize..8192, any::<u8>()), 0..16);
    let runner = &mut proptest::test_runner::TestRunner::default();
    runner
        .run(&(0..modules.len(), spots, ends), |(which, spots, ends)| {
            let mut bytes = modules[which].clone();
            let length = bytes.len();
            for (at, value) in spots {
                bytes[at] = value;
            }
            // Section headers stand at the end of an ELF file, symbols and names at that of Mach-O.
            for (at, value) in ends {
                bytes[length - 1 - at] = value;
            }
            let _ = read_bytes("x.so", &bytes);
            Ok(())
        })
        .unwrap();
}
