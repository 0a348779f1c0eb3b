//! The checks of the Rust crates.

use std::process::Command;

use anyhow::Result;

use super::plan::Plan;
use super::python::TRACERS;
use super::runner;
use super::step::{Need, Runs, Step};
use super::tier::Tier;
use crate::session::Session;
use crate::tools;

/// What needs no test binary.
pub const STATIC: &[Step] = &[
    Step {
        name: "fmt",
        what: "the Rust code is formatted",
        runs: Runs::Always,
        after: &[],
        beside: None,
        needs: &[],
        run: |session, _| cargo(session, &["fmt", "--all", "--check", "--", "--color=never"]),
    },
    Step {
        name: "clippy",
        what: "no warning from the compiler or Clippy in any target",
        runs: Runs::Always,
        after: &["venv"],
        beside: Some(TRACERS),
        needs: &[],
        run: |session, _| cargo(session, &["clippy", "--locked", "--workspace", "--all-targets", "--", "-Dwarnings"]),
    },
    Step {
        name: "rustdoc",
        what: "the documentation builds without a warning",
        runs: Runs::InAll,
        after: &["venv"],
        beside: Some(TRACERS),
        needs: &[],
        run: rustdoc,
    },
    Step {
        name: "deny",
        what: "licences, banned crates and sources of every dependency",
        runs: Runs::InAll,
        after: &[],
        beside: Some(TRACERS),
        needs: &[],
        run: deny,
    },
    Step {
        name: "features",
        what: "the kernel and the probes compile with each feature off",
        runs: Runs::InAll,
        after: &[],
        beside: Some(TRACERS),
        needs: &[],
        run: features,
    },
];

/// What runs code.
pub const TESTS: &[Step] = &[
    Step {
        name: "build",
        what: "the tests of every crate compile",
        runs: Runs::Always,
        after: &["tools", "venv"],
        beside: Some(TRACERS),
        needs: &[],
        run: build,
    },
    Step {
        name: "nextest",
        what: "the tests of every crate",
        runs: Runs::Always,
        after: &["tools", "venv"],
        beside: None,
        needs: &[],
        run: nextest,
    },
    Step {
        name: "doctest",
        what: "the examples in the documentation",
        runs: Runs::InAll,
        after: &["venv"],
        beside: Some(TRACERS),
        needs: &[],
        run: doctest,
    },
    Step {
        name: "callgrind",
        what: "probes and spans that are off cost no instruction per element",
        runs: Runs::InAll,
        after: &["tools"],
        beside: None,
        needs: &[Need::Linux, Need::Program("valgrind")],
        run: callgrind,
    },
    Step {
        name: "loom",
        what: "the pool hands out work rightly in every order of its steps",
        runs: Runs::InAll,
        after: &[],
        beside: Some(TRACERS),
        needs: &[],
        run: |session, _| {
            let kernel = ["test", "--locked", "-p", "raptors-kernel", "--lib"];
            cargo(session, &[&kernel[..], &["--features", "loom", "gate"]].concat())
        },
    },
    Step {
        name: "fuzz",
        what: "no reader panics on damaged input, or takes much memory or time",
        runs: Runs::InAll,
        after: &[],
        beside: Some(TRACERS),
        needs: &[],
        run: fuzz,
    },
];

fn cargo(session: &mut Session<'_>, arguments: &[&str]) -> Result<()> {
    let mut command = session.project.cargo();
    session.run(command.args(arguments)).map(drop)
}

fn rustdoc(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    let mut command = session.project.cargo();
    command.args(["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings");
    session.run(&mut command).map(drop)
}

fn deny(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    tools::ensure(session, &tools::DENY)?;
    cargo(session, &["deny", "--all-features", "check", "bans", "licenses", "sources"])
}

/// Each feature off and on by itself, without the dependents that would switch it on again.
fn features(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    let sets: [&[&str]; 8] = [
        &["raptors-probes", "--no-default-features"],
        &["raptors-probes", "--no-default-features", "--features", "usdt-probes"],
        &["raptors-probes", "--no-default-features", "--features", "observer"],
        &["raptors-kernel", "--no-default-features"],
        &["raptors-kernel", "--no-default-features", "--features", "probes"],
        &["raptors-kernel", "--no-default-features", "--features", "spans"],
        &["raptors-flamegraphs", "--all-features"],
        &["raptors-signposts", "--no-default-features"],
    ];
    for set in sets {
        let mut command = session.project.cargo();
        // Warnings are errors here too: what a feature leaves unused shows only with it off. A span
        // that is off is a unit, and is bound all the same.
        command.args(["clippy", "--locked", "-p"]).args(set);
        command.args(["--", "-Dwarnings", "-Aclippy::let_unit_value"]);
        session.run(&mut command)?;
    }
    Ok(())
}

fn nextest(session: &mut Session<'_>, plan: &Plan) -> Result<()> {
    tools::ensure(session, &tools::NEXTEST)?;
    let record = session.project.root().join("target/nextest").join(plan.tier.nextest_profile()).join("junit.xml");
    // One of an earlier run says nothing about this one, should this one not come to write its own.
    let _ = std::fs::remove_file(&record);
    let filter = plan.nextest_filter();
    let result = run_nextest(session, plan, &filter.iter().map(String::as_str).collect::<Vec<_>>());
    runner::note_skips(session, &record);
    result
}

/// One set of features for every run, so that nothing is built twice.
fn nextest_of(session: &Session<'_>, plan: &Plan, arguments: &[&str]) -> Command {
    let mut command = session.project.cargo();
    command
        .args(["nextest", "run", "--locked", "--workspace"])
        .args(["--profile", plan.tier.nextest_profile(), "--features"])
        .arg("raptors-flamegraphs/capture,raptors-signposts/layer")
        .args(arguments);
    command
}

fn build(session: &mut Session<'_>, plan: &Plan) -> Result<()> {
    tools::ensure(session, &tools::NEXTEST)?;
    let mut command = nextest_of(session, plan, &["--no-run"]);
    session.run(&mut command).map(drop)
}

fn run_nextest(session: &mut Session<'_>, plan: &Plan, arguments: &[&str]) -> Result<()> {
    let mut command = nextest_of(session, plan, arguments);
    runner::run(session, &mut command, runner::is_summary_of_nextest).map(drop)
}

fn doctest(session: &mut Session<'_>, _: &Plan) -> Result<()> {
    cargo(session, &["test", "--locked", "--workspace", "--doc"])
}

fn callgrind(session: &mut Session<'_>, plan: &Plan) -> Result<()> {
    tools::ensure(session, &tools::NEXTEST)?;
    let filter = "package(raptors-kernel) & test(/^cost::/)";
    run_nextest(session, plan, &["--run-ignored", "all", "-E", filter])
}

/// Seconds of each target; the same inputs in every run of a change, others every night.
fn fuzz(session: &mut Session<'_>, plan: &Plan) -> Result<()> {
    let length: &[&str] = match plan.tier {
        Tier::Nightly => &["--seconds", "600"],
        _ => &["--seconds", "5", "--seed", "1"],
    };
    cargo(session, &[&["run", "--locked", "-p", "raptors-fuzz", "--"], length].concat())
}
