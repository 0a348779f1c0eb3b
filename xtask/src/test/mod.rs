//! `cargo xtask test`: everything CI checks, each step named, timed and repeatable alone.

mod install;
mod python;
mod report;
mod runner;
mod rust;
mod step;
mod system;

use std::process::ExitCode;
use std::thread;
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
    [system::SETUP, python::SETUP, rust::STATIC, python::STATIC, install::SETUP]
        .into_iter()
        .chain([python::TRACED, rust::TESTS, python::TESTS])
        .chain([install::TESTS, system::TESTS])
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
        steps.iter().for_each(|step| println!("{:<12} {}", step.name, step.what));
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&steps, &options.only, &options.skip);
    if chosen.is_empty() {
        bail!("--only and --skip together leave no step");
    }
    let began = Instant::now();
    let mut entries: Vec<Entry> = Vec::new();
    let (alone, beside) = apart(&chosen);
    for step in alone {
        let others: Vec<&Step> = beside.iter().filter(|other| other.beside == Some(step.name)).copied().collect();
        announce(step, "");
        if others.is_empty() {
            let entry = entry_of(project, step, &entries, Session::new(project, options.verbose));
            report::print_entry(&entry);
            entries.push(entry);
            continue;
        }
        let (own, more) = thread::scope(|scope| {
            let earlier = &entries;
            let more = scope.spawn(move || run_beside(project, step.name, &others, earlier));
            let own = entry_of(project, step, earlier, Session::new(project, options.verbose));
            report::print_entry(&own);
            (own, more.join())
        });
        entries.push(own);
        entries.extend(more.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    }
    Ok(report::print_summary(&entries, began.elapsed()))
}

/// Those that run one after the other, and those that run beside one of these.
fn apart<'a>(chosen: &[&'a Step]) -> (Vec<&'a Step>, Vec<&'a Step>) {
    chosen.iter().partition(|step| {
        let runs = |name: &str| chosen.iter().any(|other| other.name == name);
        !step.beside.is_some_and(runs)
    })
}

/// Runs steps one after the other beside `step`; what they say comes when each is done.
fn run_beside(project: &Project, step: &str, others: &[&Step], earlier: &[Entry]) -> Vec<Entry> {
    let run = |other: &&Step| {
        let entry = entry_of(project, other, earlier, Session::beside(project));
        announce(other, &format!(" (beside {step})"));
        report::print_entry(&entry);
        entry
    };
    others.iter().map(run).collect()
}

fn announce(step: &Step, how: &str) {
    eprintln!("── {}: {}{how}", step.name, step.what);
}

fn entry_of(project: &Project, step: &Step, earlier: &[Entry], session: Session<'_>) -> Entry {
    let start = Instant::now();
    let (outcome, notes) = outcome_of(project, step, earlier, session);
    Entry { name: step.name, outcome, time: start.elapsed(), notes }
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
    steps.iter().filter(|step| wanted.contains(&step.name) && !named(skip, step)).collect()
}

fn outcome_of(project: &Project, step: &Step, earlier: &[Entry], mut session: Session<'_>) -> (Outcome, Vec<String>) {
    let failed = |name: &&&str| earlier.iter().any(|e| e.name == **name && e.outcome.is_failure());
    if let Some(name) = step.after.iter().find(failed) {
        return (Outcome::Failed(format!("not run, because {name} failed"), None), Vec::new());
    }
    if let Some(want) = step.needs.iter().find_map(|need| need.unmet()) {
        let strict = want.fixable && machine::has_to_have_everything();
        let outcome = if strict {
            Outcome::Failed(format!("cannot be skipped here: {}", want.reason), None)
        } else {
            Outcome::Skipped(want.reason)
        };
        return (outcome, Vec::new());
    }
    let log = project.target().join("xtask").join(format!("{}.log", step.name));
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
        choose(&steps, &owned(only), &owned(skip)).iter().map(|step| step.name).collect()
    }

    #[test]
    fn names_are_unique_and_every_step_comes_after_what_it_needs() {
        let mut seen: Vec<&str> = Vec::new();
        for step in steps() {
            assert!(!seen.contains(&step.name), "{} is there twice", step.name);
            for needed in step.after {
                assert!(seen.contains(needed), "{} needs {needed}, which comes later", step.name);
            }
            seen.push(step.name);
        }
    }

    #[test]
    fn what_runs_beside_a_step_needs_none_that_runs_beside_one() {
        let all = steps();
        let (alone, beside) = apart(&all.iter().collect::<Vec<_>>());
        for step in &beside {
            let main = step.beside.unwrap();
            let at = |name: &str| alone.iter().position(|other| other.name == name);
            for needed in step.after {
                assert!(at(needed) < at(main) && at(needed).is_some(), "{}", step.name);
            }
        }
        // Alone it is a step like the others.
        let only: Vec<&Step> = all.iter().filter(|step| step.name == "deny").collect();
        assert_eq!(apart(&only).0.len(), 1);
    }

    #[test]
    fn only_brings_the_set_up_with_it() {
        assert_eq!(chosen(&["fmt"], &[]), ["fmt"]);
        assert_eq!(chosen(&["pytest"], &[]), ["tools", "venv", "extension", "pytest"]);
        assert_eq!(chosen(&["pytest"], &["tools", "extension"]), ["venv", "pytest"]);
    }

    #[test]
    fn without_only_everything_runs_but_what_is_skipped() {
        let all = chosen(&[], &[]);
        assert_eq!(all.len(), steps().len());
        assert_eq!(chosen(&[], &["macos"]).len(), all.len() - 1);
        assert!(chosen(&["fmt"], &["fmt"]).is_empty());
    }
}
