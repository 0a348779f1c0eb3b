//! What the test runners have in common: how they are started, and what of their output is repeated.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::machine;
use crate::session::{self, Session};

/// Runs a test runner, its output shown as it comes, and returns that. The last line that
/// `is_summary` is repeated at the end, of a failure too; without one nothing is known to have run.
///
/// A test that wants a tool or a right fails under `CI` where it would skip itself otherwise. That is
/// meant for machines where both can be had, so on the others the tests do not see the variable.
pub fn run(session: &mut Session<'_>, command: &mut Command, is_summary: impl Fn(&str) -> bool) -> Result<String> {
    if !machine::has_to_have_everything() {
        command.env_remove("CI");
    }
    let result = session.run_live(command);
    let output = match &result {
        Ok(output) => output.as_str(),
        Err(error) => session::failed(error).map_or("", |failed| failed.output.as_str()),
    };
    match output.lines().rfind(|line| is_summary(line)) {
        Some(line) => session.note(line.trim()),
        None if result.is_ok() => bail!("the test runner printed no summary: did anything run?"),
        None => {}
    }
    result
}

/// Whether this line of nextest is its summary.
pub fn is_summary_of_nextest(line: &str) -> bool {
    line.trim_start().starts_with("Summary [")
}

/// Repeats the reasons of the tests that skipped themselves, from nextest's own record: it does
/// not show what a passing test prints.
pub fn note_skips(session: &mut Session<'_>, record: &Path) {
    let Ok(text) = fs::read_to_string(record) else {
        return;
    };
    let mut reasons: Vec<String> = text.lines().filter_map(skip_reason).map(unescape).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for reason in reasons {
        session.note(reason);
    }
}

/// The reason, where `line` of a test's output is one.
fn skip_reason(line: &str) -> Option<&str> {
    let start = line.find("skipped: ")?;
    // The first line of an output stands behind the tag that opens it.
    let before = &line[..start];
    (before.trim().is_empty() || before.ends_with('>')).then(|| {
        let reason = &line[start..];
        reason.split('<').next().unwrap_or(reason).trim_end()
    })
}

/// The five entities that XML has without a declaration.
fn unescape(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    #[test]
    fn the_reason_of_a_skip_is_found_in_a_record() {
        assert_eq!(skip_reason("skipped: no bpftrace"), Some("skipped: no bpftrace"));
        let first = "            <system-err>skipped: not root</system-err>";
        assert_eq!(skip_reason(first), Some("skipped: not root"));
        assert_eq!(skip_reason("3 passed, 2 skipped: fine"), None);
        assert_eq!(skip_reason("test a ... ok"), None);
    }

    #[test]
    fn entities_are_read_once() {
        assert_eq!(unescape("&quot;a&quot; &amp;lt; &apos;b&apos;"), "\"a\" &lt; 'b'");
    }

    #[test]
    fn the_last_summary_is_noted_of_failures_too_and_none_is_an_error() {
        let project = Project::find();
        let mut session = Session::new(&project, false);
        let mut shell = |script: &str| {
            let mut command = Command::new("sh");
            run(&mut session, command.args(["-c", script]), |line| line.contains("passed")).is_ok()
        };
        assert!(shell("echo 1 passed; echo 2 passed; echo bye"));
        assert!(!shell("echo 3 passed, 1 failed; exit 1"));
        assert!(!shell("echo nothing"));
        assert_eq!(session.into_notes(), ["2 passed", "3 passed, 1 failed"]);
    }
}
