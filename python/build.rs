//! Links the extension so that system tracers find the probes in it, and learns which Python it is built for.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // `cfg(Py_GIL_DISABLED)`: whether the interpreter of the build is free-threaded.
    pyo3_build_config::use_pyo3_cfgs();
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Without this, rust-lld packs segments so that addresses and file offsets differ, and DTrace and perf put
        // their probes at wrong places. GNU ld ignores it and does not need it.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,separate-loadable-segments");
    }
}
