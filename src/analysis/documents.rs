//! The documents of a run file: the options, the machine, the software, and the call sites.

use std::collections::HashMap;

use raptors_flamegraphs::Record;
use raptors_recording::Reader;
use serde::{Deserialize, Serialize};

use crate::model::comparison::{CaseName, Comparison, Explained, Finding, Machine, Results};
use crate::model::error::Error;
use crate::model::tool::Engine;
use crate::tracers::engines::Traced;

/// The key of the document of [`Inquiry`].
pub const INQUIRY: &str = "explained";

/// A call site: a loop, a routine or a backend that observers can see.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Site {
    /// Its id in records.
    pub id: u32,
    /// `loop`, `routine`, `backend`, …
    pub kind: String,
    /// `np.multiply[ff->f]`, `cblas_sgemm`, `simd`.
    pub name: String,
    /// The code's own name.
    pub symbol: Option<String>,
    /// The file the code is in.
    pub module: Option<String>,
    /// The kernel's reason for a branch; only for a dispatch.
    pub reason: Option<String>,
    /// Inputs of a loop.
    pub nin: usize,
    /// Outputs of a loop.
    pub nout: usize,
    /// Bytes of one element of each operand of a loop.
    pub item_sizes: Vec<u64>,
    /// `(n?,k),(k,m?)->(n?,m?)` of a generalised ufunc's loop.
    pub core_signature: Option<String>,
    /// The code's address in its file's own numbering, if it was found.
    pub offset: Option<u64>,
    /// Bits of a routine's integers.
    pub width: Option<u32>,
}

/// One side of the driver's request.
#[derive(Clone, Debug, Deserialize)]
pub struct SideSpec {
    /// Its name in tables.
    pub name: String,
    /// Its statement or function.
    pub statement: String,
    /// The code that ran once before.
    #[serde(default)]
    pub setup: String,
}

/// One case of the driver's request.
#[derive(Clone, Debug, Deserialize)]
pub struct CaseSpec {
    /// The pair of statements.
    pub name: CaseName,
    /// Dropped or kept.
    pub results: Results,
    /// Element type.
    pub dtype: String,
    /// Shape of the arrays.
    pub shape: Vec<u64>,
    /// Whether the statements write into their operand.
    #[serde(default)]
    pub in_place: bool,
    /// Side A.
    pub a: SideSpec,
    /// Side B.
    pub b: SideSpec,
}

impl CaseSpec {
    /// The name of the case in one line.
    pub fn label(&self) -> String {
        crate::model::comparison::label(self.name, Some(&self.dtype), &self.shape, self.results)
    }
}

/// The driver's request.
#[derive(Clone, Debug, Deserialize)]
pub struct Spec {
    /// The cases in order.
    pub cases: Vec<CaseSpec>,
    /// The engines for calls; the in-process observers by default.
    #[serde(default)]
    pub engines: Vec<String>,
    /// The command line.
    #[serde(default)]
    pub command: Vec<String>,
    /// The machine, measured before the driver was started.
    pub machine: Machine,
}

/// A BLAS library, as the driver found it.
#[derive(Clone, Debug, Deserialize)]
pub struct BlasFacts {
    /// Its own name.
    pub library: String,
    /// Its file.
    pub file: String,
    /// File names of the extensions that import from it.
    pub linked_by: Vec<String>,
    /// Threads it would use.
    pub threads: Option<u32>,
}

/// The software, as the driver found it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Version of Python.
    pub python: String,
    /// Path of the interpreter.
    pub python_path: Option<String>,
    /// Version of NumPy.
    pub numpy: String,
    /// CPU targets of NumPy's dispatcher.
    pub numpy_cpu_targets: Vec<String>,
    /// Version of Raptors.
    pub raptors: Option<String>,
    /// The file of the extension that holds the probes.
    pub extension: Option<String>,
    /// BLAS libraries.
    pub blas: Vec<BlasFacts>,
    /// The allocator.
    pub allocator: Option<String>,
    /// The reason that there are no hardware counters, if there are none.
    pub counters_why_not: Option<String>,
}

/// The course of a case's warm-up, and what could not be done.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Warmup {
    /// The case.
    pub case: u64,
    /// Its rounds.
    pub rounds: u64,
    /// Whether times and page faults settled.
    pub settled: bool,
    /// The number of times that the sides were set up.
    pub placements: u64,
    /// The reason that dispatch could not be measured.
    pub no_unit: Option<String>,
}

/// Whether a case ran to its end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CaseState {
    /// The case.
    pub index: u64,
    /// Whether it ran to its end.
    pub done: bool,
    /// The reason that it was left out.
    pub skipped: Option<String>,
}

/// Hardware counts of a case's side.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CounterDocument {
    /// The case.
    pub case: u64,
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// Counts per operation.
    pub per_op: crate::model::comparison::Counters,
}

/// The driver's samples of one case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SamplesDocument {
    /// The case.
    pub case: u64,
    /// The sampler.
    pub engine: Engine,
    /// Samples between the rounds, which belong to no side.
    pub outside: u64,
    /// Warnings that limit the trust in them.
    pub troubles: Vec<String>,
    /// The sides.
    pub sides: Vec<SideDocument>,
    /// The stacks.
    pub record: Record,
    /// The reason that there are none.
    pub why_not: Option<String>,
    /// The reason that the stacks have no Python functions.
    pub why_no_python: Option<String>,
}

