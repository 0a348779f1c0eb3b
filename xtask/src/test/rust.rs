//! The checks of the Rust crates.

use std::path::Path;

use anyhow::{Result, bail};

use super::step::{Need, Step};
use crate::session::Session;
use crate::tools;

/// What needs no test binary.
pub const STATIC: &[Step] = &[
    Step {
        name: "fmt",
        what: "the Rust code is formatted",
        after: &[],
        needs: &[],
        run: |session| cargo(session, &["fmt", "--all", "--check", "--", "--color=never"]),
    },
    Step {
        name: "clippy",
        what: "no warning from the compiler or Clippy in any target",
        after: &["venv"],
        needs: &[],
        run: |session| {
            cargo(
                session,
                &[
                    "clippy",
                    "--locked",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-Dwarnings",
                ],
            )
        },
    },
    Step {
        name: "rustdoc",
        what: "the documentation builds without a warning",
        after: &["venv"],
        needs: &[],
        run: rustdoc,
    },
    Step {
        name: "deny",
        what: "licences, banned crates and sources of every dependency",
        after: &[],
        needs: &[],
        run: deny,
    },
    Step {
        name: "features",
        what: "the kernel and the probes compile with each feature off",
        after: &[],
        needs: &[],
        run: features,
    },
];

/// What runs code.
pub const TESTS: &[Step] = &[
    Step {
        name: "nextest",
        what: "the tests of every crate",
        after: &["tools", "venv", "extension"],
        needs: &[],
        run: nextest,
    },
    Step {
        name: "doctest",
        what: "the examples in the documentation",
        after: &["venv"],
        needs: &[],
        run: doctest,
    },
    Step {
        name: "callgrind",
        what: "probes and spans that are off cost no instruction per element",
        after: &["tools"],
        needs: &[Need::Linux, Need::Program("valgrind")],
        run: callgrind,
    },
    Step {
        name: "fuzz",
        what: "the fuzz targets compile",
        after: &[],
        needs: &[],
        run: fuzz,
    },
];

fn cargo(session: &mut Session<'_>, arguments: &[&str]) -> Result<()> {
    let mut command = session.project.cargo();
    session.run(command.args(arguments)).map(drop)
}

