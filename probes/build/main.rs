//! Generates the probe functions from provider.d.

mod generate;
mod provider;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=provider.d");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rustc-check-cfg=cfg(usdt_macros)");
    if let Err(message) = run() {
        eprintln!("error: {message}");
        std::process::exit(1);
    }
    // A binary with probes has to be linked so that every tracer finds them.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg=-Wl,-z,separate-loadable-segments");
    }
}

fn run() -> Result<(), String> {
    let text = fs::read_to_string("provider.d").map_err(|error| format!("probes/provider.d: {error}"))?;
    let provider = provider::parse(&text).map_err(|error| format!("probes/provider.d: {error}"))?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    write(&out.join("probes.rs"), &generate::rust(&provider))?;
    let probes_wanted = env::var_os("CARGO_FEATURE_USDT_PROBES").is_some();
    if probes_wanted && env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") {
        write(&out.join("usdt.d"), &generate::usdt(&provider))?;
        usdt_macros(&out)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The probe macros for macOS; they need that system's `dtrace -h`.
#[cfg(all(target_os = "macos", feature = "usdt-probes"))]
fn usdt_macros(out: &Path) -> Result<(), String> {
    usdt::Builder::new(out.join("usdt.d"))
        .out_file("usdt.rs")
        .module("macros")
        .build()
        .map_err(|error| format!("the usdt crate, which runs `dtrace -h`: {error}"))?;
    println!("cargo:rustc-cfg=usdt_macros");
    Ok(())
}

/// Only macOS can generate its probes: elsewhere the arguments are type-checked, and the build says so.
#[cfg(not(all(target_os = "macos", feature = "usdt-probes")))]
fn usdt_macros(_: &Path) -> Result<(), String> {
    println!("cargo:warning=built without USDT probes: a build for macOS has them only when made on macOS");
    Ok(())
}
