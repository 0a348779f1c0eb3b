//! What the driver is asked to do; `python/raptors_trace/_driver.py` is the other end.

use std::path::Path;

use serde::Serialize;

use super::environment;
use crate::model::budget::CaseShares;
use crate::model::comparison::{self, CaseName, Machine, Results};
use crate::model::subject::Dtype;
use crate::model::subject::Shape;
use crate::model::subject::Subject;
use crate::model::tool::{Engine, Tool};
use crate::run::options::CompareOptions;

/// Largest run file, and how much of it is made ready ahead of use.
const LIMIT_BYTES: u64 = 4 << 30;
const AHEAD_BYTES: u64 = 64 << 20;

/// One side of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// What tables call it.
    pub name: String,
    /// Run once in the side's namespace.
    pub setup: String,
    /// Run in rounds.
    pub statement: String,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// Which pair of statements.
    pub name: CaseName,
    /// Dropped or kept.
    pub results: Results,
    /// Element type, `dtype` in the setup.
    pub dtype: String,
    /// Lengths, `shape` and `size` in the setup; empty where the setup makes its own.
    pub shape: Vec<u64>,
    /// Whether the statements write into their operand.
    pub in_place: bool,
    /// Unobserved seconds, both sides together.
    pub seconds: f64,
    /// Go on where values differ.
    pub allow_different: bool,
    /// Leave the case out where its page faults are those of the case before.
    pub only_if_different: bool,
    /// Whether it is one that stacks are sampled of, where that is asked for.
    pub sampled: bool,
    /// Side A.
    pub a: Side,
    /// Side B.
    pub b: Side,
}

impl Case {
    /// The name of the case in one line.
    pub fn label(&self) -> String {
        comparison::label(self.name, Some(&self.dtype), &self.shape, self.results)
    }
}

/// Everything the driver needs.
#[derive(Clone, Debug, Serialize)]
pub struct Spec {
    /// Where to record.
    pub recording: String,
    /// Largest size of the recording.
    pub limit_bytes: u64,
    /// How much of it is made ready ahead of use.
    pub ahead_bytes: u64,
    /// The cases, in order.
    pub cases: Vec<Case>,
    /// How calls are seen.
    pub engines: Vec<&'static str>,
    /// Whether it stops before the first round, for a tool to be attached.
    pub wait: Option<Wait>,
    /// Tracers that get rounds of their own at the end.
    pub tracers: Vec<Tool>,
    /// Stacks are sampled, in rounds of their own.
    pub sampling: Option<Sampling>,
    /// The command line.
    pub command: Vec<String>,
    /// The machine, so that a run file can be shown elsewhere.
    pub machine: Machine,
    /// What limits the trust in the figures and is known before the run.
    pub warnings: Vec<String>,
}

/// Rounds in which stacks are sampled.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sampling {
    /// By whom.
    pub engine: Engine,
    /// Samples for each second of CPU time that are asked for.
    pub frequency: u32,
    /// How long each case is sampled, both sides together.
    pub seconds: f64,
}

/// A stop at the start barrier.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Wait {
    /// How long at most; for ever where there is none.
    pub seconds: Option<f64>,
}

impl Spec {
    /// What `options` ask for, recorded at `recording`.
    pub fn new(options: &CompareOptions, recording: &Path, machine: Machine) -> Self {
        Self {
            recording: recording.display().to_string(),
            limit_bytes: LIMIT_BYTES,
            ahead_bytes: AHEAD_BYTES,
            cases: cases(options),
            engines: options.engines.names(),
            wait: options.wait.map(|most| Wait { seconds: most.map(|most| most.as_secs_f64()) }),
            tracers: options.engines.tools(),
            sampling: options.sampling.map(|sampling| Sampling {
                engine: sampling.engine,
                frequency: sampling.frequency,
                seconds: options.budget.sampled.as_secs_f64(),
            }),
            command: options.command.clone(),
            machine,
            warnings: environment::warnings(),
        }
    }
}

/// A pair of statements, and the shares of a size's time that its cases get.
struct Pair {
    name: CaseName,
    a: Side,
    b: Side,
    shares: CaseShares,
}

/// The cases of a run, in order.
pub fn cases(options: &CompareOptions) -> Vec<Case> {
    let seconds = options.budget.timed.as_secs_f64();
    let mut cases = Vec::new();
    let mut pairs = pairs(&options.subject);
    let alone = options.sampling.is_some_and(|sampling| sampling.alone);
    if alone || options.operation_only {
        // A picture, and an explanation, is of one case: the operation, whose results are dropped.
        pairs.truncate(1);
        pairs.iter_mut().for_each(|pair| pair.shares.kept = None);
    }
    for (dtype, shape) in sizes(options) {
        for (index, pair) in pairs.iter().enumerate() {
            let case = |results, share: f64| Case {
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

fn side(name: &str, setup: &str, statement: &str) -> Side {
    Side { name: name.to_owned(), setup: setup.to_owned(), statement: statement.to_owned() }
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
    use crate::run::options::Sampling;

    fn cases_with(sampling: Option<Sampling>) -> Vec<(CaseName, Results, bool)> {
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
            sampling,
            operation_only: false,
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
    fn sampling_is_of_the_operation_and_alone_leaves_the_others_out() {
        let sampling = |alone| Sampling { engine: Engine::Inprocess, frequency: 1, alone };
        let operation = (CaseName::Operation, Results::Dropped, true);
        assert_eq!(cases_with(Some(sampling(true))), [operation]);
        let all =
            [operation, (CaseName::Operation, Results::Kept, false), (CaseName::RoundTrip, Results::Dropped, false)];
        assert_eq!(cases_with(Some(sampling(false))), all);
        assert_eq!(cases_with(None), all);
    }
}