/// The sampling of one side.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SideDocument {
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// Samples.
    pub samples: u64,
    /// Samples that were given up.
    pub dropped: u64,
    /// CPU time of all threads while it was sampled.
    pub cpu_ns: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Object { text: String },
    Plain(String),
}

impl Text {
    fn into_string(self) -> String {
        match self {
            Self::Object { text } | Self::Plain(text) => text,
        }
    }
}

/// All documents of one run file.
#[derive(Debug, Default)]
pub struct Documents {
    /// The request.
    pub spec: Option<Spec>,
    /// The software.
    pub facts: Facts,
    /// Call sites by id.
    pub sites: HashMap<u32, Site>,
    /// Warm-ups by case.
    pub warmups: HashMap<u64, Warmup>,
    /// States by case.
    pub cases: HashMap<u64, CaseState>,
    /// Hardware counts.
    pub counters: Vec<CounterDocument>,
    /// The results of tracers from outside, in the order of their rounds.
    pub traced: Vec<Traced>,
    /// Stacks that were sampled.
    pub samples: Vec<SamplesDocument>,
    /// Nanoseconds between two clock reads of the observers with nothing between them.
    pub clock_ns: f64,
    /// The parts that the observers of loops and routines could not arm, with the reasons.
    pub not_armed: Vec<NotArmed>,
    /// Warnings, in order.
    pub warnings: Vec<String>,
    /// The findings of `explain` about the run.
    pub inquiry: Option<Inquiry>,
}

/// The document that `explain` adds to its run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inquiry {
    /// The parts of each gap.
    pub explained: Vec<Explained>,
    /// The causes.
    pub findings: Vec<Finding>,
    /// Warnings that limit the trust in them.
    pub warnings: Vec<String>,
    /// Whether it ran to its end.
    pub complete: bool,
}

impl Inquiry {
    /// Adds it to its comparison.
    pub fn add_to(self, comparison: &mut Comparison) {
        comparison.explained.extend(self.explained);
        comparison.findings.extend(self.findings);
        comparison.warnings.extend(self.warnings);
        comparison.complete &= self.complete;
    }
}

/// A part that an observer could not arm.
#[derive(Clone, Debug, Deserialize)]
pub struct NotArmed {
    /// A ufunc, a loop, a symbol or an object.
    pub what: String,
    /// A sentence.
    pub why: String,
}

/// The report of one observer when it was armed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Hook {
    not_armed: Vec<NotArmed>,
}

#[derive(Deserialize)]
struct Clock {
    read_ns: f64,
}

impl Documents {
    /// Reads them; a document with an invalid form is an error that names its key.
    pub fn read(reader: &Reader) -> Result<Self, Error> {
        let mut documents = Self::default();
        for (key, json) in reader.documents() {
            documents
                .take(key, json)
                .map_err(|error| Error::new(format!("its document `{key}` is damaged")).caused_by(error))?;
        }
        Ok(documents)
    }

    /// Possible reasons that nothing was seen, as the rest of a sentence.
    pub fn blind_spots(&self) -> String {
        match self.not_armed.as_slice() {
            [] => String::new(),
            [one] => format!(" ({} cannot be observed: {})", one.what, one.why),
            [first, ..] => {
                format!(" ({} of them cannot be observed, such as {}: {})", self.not_armed.len(), first.what, first.why)
            }
        }
    }

    fn take(&mut self, key: &str, json: &str) -> serde_json::Result<()> {
        match key {
            "spec" => self.spec = Some(serde_json::from_str(json)?),
            "facts" => self.facts = serde_json::from_str(json)?,
            "site" => {
                let site: Site = serde_json::from_str(json)?;
                self.sites.insert(site.id, site);
            }
            "warmup" => {
                let new: Warmup = serde_json::from_str(json)?;
                let old = self.warmups.entry(new.case).or_default();
                *old = Warmup {
                    case: new.case,
                    rounds: old.rounds.max(new.rounds),
                    settled: old.settled || new.settled,
                    placements: old.placements.max(new.placements),
                    no_unit: new.no_unit.or(old.no_unit.take()),
                };
            }
            "case" => {
                let state: CaseState = serde_json::from_str(json)?;
                self.cases.insert(state.index, state);
            }
            "hooks" => {
                let hooks: HashMap<String, Hook> = serde_json::from_str(json)?;
                self.not_armed.extend(hooks.into_values().flat_map(|hook| hook.not_armed));
            }
            "clock" => self.clock_ns = serde_json::from_str::<Clock>(json)?.read_ns,
            "engine" => self.traced.push(serde_json::from_str(json)?),
            "samples" => self.samples.push(serde_json::from_str(json)?),
            "counters" => self.counters.push(serde_json::from_str(json)?),
            INQUIRY => self.inquiry = Some(serde_json::from_str(json)?),
            "warning" => self.warnings.push(serde_json::from_str::<Text>(json)?.into_string()),
            // A later version may write more documents; this one ignores unknown ones.
            _ => {}
        }
        Ok(())
    }
}
