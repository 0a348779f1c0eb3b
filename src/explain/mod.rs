//! Finds out why one side is slower: switches each possible cause off, alone; the part of the gap that disappears is
//! its effect. Supported causes are then switched off one after the other, the most specific first, so that their
//! effects and a residual sum to the gap.

mod causes;
mod experiment;
mod hypotheses;
mod inquiry;
mod judge;
mod lab;
mod survey;
mod sweep;
mod switch;

use std::path::Path;

use crate::analysis::{INQUIRY, Inquiry as Found};
use crate::machine::interrupt::Interrupt;
use crate::model::comparison::Comparison;
use crate::model::error::{Error, Exit};
use crate::model::progress::Progress;
use crate::run::options::CompareOptions;
use crate::run::options::Source;
use crate::run::{self, Outcome, spec};
use inquiry::Inquiry;
use lab::Setting;

/// Compares both sides and finds the causes of the difference.
///
/// # Errors
/// Those of [`run::compare`]. An error in a single cause's experiment is part of its finding.
pub fn explain(source: &Source, progress: &mut dyn Progress) -> Result<Outcome, Error> {
    let asked = match source {
        Source::Run(asked) => asked,
        Source::File { path, lossy } => return saved(path, *lossy),
    };
    let compare = CompareOptions { operation_only: true, ..CompareOptions::clone(asked) };
    let mut outcome = run::compare(&compare, progress)?;
    if outcome.failure.is_some() {
        return Ok(outcome);
    }
    let (inquiry, ended) = inquire(&compare, &outcome.comparison, progress);
    if let Some(path) = &compare.save {
        let json = serde_json::to_string(&inquiry)
            .map_err(|error| Error::new("the findings cannot be written").caused_by(error))?;
        outcome.failure = run::add_document(path, INQUIRY, &json).err();
    }
    inquiry.add_to(&mut outcome.comparison);
    outcome.failure = ended.err().or(outcome.failure);
    Ok(outcome)
}

/// The findings of a saved run.
fn saved(path: &Path, lossy: bool) -> Result<Outcome, Error> {
    let outcome = Outcome::read(path, lossy, true)?;
    if outcome.comparison.explained.is_empty() {
        let sentence = format!("the run `{}` was made by `compare`; only `explain` finds causes", path.display());
        return Err(Error::new(sentence)
            .help(
                "experiments need the sides themselves: raptors-trace explain --save FILE, with the options of that \
                   run",
            )
            .exit(Exit::NothingObserved));
    }
    Ok(outcome)
}

/// Inquires into every case; returns the findings so far and the error, if there was one.
fn inquire(
    compare: &CompareOptions,
    comparison: &Comparison,
    progress: &mut dyn Progress,
) -> (Found, Result<(), Error>) {
    let mut found = Found { complete: true, ..Found::default() };
    let interrupt = Interrupt::watch();
    let interpreter = match run::interpreter(compare, &interrupt, progress) {
        Ok(interpreter) => interpreter,
        Err(error) => return (found, Err(error)),
    };
    let specs = spec::cases(compare);
    for case in &comparison.cases {
        let Some(spec) = specs.iter().find(|spec| spec.label() == case.label()) else {
            continue;
        };
        let setting = Setting { interpreter: &interpreter, options: compare, case: spec, interrupt: &interrupt };
        let mut inquiry = Inquiry::new(case, &setting, compare.budget.experiments);
        let ended = inquiry.run(comparison, progress);
        let (explained, findings) = inquiry.conclude(compare.subject.is_main_job());
        found.explained.push(explained);
        found.findings.extend(findings);
        let Err(error) = ended else { continue };
        found.complete = false;
        found.warnings.push(format!(
            "the experiments ended early, with {}: {error}; the causes that were not tried are listed",
            case.label()
        ));
        let error = if interrupt.asked() { Error::new("interrupted") } else { error };
        return (found, Err(error));
    }
    (found, Ok(()))
}
