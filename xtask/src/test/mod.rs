//! `cargo xtask test`: the checks, each step named, timed and repeatable alone. The plain run has what a
//! change normally breaks, `--all` is what CI runs for each change, and `--nightly` what it runs once a day.

mod aarch64;
mod changed;
mod durations;
mod install;
mod plan;
mod python;
mod report;
mod runner;
mod rust;
mod sanitizers;
mod step;
mod system;
mod tier;
mod versions;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::machine;
use crate::project::Project;
use crate::session::{self, Session};
use changed::Selection;
use durations::Durations;
use plan::Plan;
use report::{Entry, Outcome};
use step::Step;
use tier::Tier;

/// What `cargo xtask test` takes.
#[derive(Args)]
pub struct Options {
    /// Run every step, as CI does: also the long tests with tracers, the release wheel, rustdoc, macOS and more
    #[arg(long)]
    all: bool,
    /// Run every step of --all with full counts, and those that take hours: sanitizers and more
    #[arg(long)]
    nightly: bool,
    /// Run only what the changes since the fork from BASE can break; those not committed yet are among them
    #[arg(long, value_name = "BASE", num_args = 0..=1, conflicts_with_all = ["all", "nightly", "only"])]
    changed: Option<Option<String>>,
    /// List the steps in their order with the last duration of each, and run nothing
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

impl Options {
    fn tier(&self) -> Tier {
        match (self.nightly, self.all) {
            (true, _) => Tier::Nightly,
            (_, true) => Tier::All,
            _ => Tier::Quick,
        }
    }
}

/// Every step, in the order in which they run: set-up first, then what fails fastest.
fn steps() -> Vec<Step> {
    [system::SETUP, python::SETUP, rust::STATIC, python::STATIC, install::SETUP]
        .into_iter()
        .chain([python::TRACED, rust::TESTS, python::TESTS])
        .chain([install::TESTS, versions::TESTS, system::TESTS, aarch64::TESTS, sanitizers::TESTS])
        .flatten()
        .copied()
        .collect()
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(steps().into_iter().map(|step| step.name))
}

/// Runs the chosen steps, all of them to the end whatever fails, and prints how they ended.
///
/// # Errors
/// When no step is chosen, or the changes cannot be asked of git.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let steps = steps();
    let mut plan = Plan { tier: options.tier(), selection: None };
    if let Some(base) = &options.changed {
        plan.selection = Some(select(project, base.as_deref())?);
    }
    let chosen = plan.choose(&steps, &options.only, &options.skip);
    if options.list {
        list(project, if options.changed.is_some() { chosen } else { steps.iter().collect() });
        return Ok(ExitCode::SUCCESS);
    }
    if chosen.is_empty() && options.changed.is_some() {
        eprintln!("no check depends on what changed");
        return Ok(ExitCode::SUCCESS);
    }
    if chosen.is_empty() {
        bail!("--only and --skip together leave no step");
    }
    let began = Instant::now();
    let run = Run { project, plan: &plan, verbose: options.verbose };
    Ok(report::print_summary(&run.steps(&chosen), began.elapsed()))
}

/// What the changes since the fork from `base` can break, which is printed.
fn select(project: &Project, base: Option<&str>) -> Result<Selection> {
    let paths = changed::paths(&mut Session::new(project, false), base)?;
    eprintln!("{} changed files", paths.len());
    paths.iter().take(20).for_each(|path| eprintln!("   {path}"));
    if paths.len() > 20 {
        eprintln!("   … and {} more", paths.len() - 20);
    }
    Ok(Selection::of(paths.iter().map(String::as_str)))
}

fn list(project: &Project, steps: Vec<&Step>) {
    let (durations, note) = Durations::read(&directory(project));
    if let Some(note) = note {
        eprintln!("{note}");
    }
    for step in steps {
        let time = durations.of(step.name).map_or("–".to_owned(), report::seconds);
        println!("{:<14} {time:>12}  {:<9} {}", step.name, step.runs.label(), step.what);
    }
}

/// The logs and the durations of the steps.
fn directory(project: &Project) -> PathBuf {
    project.target().join("xtask")
}

/// One run of some steps.
#[derive(Clone, Copy)]
struct Run<'a> {
    project: &'a Project,
    plan: &'a Plan,
    verbose: bool,
}

impl<'a> Run<'a> {
    fn steps(self, chosen: &[&Step]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let (alone, beside) = apart(chosen);
        for step in alone {
            let others: Vec<&Step> = beside.iter().filter(|other| other.beside == Some(step.name)).copied().collect();
            announce(step, "");
            let (own, more) = thread::scope(|scope| {
                let earlier = &entries;
                let more = scope.spawn(move || self.beside(step.name, &others, earlier));
                let own = self.entry_of(step, earlier, self.session(Session::new(self.project, self.verbose)));
                report::print_entry(&own);
                (own, more.join())
            });
            entries.push(own);
            entries.extend(more.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        entries
    }

    /// Runs steps one after the other beside `step`. The output of each comes when it is done.
    fn beside(self, step: &str, others: &[&Step], earlier: &[Entry]) -> Vec<Entry> {
        let run = |other: &&Step| {
            let entry = self.entry_of(other, earlier, self.session(Session::beside(self.project)));
            announce(other, &format!(" (beside {step})"));
            report::print_entry(&entry);
            entry
        };
        others.iter().map(run).collect()
    }

    /// A session whose programs know the tier.
    fn session(self, session: Session<'a>) -> Session<'a> {
        session.with_variable(tier::VARIABLE, self.plan.tier.name())
    }

    fn entry_of(self, step: &Step, earlier: &[Entry], session: Session<'_>) -> Entry {
        let start = Instant::now();
        let (outcome, mut notes) = self.outcome_of(step, earlier, session);
        let time = start.elapsed();
        if matches!(outcome, Outcome::Passed)
            && let Err(error) = Durations::keep(&directory(self.project), step.name, time)
        {
            notes.push(format!("its duration could not be kept: {error:#}"));
        }
        Entry { name: step.name, outcome, time, notes }
    }

    fn outcome_of(self, step: &Step, earlier: &[Entry], mut session: Session<'_>) -> (Outcome, Vec<String>) {
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
        let log = directory(self.project).join(format!("{}.log", step.name));
        let result = session.log_to(&log).and_then(|()| (step.run)(&mut session, self.plan));
        let outcome = match result {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                let output = session::output_of(&error).map(str::to_owned);
                Outcome::Failed(format!("{error:#}"), output)
            }
        };
        (outcome, session.into_notes())
    }
}

/// Those that run one after the other, and those that run beside one of these.
fn apart<'a>(chosen: &[&'a Step]) -> (Vec<&'a Step>, Vec<&'a Step>) {
    chosen.iter().partition(|step| {
        let runs = |name: &str| chosen.iter().any(|other| other.name == name);
        !step.beside.is_some_and(runs)
    })
}

fn announce(step: &Step, how: &str) {
    eprintln!("── {}: {}{how}", step.name, step.what);
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_page_for_contributors_says_which_run_does_a_step() {
        let page = std::fs::read_to_string(Project::find().root().join("CONTRIBUTING.md")).unwrap();
        let wanted: Vec<String> =
            steps().iter().map(|step| format!("| {} | {} | {} |", step.name, step.runs.label(), step.what)).collect();
        let there: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert!(there == wanted, "the table of CONTRIBUTING.md has to be:\n{}", wanted.join("\n"));
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
}
