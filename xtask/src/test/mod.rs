//! `cargo xtask test`: everything CI checks, each step named, timed and repeatable alone.

mod install;
mod python;
mod report;
mod runner;
mod rust;
mod step;
mod system;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::machine;
use crate::project::Project;
use crate::session::{self, Session};
use report::{Entry, Outcome};
use step::Step;

/// What `cargo xtask test` takes.
#[derive(Args)]
pub struct Options {
    /// List the steps in their order, and run nothing
    #[arg(long)]
    list: bool,
    /// Run only these steps, and what has to be set up for them
    #[arg(long, value_name = "STEP", value_delimiter = ',', value_parser = names())]
    only: Vec<String>,
    /// Leave these steps out
    #[arg(long, value_name = "STEP", value_delimiter = ',', value_parser = names())]
    skip: Vec<String>,
    /// Show the output of every step as it comes, not only of one that failed
    #[arg(long, short)]
    verbose: bool,
}

/// Every step, in the order in which they run: set-up first, then what fails fastest.
fn steps() -> Vec<Step> {
    [
        system::SETUP,
        python::SETUP,
        rust::STATIC,
        python::STATIC,
        install::SETUP,
    ]
    .into_iter()
    .chain([rust::TESTS, python::TESTS, install::TESTS, system::TESTS])
    .flatten()
    .copied()
    .collect()
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(steps().into_iter().map(|step| step.name))
}

/// Runs the chosen steps, all of them to the end whatever fails, and tells how they went.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let steps = steps();
    if options.list {
        steps
            .iter()
            .for_each(|step| println!("{:<12} {}", step.name, step.what));
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&steps, &options.only, &options.skip);
    if chosen.is_empty() {
        bail!("--only and --skip together leave no step");
    }
    let began = Instant::now();
    let mut entries: Vec<Entry> = Vec::new();
    for step in chosen {
        eprintln!("── {}: {}", step.name, step.what);
        let start = Instant::now();
        let (outcome, notes) = outcome_of(project, step, &entries, options.verbose);
        let entry = Entry {
            name: step.name,
            outcome,
            time: start.elapsed(),
            notes,
        };
        report::print_entry(&entry);
        entries.push(entry);
    }
    Ok(report::print_summary(&entries, began.elapsed()))
}

/// The steps to run: with `only`, those and what they come after, for the set-up has to be there.
fn choose<'a>(steps: &'a [Step], only: &[String], skip: &[String]) -> Vec<&'a Step> {
    let named = |names: &[String], step: &Step| names.iter().any(|name| name == step.name);
    let mut wanted: Vec<&str> = Vec::new();
    // A step stands after what it needs, so one pass from the end finds all of it.
    for step in steps.iter().rev() {
        if only.is_empty() || named(only, step) || wanted.contains(&step.name) {
            wanted.push(step.name);
            wanted.extend(step.after);
        }
    }
    steps
        .iter()
        .filter(|step| wanted.contains(&step.name) && !named(skip, step))
        .collect()
}

fn outcome_of(
    project: &Project,
    step: &Step,
    earlier: &[Entry],
    verbose: bool,
) -> (Outcome, Vec<String>) {
    let failed = |name: &&&str| {
        earlier
            .iter()
            .any(|e| e.name == **name && e.outcome.is_failure())
    };
    if let Some(name) = step.after.iter().find(failed) {
        return (
            Outcome::Failed(format!("not run, because {name} failed"), None),
            Vec::new(),
        );
    }
    if let Some(want) = step.needs.iter().find_map(|need| need.unmet()) {
        let strict = want.mendable && machine::has_to_have_everything();
        let outcome = if strict {
            Outcome::Failed(format!("cannot be skipped here: {}", want.reason), None)
        } else {
            Outcome::Skipped(want.reason)
        };
        return (outcome, Vec::new());
    }
    let mut session = Session::new(project, verbose);
    let log = project
        .target()
        .join("xtask")
        .join(format!("{}.log", step.name));
    let result = session.log_to(&log).and_then(|()| (step.run)(&mut session));
    let outcome = match result {
        Ok(()) => Outcome::Passed,
        Err(error) => {
            let output = session::output_of(&error).map(str::to_owned);
            Outcome::Failed(format!("{error:#}"), output)
        }
    };
    (outcome, session.into_notes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(only: &[&str], skip: &[&str]) -> Vec<&'static str> {
        let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        let steps = steps();
        choose(&steps, &owned(only), &owned(skip))
            .iter()
            .map(|step| step.name)
            .collect()
    }

    #[test]
    fn names_are_unique_and_every_step_comes_after_what_it_needs() {
        let mut seen: Vec<&str> = Vec::new();
        for step in steps() {
            assert!(!seen.contains(&step.name), "{} is there twice", step.name);
            for needed in step.after {
                assert!(
                    seen.contains(needed),
                    "{} needs {needed}, which comes later",
                    step.name
                );
            }
            seen.push(step.name);
        }
    }

    #[test]
    fn only_brings_the_set_up_with_it() {
        assert_eq!(chosen(&["fmt"], &[]), ["fmt"]);
        assert_eq!(
            chosen(&["pytest"], &[]),
            ["tools", "venv", "extension", "pytest"]
        );
        assert_eq!(
            chosen(&["pytest"], &["tools", "extension"]),
            ["venv", "pytest"]
        );
    }

    #[test]
    fn without_only_everything_runs_but_what_is_skipped() {
        let all = chosen(&[], &[]);
        assert_eq!(all.len(), steps().len());
        assert_eq!(chosen(&[], &["macos"]).len(), all.len() - 1);
        assert!(chosen(&["fmt"], &["fmt"]).is_empty());
    }
}
