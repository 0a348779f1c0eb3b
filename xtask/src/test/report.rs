//! How the checks went: a line after each, the whole of what failed, and a table at the end.

use std::process::ExitCode;
use std::time::Duration;

/// How one step ended.
pub enum Outcome {
    /// It did what it says.
    Passed,
    /// It could not be done on this machine, for this reason.
    Skipped(String),
    /// Why, and the output of the program that failed where it was not shown yet.
    Failed(String, Option<String>),
}

/// One step that ran.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
    /// What it wants repeated at the end, such as a test runner's own summary.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Whether the whole run has to fail for it.
    pub fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed(..))
    }

    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "ok",
            Outcome::Skipped(_) => "skipped",
            Outcome::Failed(..) => "FAILED",
        }
    }
}

/// Prints how a step ended, and if it failed everything one needs to fix it.
pub fn print_entry(entry: &Entry) {
    match &entry.outcome {
        Outcome::Passed => eprintln!("   ok, {}\n", seconds(entry.time)),
        Outcome::Skipped(reason) => eprintln!("   skipped: {reason}\n"),
        Outcome::Failed(why, output) => {
            if let Some(output) = output {
                eprintln!("{}", output.trim_end());
            }
            eprintln!("   FAILED after {}: {why}", seconds(entry.time));
            eprintln!("   to run it alone: cargo xtask test --only {}\n", entry.name);
        }
    }
}

/// Prints the table of all steps and what the test runners said; the code to exit with.
pub fn print_summary(entries: &[Entry], whole: Duration) -> ExitCode {
    eprint!("{}", summary(entries, whole));
    if entries.iter().any(|entry| entry.outcome.is_failure()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn summary(entries: &[Entry], whole: Duration) -> String {
    let mut text = String::from("── summary\n");
    for entry in entries {
        let (name, word) = (entry.name, entry.outcome.word());
        let line = match &entry.outcome {
            Outcome::Skipped(reason) => format!("{name:<14} {word:<8} {reason}"),
            _ => format!("{name:<14} {word:<8} {:>9}", seconds(entry.time)),
        };
        text += &format!("   {line}\n");
    }
    for entry in entries {
        for note in &entry.notes {
            text += &format!("{}: {note}\n", entry.name);
        }
    }
    let count = |wanted: &str| entries.iter().filter(|e| e.outcome.word() == wanted).count();
    let failed: Vec<&str> = entries.iter().filter(|e| e.outcome.is_failure()).map(|e| e.name).collect();
    let verdict = if failed.is_empty() {
        format!("{} steps passed", count("ok"))
    } else {
        format!("{} steps passed, {} FAILED ({})", count("ok"), failed.len(), failed.join(", "))
    };
    text + &format!("{verdict}, {} skipped, in {}\n", count("skipped"), seconds(whole))
}

/// A duration as a person says it.
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole < 60 { format!("{:.1} s", time.as_secs_f64()) } else { format!("{} min {:02} s", whole / 60, whole % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &'static str, outcome: Outcome, notes: &[&str]) -> Entry {
        let notes = notes.iter().map(|note| note.to_string()).collect();
        Entry { name, outcome, time: Duration::from_millis(1500), notes }
    }

    #[test]
    fn the_summary_names_every_step_its_time_its_reason_and_its_notes() {
        let entries = [
            entry("fmt", Outcome::Passed, &[]),
            entry("macos", Outcome::Skipped("it needs root".into()), &[]),
            entry("pytest", Outcome::Failed("exit 1".into(), None), &["1 failed, 2 passed"]),
        ];
        let expected = "\
── summary
   fmt            ok           1.5 s
   macos          skipped  it needs root
   pytest         FAILED       1.5 s
pytest: 1 failed, 2 passed
1 steps passed, 1 FAILED (pytest), 1 skipped, in 2 min 03 s
";
        assert_eq!(summary(&entries, Duration::from_secs(123)), expected);
    }

    #[test]
    fn a_skip_is_no_failure() {
        assert!(!Outcome::Skipped(String::new()).is_failure());
        assert!(Outcome::Failed(String::new(), None).is_failure());
    }
}
