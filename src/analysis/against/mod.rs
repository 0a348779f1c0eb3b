//! Compares two runs: the change in the cases that both have.

mod differences;
mod gate;

use std::path::Path;

use crate::analysis::{self, Timing};
use crate::model::comparison::{Against, Case, Change, ChangeVerdict, Comparison, Difference, Estimate, ThenAndNow};
use crate::model::error::{Error, Exit};

/// An earlier run.
#[derive(Debug)]
pub struct Baseline {
    file: String,
    comparison: Comparison,
    timings: Vec<Timing>,
}

impl Baseline {
    /// Reads the whole run.
    ///
    /// # Errors
    /// Those of [`analysis::read`], with its fix and exit code.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let (comparison, timings) = analysis::read_timed(file, false).map_err(|error| {
            let sentence = format!("cannot compare with {}", file.display());
            let exit = error.exit_code();
            let help = error.help_text().map(str::to_owned);
            let told = Error::new(sentence).caused_by(error).exit(exit);
            match help {
                Some(help) => told.help(help),
                None => told,
            }
        })?;
        Ok(Self { file: file.display().to_string(), comparison, timings })
    }
}

/// Adds the change since the earlier run, and the verdict of the gate. `timings` are the rounds behind the cases, in
/// their order.
pub fn add(comparison: &mut Comparison, timings: &[Timing], baseline: Option<&Baseline>, fail_below: Option<f64>) {
    if let Some(then) = baseline {
        let against = against(comparison, timings, then);
        comparison.warnings.extend(warnings(&against, then));
        comparison.against = Some(against);
    }
    if let Some(limit) = fail_below {
        gate::add(comparison, limit);
    }
}

/// The verdict for the exit code.
///
/// # Errors
/// Runs without a common case; a missed gate.
pub fn judge(comparison: &Comparison) -> Result<(), Error> {
    if let Some(against) = &comparison.against
        && against.cases.is_empty()
    {
        let sentence = format!("this run and {} have no case in common", against.file);
        return Err(Error::new(sentence)
            .help("compare the same pair of statements, --size and --dtype as in the earlier run")
            .exit(Exit::NothingObserved));
    }
    comparison.gate.as_ref().map_or(Ok(()), |gate| gate::judge(gate, &gate::sides(comparison)))
}

fn against(now: &Comparison, timings: &[Timing], baseline: &Baseline) -> Against {
    let then = &baseline.comparison;
    let mut left: Vec<usize> = (0..then.cases.len()).collect();
    let (mut cases, mut only_now) = (Vec::new(), Vec::new());
    for (case, timing) in now.cases.iter().zip(timings) {
        match left.iter().position(|&at| same(case, &then.cases[at])) {
            Some(found) => {
                let at = left.remove(found);
                let earlier = (&then.cases[at], &baseline.timings[at]);
                cases.push(change((case, timing), earlier));
            }
            None => only_now.push(case.label()),
        }
    }
    Against {
        file: baseline.file.clone(),
        tool_version: then.tool_version.clone(),
        started_unix_s: then.started_unix_s,
        differences: differences::surroundings(then, now),
        cases,
        only_now,
        only_then: left.iter().map(|&at| then.cases[at].label()).collect(),
    }
}

fn same(a: &Case, b: &Case) -> bool {
    let key = |case: &Case| (case.name, case.results, case.in_place);
    key(a) == key(b) && a.dtype == b.dtype && a.shape == b.shape
}

fn change(now: (&Case, &Timing), then: (&Case, &Timing)) -> Change {
    let (change, ci95) = now.1.change_since(then.1);
    let both = |of: fn(&Case) -> Estimate| ThenAndNow { then: of(then.0), now: of(now.0) };
    Change {
        case: now.0.label(),
        change,
        ci95,
        verdict: ChangeVerdict::of(ci95),
        ratio: both(|case| Estimate { median: case.ratio.median, ci95: case.ratio.ci95 }),
        a_ns: both(|case| Estimate::from(&case.sides.a.wall_ns)),
        b_ns: both(|case| Estimate::from(&case.sides.b.wall_ns)),
        differences: differences::subjects(then, now),
    }
}

/// Warnings that limit the trust in the changes.
fn warnings(against: &Against, baseline: &Baseline) -> Vec<String> {
    let file = &against.file;
    let mut warnings = Vec::new();
    if !against.differences.is_empty() {
        let differences: Vec<String> = against.differences.iter().map(said).collect();
        warnings.push(format!(
            "machine or software differ from {file}: {}; an effect on both sides alike cancels in the change, an \
             effect on one side does not",
            differences.join("; ")
        ));
    }
    let mut told: Vec<&Difference> = Vec::new();
    for (case, difference) in
        against.cases.iter().flat_map(|case| case.differences.iter().map(move |d| (&case.case, d)))
    {
        // One sentence for a pair of statements, whatever the number of its sizes.
        if !told.contains(&difference) {
            told.push(difference);
            let of_a = if difference.what.ends_with('A') {
                "; the change is measured against A, so it is not a change of B alone"
            } else {
                ""
            };
            warnings.push(format!("{case}: the {}{of_a}", said(difference)));
        }
    }
    if !baseline.comparison.complete {
        warnings.push(format!("{file} was cut short: it has fewer rounds or cases than it should"));
    }
    warnings
}

fn said(difference: &Difference) -> String {
    let Difference { what, then, now } = difference;
    let [then, now] = [then, now].map(|value| value.as_deref().unwrap_or("none"));
    format!("{what} was {then} and is {now}")
}
