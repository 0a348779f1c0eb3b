//! The crates that write to shared memory, patch other libraries and hand out work, under the compiler's sanitizers.

use std::env::consts::ARCH;

use anyhow::Result;

use super::plan::Plan;
use super::runner;
use super::step::{Need, Runs, Step};
use super::tier::{self, Tier};
use crate::session::Session;
use crate::tools;

/// Both take long, and find what the tests of each change rarely show.
pub const TESTS: &[Step] = &[
    Step {
        name: "asan",
        what: "the tests of the recording, the hooks and the kernel under AddressSanitizer",
        runs: Runs::InNightly,
        after: &["tools"],
        beside: None,
        needs: &[Need::Linux, Need::Program("gcc")],
        run: address,
    },
    Step {
        name: "tsan",
        what: "the tests of the recording under ThreadSanitizer",
        runs: Runs::InNightly,
        after: &["tools"],
        beside: None,
        needs: &[Need::Linux, Need::DebianRoot],
        run: thread,
    },
];

/// Tests that measure the process's memory, of which the sanitizer's own is the most.
const MEASURE_MEMORY: &str = "not test(=buffer::memory_does_not_grow_with_the_calls_and_goes_back_when_it_is_trimmed) \
                              & not test(=memory::fresh_memory_is_touched_when_asked_for)";

/// With the toolchain of the other steps: its runtime comes with it, and a standard library that is not instrumented
/// hides nothing of our own accesses. What lives for the whole process by intent is no leak.
fn address(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    tools::ensure(session, &tools::NEXTEST)?;
    let mut command = session.project.cargo();
    command
        .args(["nextest", "run", "--locked", "--profile", Tier::All.nextest_profile()])
        .args(["-p", "raptors-recording", "-p", "raptors-hooks", "-p", "raptors-kernel", "-E", MEASURE_MEMORY])
        .args(["--target", &format!("{ARCH}-unknown-linux-gnu")])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .env(tier::VARIABLE, Tier::All.name());
    runner::run(session, &mut command, runner::is_summary_of_nextest).map(drop)
}

/// The sanitizer makes system calls of its own, which this test's filter kills.
const NOT_THREADS: &[&str] = &["--skip", "without_system_calls"];

/// The standard library has to be instrumented too, or its locks order nothing. Debian packages its source.
fn thread(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    let project = session.project;
    let mut script = project.command(project.root().join("scripts/thread-sanitizer"));
    script
        .args(["-p", "raptors-recording", "--lib", "--test", "integration", "--no-fail-fast", "--"])
        .args(NOT_THREADS)
        .env(tier::VARIABLE, Tier::All.name());
    runner::run(session, &mut script, |line| line.starts_with("test result: ")).map(drop)
}
