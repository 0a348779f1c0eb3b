//! What a step is, and what it may need of the machine.

use anyhow::Result;

use super::plan::Plan;
use super::tier::Tier;
use crate::machine;
use crate::session::Session;

/// One check.
#[derive(Clone, Copy)]
pub struct Step {
    /// What `--only` and `--skip` call it.
    pub name: &'static str,
    /// What it checks, in a line.
    pub what: &'static str,
    /// The runs without names that do it.
    pub runs: Runs,
    /// The steps that have to have succeeded before.
    pub after: &'static [&'static str],
    /// A step that leaves the processor idle for minutes: where that runs too, this one runs beside it, at the lowest
    /// priority.
    pub beside: Option<&'static str>,
    /// What the machine has to have; where it lacks it the step is skipped, with the reason.
    pub needs: &'static [Need],
    /// The work. An error is a failure of the step.
    pub run: fn(&mut Session<'_>, &Plan) -> Result<()>,
}

/// Which runs without names do a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Runs {
    /// Every one.
    Always,
    /// The quick one: with `--all` another step does the same and more.
    InQuick,
    /// Those with `--all` or `--nightly`.
    InAll,
    /// The one with `--nightly`.
    InNightly,
}

impl Runs {
    /// Whether a run of `tier` does the step.
    pub fn includes(self, tier: Tier) -> bool {
        match self {
            Runs::Always => true,
            Runs::InQuick => tier == Tier::Quick,
            Runs::InAll => tier >= Tier::All,
            Runs::InNightly => tier == Tier::Nightly,
        }
    }

    /// The runs that do the step, as `--list` and CONTRIBUTING.md name them.
    pub fn label(self) -> &'static str {
        match self {
            Runs::Always => "always",
            Runs::InQuick => "quick",
            Runs::InAll => "--all",
            Runs::InNightly => "--nightly",
        }
    }
}

/// Something a machine has or lacks.
#[derive(Clone, Copy)]
pub enum Need {
    /// A program on PATH.
    Program(&'static str),
    /// Linux of any distribution.
    Linux,
    /// Debian or Ubuntu, as root: what the step calls installs packages.
    DebianRoot,
}

/// A need that is not met.
pub struct Unmet {
    /// The reason to print.
    pub reason: String,
    /// Whether root could fix it; the machine's kind cannot be fixed.
    pub fixable: bool,
}

impl Need {
    /// Why this machine does not meet it, or nothing when it does.
    pub fn unmet(self) -> Option<Unmet> {
        match self {
            Need::Program(name) if machine::find_program(name).is_none() => {
                Some(Unmet { reason: format!("{name} is not installed"), fixable: true })
            }
            Need::Linux if !machine::is_linux() => {
                let reason = format!("this is {}, not Linux", std::env::consts::OS);
                Some(Unmet { reason, fixable: false })
            }
            Need::DebianRoot if !machine::is_debian() => {
                let reason = "it is done on Debian or Ubuntu only".to_owned();
                Some(Unmet { reason, fixable: false })
            }
            Need::DebianRoot if !machine::is_root() => {
                Some(Unmet { reason: "it needs root".to_owned(), fixable: true })
            }
            _ => None,
        }
    }
}
