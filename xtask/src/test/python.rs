//! The checks of the Python package.

use anyhow::Result;

use super::plan::Plan;
use super::runner;
use super::step::{Runs, Step};
use crate::environment;
use crate::session::{self, Session};

/// The environment that the rest needs.
pub const SETUP: &[Step] = &[Step {
    name: "venv",
    what: "the virtual environment with the pinned packages",
    runs: Runs::Always,
    after: &["tools"],
    beside: None,
    needs: &[],
    run: |session, _| environment::prepare(session, environment::DEVELOP),
}];

/// What runs nothing of ours.
pub const STATIC: &[Step] = &[
    Step {
        name: "ruff",
        what: "the Python code is formatted and without a warning",
        runs: Runs::Always,
        after: &["venv"],
        beside: None,
        needs: &[],
        run: ruff,
    },
    Step {
        name: "mypy",
        what: "the types of the Python code",
        runs: Runs::Always,
        after: &["venv"],
        beside: None,
        needs: &[],
        run: |session, _| module(session, &["mypy"]).map(drop),
    },
];

/// The name of the step that leaves the processors idle for minutes: most of its time the kernel sets or removes
/// probes.
pub const TRACERS: &str = "tracers";

/// Tests with the system's tracers (the marker `tracers`). No other test may run meanwhile.
pub const TRACED: &[Step] = &[
    Step {
        name: "one-per-tracer",
        what: "a quick test of the package under each of bpftrace, DTrace and perf",
        runs: Runs::InQuick,
        after: &["tools", "venv", "extension"],
        beside: None,
        needs: &[],
        run: |session, plan| pytest(session, plan, &["-m", "one_per_tracer"]),
    },
    Step {
        name: TRACERS,
        what: "the package under bpftrace, DTrace and perf, from Python",
        runs: Runs::InAll,
        after: &["tools", "venv", "extension"],
        beside: None,
        needs: &[],
        run: |session, plan| pytest(session, plan, &["-m", "tracers"]),
    },
];

/// All other tests with the installed package.
pub const TESTS: &[Step] = &[Step {
    name: "pytest",
    what: "the package, the command line and the observers, from Python",
    runs: Runs::Always,
    after: &["tools", "venv", "extension"],
    beside: None,
    needs: &[],
    run: |session, plan| pytest(session, plan, &["-m", "not tracers", "-n", "2", "--dist", "loadfile"]),
}];

fn module(session: &mut Session<'_>, arguments: &[&str]) -> Result<String> {
    let mut python = session.project.python();
    session.run(python.arg("-m").args(arguments))
}

fn ruff(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    module(session, &["ruff", "check"])?;
    module(session, &["ruff", "format", "--check"]).map(drop)
}

/// The exit code of pytest where no test is left to run.
const NO_TESTS: i32 = 5;

fn pytest(session: &mut Session<'_>, plan: &Plan, which: &[&str]) -> Result<()> {
    let files = plan.pytest_files(session.project.root());
    if files.is_empty() {
        session.note("no test file is left of those that changed");
        return Ok(());
    }
    let mut python = session.project.python();
    // -rs prints the reason of every skip; the slowest tests are named, as each run has its limit in minutes.
    python.args(["-m", "pytest", "-rs", "--durations=12"]).args(&files).args(which);
    let is_summary = |line: &str| line.starts_with("==") && line.contains(" in ");
    let output = match runner::run(session, &mut python, is_summary) {
        // The files of a change need not have tests of this kind. All files together do.
        Err(error) if plan.selection.is_some() && ended_with(&error, NO_TESTS) => return Ok(()),
        result => result?,
    };
    for line in output.lines().filter(|line| line.starts_with("SKIPPED ")) {
        session.note(line);
    }
    Ok(())
}

fn ended_with(error: &anyhow::Error, code: i32) -> bool {
    session::failed(error).is_some_and(|failed| failed.code() == Some(code))
}
