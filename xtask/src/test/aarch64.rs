//! The Rust code for 64-bit Arm Linux: its types, and the tests of the crates that need nothing of a machine, emulated.

use std::process::Command;

use anyhow::{Context, Result};

use super::plan::Plan;
use super::step::{Need, Runs, Step};
use crate::session::Session;

/// The target of rustc.
const TARGET: &str = "aarch64-unknown-linux-gnu";
/// What Debian forky has to have: a Rust with the target's standard library, a linker, an emulator.
const PACKAGES: [&str; 8] = [
    "rustc",
    "cargo",
    "gcc",
    "libc6-dev",
    "gcc-aarch64-linux-gnu",
    "libc6-dev-arm64-cross",
    "libstd-rust-dev:arm64",
    "qemu-user",
];
/// The tests that an emulator runs as a processor does. Those of `recording/tests` kill processes, forbid system calls
/// and limit files, which meets the emulator as well.
const EMULATED: [&[&str]; 2] = [
    &["--lib", "--tests", "-p", "raptors-routines", "-p", "raptors-signposts"],
    &["--lib", "-p", "raptors-recording", "-p", "raptors-kernel"],
];

/// The type check and the emulated tests.
pub const TESTS: &[Step] = &[Step {
    name: "aarch64",
    what: "the code type-checks for 64-bit Arm Linux; the tests of the pure crates pass under qemu",
    runs: Runs::InNightly,
    after: &[],
    beside: None,
    needs: &[Need::DebianRoot],
    run: check_and_emulate,
}];

fn check_and_emulate(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    session.run(&mut cargo(session, &["check", "--workspace"])).context("the types")?;
    for tests in EMULATED {
        session.run(cargo(session, &["test", "--no-fail-fast"]).args(tests)).context("the emulated tests")?;
    }
    Ok(())
}

/// Cargo of Debian forky, for the target.
fn cargo(session: &Session<'_>, arguments: &[&str]) -> Command {
    let root = session.project.root();
    let mut command = Command::new(root.join("scripts/in-forky"));
    command.args(PACKAGES.iter().flat_map(|package| ["--with", *package]));
    command.args(["--", "env", "CARGO_TARGET_DIR=/target", "PYO3_NO_PYTHON=1", "PYO3_CROSS_PYTHON_VERSION=3.11"]);
    command.arg("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc");
    command.arg("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64");
    command.args(["CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc", "cargo"]);
    command.args(arguments).args(["--locked", "--target", TARGET]).current_dir(root);
    command
}
