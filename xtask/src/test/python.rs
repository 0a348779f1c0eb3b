//! The checks of the Python package.

use anyhow::Result;

use super::runner;
use super::step::Step;
use crate::environment;
use crate::session::Session;

/// The environment that the rest needs.
pub const SETUP: &[Step] = &[Step {
    name: "venv",
    what: "the virtual environment with the pinned packages",
    after: &["tools"],
    beside: None,
    needs: &[],
    run: |session| environment::prepare(session, environment::DEVELOP),
}];

/// What runs nothing of ours.
pub const STATIC: &[Step] = &[
    Step {
        name: "ruff",
        what: "the Python code is formatted and without a warning",
        after: &["venv"],
        beside: None,
        needs: &[],
        run: ruff,
    },
    Step {
        name: "mypy",
        what: "the types of the Python code",
        after: &["venv"],
        beside: None,
        needs: &[],
        run: |session| module(session, &["mypy"]).map(drop),
    },
];

/// The name of the step that leaves the processors idle for minutes: most of its time the kernel sets or removes
/// probes.
pub const TRACERS: &str = "tracers";

/// What has the system's tracers look at the installed package; tests/python/conftest.py lists it, and no other test
/// may run meanwhile.
pub const TRACED: &[Step] = &[Step {
    name: TRACERS,
    what: "the package under bpftrace, DTrace and perf, from Python",
    after: &["tools", "venv", "extension"],
    beside: None,
    needs: &[],
    run: |session| pytest(session, &["-m", "tracers"]),
}];

/// What else runs the installed package.
pub const TESTS: &[Step] = &[Step {
    name: "pytest",
    what: "the package, the command line and the observers, from Python",
    after: &["tools", "venv", "extension"],
    beside: None,
    needs: &[],
    run: |session| pytest(session, &["-m", "not tracers", "-n", "2", "--dist", "loadfile"]),
}];

fn module(session: &mut Session<'_>, arguments: &[&str]) -> Result<String> {
    let mut python = session.project.python();
    session.run(python.arg("-m").args(arguments))
}

fn ruff(session: &mut Session<'_>) -> Result<()> {
    module(session, &["ruff", "check"])?;
    module(session, &["ruff", "format", "--check"]).map(drop)
}

fn pytest(session: &mut Session<'_>, which: &[&str]) -> Result<()> {
    let mut python = session.project.python();
    // -rs prints the reason of every skip; the slowest tests are named, as all of CI has 40 minutes.
    python.args(["-m", "pytest", "-rs", "--durations=12", "tests/python"]).args(which);
    let is_summary = |line: &str| line.starts_with("==") && line.contains(" in ");
    let output = runner::run(session, &mut python, is_summary)?;
    for line in output.lines().filter(|line| line.starts_with("SKIPPED ")) {
        session.note(line);
    }
    Ok(())
}
