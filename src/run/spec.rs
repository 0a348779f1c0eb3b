//! What the driver is asked to do: the cases of a run, from what the user asked for.

use std::path::Path;

use super::environment;
use crate::model::budget::CaseShares;
use crate::model::comparison::{CaseName, Machine, Results};
use crate::model::protocol::{CaseSpec, SamplingSpec, SideSpec, Spec, VERSION, Wait};
use crate::model::subject::Dtype;
use crate::model::subject::Shape;
use crate::model::subject::Subject;
use crate::run::options::CompareOptions;

/// Largest run file, and how much of it is made ready ahead of use.
const LIMIT_BYTES: u64 = 4 << 30;
const AHEAD_BYTES: u64 = 64 << 20;

/// What the driver is to do for `options`, recorded at `recording`.
pub fn of(options: &CompareOptions, recording: &Path, machine: Machine) -> Spec {
    Spec {
        protocol: VERSION,
        recording: recording.display().to_string(),
        limit_bytes: LIMIT_BYTES,
        ahead_bytes: AHEAD_BYTES,
        cases: cases(options),
        engines: options.engines.names().into_iter().map(str::to_owned).collect(),
        wait: options.wait.map(|most| Wait { seconds: most.map(|most| most.as_secs_f64()) }),
        tracers: options.engines.tools(),
        sampling: options.sampling.map(|sampling| SamplingSpec {
            engine: sampling.engine,
            frequency: sampling.frequency,
            seconds: options.budget.sampled.as_secs_f64(),
        }),
        command: options.command.clone(),
        machine,
        warnings: environment::warnings(),
    }
}

/// A pair of statements, and the shares of a size's time that its cases get.
struct Pair {
    name: CaseName,
    a: SideSpec,
    b: SideSpec,
    shares: CaseShares,
}

/// The cases of a run, in order.
pub fn cases(options: &CompareOptions) -> Vec<CaseSpec> {
    let seconds = options.budget.timed.as_secs_f64();
    let mut cases = Vec::new();
    let mut pairs = pairs(&options.subject);
    if options.operation_only {
        pairs.truncate(1);
        pairs.iter_mut().for_each(|pair| pair.shares.kept = None);
    }
    for (dtype, shape) in sizes(options) {
        for (index, pair) in pairs.iter().enumerate() {
            let case = |results, share: f64| CaseSpec {
                name: pair.name,
                results,
                dtype: dtype.clone(),
                shape: shape.clone(),
                in_place: options.subject.in_place,
                seconds: seconds * share,
                allow_different: options.allow_different,
                only_if_different: results == Results::Kept,
                // A picture is of one case: the operation, whose results are dropped.
                sampled: index == 0 && results == Results::Dropped,
                a: pair.a.clone(),
                b: pair.b.clone(),
            };
            cases.push(case(Results::Dropped, pair.shares.dropped));
            cases.extend(pair.shares.kept.map(|share| case(Results::Kept, share)));
        }
    }
    cases
}

/// Every dtype and shape; one entry without a shape where the setup makes its own arrays.
fn sizes(options: &CompareOptions) -> Vec<(String, Vec<u64>)> {
    let each = |dtype: &Dtype| {
        let dtype = dtype.as_str().to_owned();
        options.shapes.iter().map(move |shape: &Shape| (dtype.clone(), shape.lengths().to_vec()))
    };
    let all: Vec<_> = options.dtypes.iter().flat_map(each).collect();
    if all.is_empty() {
        return vec![(Dtype::Float32.as_str().to_owned(), Vec::new())];
    }
    all
}

const ARRAY: &str = "a = rng.random(shape, dtype=dtype)";
const RAPTORS: &str = "a = rng.random(shape, dtype=dtype)\nr = kernel.from_numpy(a)";

fn side(name: &str, setup: &str, statement: &str) -> SideSpec {
    SideSpec { name: name.to_owned(), setup: setup.to_owned(), statement: statement.to_owned() }
}

fn pairs(subject: &Subject) -> Vec<Pair> {
    let names = subject.names();
    let numpy = |statement: &str| side(names[0], ARRAY, statement);
    let raptors = |setup: &str, statement: &str| side(names[1], setup, statement);
    if !subject.is_main_job() {
        let setup = subject.setup.as_deref().unwrap_or(RAPTORS);
        return vec![Pair {
            name: CaseName::Custom,
            a: side(names[0], setup, subject.a.as_deref().unwrap_or("a * 2.5")),
            b: side(names[1], setup, subject.b.as_deref().unwrap_or("r.scale(2.5)")),
            shares: if subject.in_place { CaseShares::CUSTOM_IN_PLACE } else { CaseShares::CUSTOM },
        }];
    }
    if subject.in_place {
        return vec![Pair {
            name: CaseName::Operation,
            a: numpy("a *= s"),
            b: raptors(RAPTORS, "r.scale_inplace(s)"),
            shares: CaseShares::IN_PLACE,
        }];
    }
    vec![
        Pair {
            name: CaseName::Operation,
            a: numpy("a * 2.5"),
            b: raptors(RAPTORS, "r.scale(2.5)"),
            shares: CaseShares::OPERATION,
        },
        Pair {
            name: CaseName::RoundTrip,
            a: numpy("a * 2.5"),
            b: raptors(ARRAY, "kernel.from_numpy(a).scale(2.5).to_numpy()"),
            shares: CaseShares::ROUND_TRIP,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::interpreter::Host;
    use crate::model::budget::Budget;
    use crate::model::tool::Engines;

    fn cases_of(operation_only: bool) -> Vec<(CaseName, Results, bool)> {
        let subject = Subject { setup: None, a: None, b: None, name_a: None, name_b: None, in_place: false };
        let options = CompareOptions {
            subject,
            shapes: vec!["8".parse().unwrap()],
            dtypes: vec![Dtype::Float32],
            budget: Budget::compare(None),
            save: None,
            python: None,
            host: Host::default(),
            threads: None,
            engines: Engines::default(),
            sampling: None,
            operation_only,
            wait: None,
            measure_limit: false,
            allow_different: false,
            verbose: false,
            command: Vec::new(),
        };
        let cases = cases(&options).into_iter();
        cases.map(|case| (case.name, case.results, case.sampled)).collect()
    }

    #[test]
    fn only_the_operation_is_sampled_and_can_be_all_there_is() {
        let operation = (CaseName::Operation, Results::Dropped, true);
        assert_eq!(cases_of(true), [operation]);
        let all =
            [operation, (CaseName::Operation, Results::Kept, false), (CaseName::RoundTrip, Results::Dropped, false)];
        assert_eq!(cases_of(false), all);
    }
}