fn rustdoc(session: &mut Session<'_>) -> Result<()> {
    let mut command = session.project.cargo();
    command
        .args(["doc", "--locked", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-Dwarnings");
    session.run(&mut command).map(drop)
}

fn deny(session: &mut Session<'_>) -> Result<()> {
    tools::ensure(session, &tools::DENY)?;
    cargo(
        session,
        &[
            "deny",
            "--all-features",
            "check",
            "bans",
            "licenses",
            "sources",
        ],
    )
}

/// Each feature off and on by itself, without the dependents that would switch it on again.
fn features(session: &mut Session<'_>) -> Result<()> {
    let sets: [&[&str]; 5] = [
        &["raptors-probes", "--no-default-features"],
        &["raptors-kernel", "--no-default-features"],
        &[
            "raptors-kernel",
            "--no-default-features",
            "--features",
            "probes",
        ],
        &[
            "raptors-kernel",
            "--no-default-features",
            "--features",
            "spans",
        ],
        &["raptors-flamegraphs", "--all-features"],
    ];
    for set in sets {
        let mut command = session.project.cargo();
        // Warnings are errors here too: what a feature leaves unused shows only with it off.
        command
            .args(["clippy", "--locked", "-p"])
            .args(set)
            .args(["--", "-Dwarnings"]);
        session.run(&mut command)?;
    }
    Ok(())
}

fn nextest(session: &mut Session<'_>) -> Result<()> {
    tools::ensure(session, &tools::NEXTEST)?;
    let mut command = session.project.cargo();
    command.args([
        "nextest",
        "run",
        "--locked",
        "--workspace",
        "--profile",
        "ci",
    ]);
    let result = session.run_live(&mut command);
    note_skips(session)?;
    note_summary(session, &result?, |line| {
        line.trim_start().starts_with("Summary [")
    })
}

/// Repeats the last line of a test runner that `is_summary`; none means that it tested nothing.
pub fn note_summary(
    session: &mut Session<'_>,
    output: &str,
    is_summary: impl Fn(&str) -> bool,
) -> Result<()> {
    let Some(line) = output.lines().rfind(|line| is_summary(line)) else {
        bail!("the test runner printed no summary, so nothing is known to have run");
    };
    session.note(line.trim());
    Ok(())
}

/// Repeats the reasons of the tests that skipped themselves, from nextest's own record: it does
/// not show what a passing test prints.
fn note_skips(session: &mut Session<'_>) -> Result<()> {
    let record = session.project.target().join("nextest/ci/junit.xml");
    let Ok(text) = std::fs::read_to_string(&record) else {
        return Ok(());
    };
    let mut reasons: Vec<&str> = text.lines().filter_map(skip_reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for reason in reasons {
        session.note(unescape(reason));
    }
}

/// The five entities that XML has without a declaration.
fn unescape(text: &str) -> String {
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    entities
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| {
            text.replace(entity, character)
        })
}

/// The reason, where `line` of a test's output is one.
fn skip_reason(line: &str) -> Option<&str> {
    let start = line.find("skipped: ").or_else(|| line.find("skipping: "))?;
    // The first line of an output stands behind the tag that opens it.
    let before = &line[..start];
    (before.trim().is_empty() || before.ends_with('>')).then(|| {
        let reason = &line[start..];
        reason.split('<').next().unwrap_or(reason).trim_end()
    })
}

fn doctest(session: &mut Session<'_>) -> Result<()> {
    cargo(session, &["test", "--locked", "--workspace", "--doc"])
}

fn callgrind(session: &mut Session<'_>) -> Result<()> {
    let mut command = session.project.cargo();
    command
        .args([
            "test",
            "--locked",
            "--release",
            "-p",
            "raptors-kernel",
            "--test",
            "callgrind",
        ])
        .args(["--", "--ignored", "--nocapture"]);
    let output = session.run(&mut command)?;
    if output.contains(" 0 passed") {
        bail!("no test counted instructions:\n{output}");
    }
    Ok(())
}

/// Fuzzing itself needs a nightly compiler; whether the targets still fit the code does not.
fn fuzz(session: &mut Session<'_>) -> Result<()> {
    let mut command = session.project.cargo();
    command.args([
        "check",
        "--locked",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target-dir",
    ]);
    command.arg(session.project.target());
    // Nothing is linked, so libFuzzer's C++ need not be compiled: the build script takes this
    // file's name on trust.
    command.env(
        "CUSTOM_LIBFUZZER_PATH",
        session.project.target().join("libfuzzer.a"),
    );
    session.run(&mut command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    #[test]
    fn the_reason_of_a_skip_is_found_in_a_record() {
        assert_eq!(
            skip_reason("skipped: no bpftrace"),
            Some("skipped: no bpftrace")
        );
        let first = "            <system-err>skipped: not root</system-err>";
        assert_eq!(skip_reason(first), Some("skipped: not root"));
        assert_eq!(skip_reason("3 passed, 2 skipped: fine"), None);
        assert_eq!(skip_reason("test a ... ok"), None);
    }

    #[test]
    fn entities_are_read_once() {
        assert_eq!(
            unescape("&quot;a&quot; &amp;lt; &apos;b&apos;"),
            "\"a\" &lt; 'b'"
        );
    }

    #[test]
    fn a_test_runner_without_a_summary_is_an_error() {
        let project = Project::find();
        let mut session = Session::new(&project, false);
        let is_summary = |line: &str| line.contains("passed");
        note_summary(&mut session, "1 passed\n2 passed\nbye\n", is_summary).unwrap();
        assert!(note_summary(&mut session, "nothing\n", is_summary).is_err());
        assert_eq!(session.into_notes(), ["2 passed"]);
    }
}
