//! The documents of a run file: what was asked for, on what machine, with which software, and the call sites.

use std::collections::HashMap;

use raptors_flamegraphs::Record;
use raptors_recording::Reader;
use serde::{Deserialize, Serialize};

use crate::model::comparison::{CaseName, Comparison, Explained, Finding, Machine, Results};
use crate::model::error::Error;
use crate::model::tool::Engine;
use crate::tracers::engines::Traced;

/// What the document of [`Inquiry`] is called.
pub const INQUIRY: &str = "explained";

/// A call site: a loop, a routine or a backend that observers can see.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Site {
    /// What records name it by.
    pub id: u32,
    /// `loop`, `routine`, `backend`, …
    pub kind: String,
    /// `np.multiply[ff->f]`, `cblas_sgemm`, `simd`.
    pub name: String,
    /// The code's own name.
    pub symbol: Option<String>,
    /// The file the code is in.
    pub module: Option<String>,
    /// Why the kernel took a branch; of a dispatch only.
    pub reason: Option<String>,
    /// Inputs of a loop.
    pub nin: usize,
    /// Outputs of a loop.
    pub nout: usize,
    /// Bytes of one element of each operand of a loop.
    pub item_sizes: Vec<u64>,
    /// `(n?,k),(k,m?)->(n?,m?)` of a generalised ufunc's loop.
    pub core_signature: Option<String>,
    /// The code's address in its file's own numbering, where that was found.
    pub offset: Option<u64>,
    /// Bits of a routine's integers.
    pub width: Option<u32>,
}

/// One side as the driver was asked to run it.
#[derive(Clone, Debug, Deserialize)]
pub struct SideSpec {
    /// What tables call it.
    pub name: String,
    /// What it runs.
    pub statement: String,
    /// What was run once before.
    #[serde(default)]
    pub setup: String,
}

/// One case as the driver was asked to run it.
#[derive(Clone, Debug, Deserialize)]
pub struct CaseSpec {
    /// Which pair of statements.
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
    /// What the case is called where one line has to name it.
    pub fn label(&self) -> String {
        crate::model::comparison::label(self.name, Some(&self.dtype), &self.shape, self.results)
    }
}

/// What the driver was asked to do.
#[derive(Clone, Debug, Deserialize)]
pub struct Spec {
    /// The cases in order.
    pub cases: Vec<CaseSpec>,
    /// How calls were to be seen; the observers in process where nothing is said.
    #[serde(default)]
    pub engines: Vec<String>,
    /// The command line.
    #[serde(default)]
    pub command: Vec<String>,
    /// The machine, measured before the driver was started.
    pub machine: Machine,
}

/// A BLAS library as the driver found it.
#[derive(Clone, Debug, Deserialize)]
pub struct BlasFacts {
    /// What it calls itself.
    pub library: String,
    /// Its file.
    pub file: String,
    /// File names of the extensions that import from it.
    pub linked_by: Vec<String>,
    /// Threads it would use.
    pub threads: Option<u32>,
}

/// The software as the driver found it.
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
    /// The file of the extension, which carries the probes.
    pub extension: Option<String>,
    /// BLAS libraries.
    pub blas: Vec<BlasFacts>,
    /// The allocator.
    pub allocator: Option<String>,
    /// Why there are no hardware counters, where there are none.
    pub counters_why_not: Option<String>,
}

/// How a case's warm-up went, and what could not be done.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Warmup {
    /// The case.
    pub case: u64,
    /// Rounds of it.
    pub rounds: u64,
    /// Whether times and page faults settled.
    pub settled: bool,
    /// Times that the sides were set up.
    pub placements: u64,
    /// Why dispatch could not be measured.
    pub no_unit: Option<String>,
}

/// Whether a case was run to its end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CaseState {
    /// The case.
    pub index: u64,
    /// Run to its end.
    pub done: bool,
    /// Why it was left out.
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

/// What the driver wrote of one case's samples.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SamplesDocument {
    /// The case.
    pub case: u64,
    /// By whom.
    pub engine: Engine,
    /// Samples between the rounds, which belong to no side.
    pub outside: u64,
    /// What limits the trust in them.
    pub troubles: Vec<String>,
    /// The sides.
    pub sides: Vec<SideDocument>,
    /// The stacks.
    pub record: Record,
    /// Why there are none.
    pub why_not: Option<String>,
    /// Why the stacks are without Python functions.
    pub why_no_python: Option<String>,
}

/// How one side was sampled.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SideDocument {
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// Samples.
    pub samples: u64,
    /// Samples that had to be given up.
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
    /// What was asked for.
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
    /// What tracers saw from outside, in the order of their rounds.
    pub traced: Vec<Traced>,
    /// Stacks that were sampled.
    pub samples: Vec<SamplesDocument>,
    /// Nanoseconds between two clock reads of the observers with nothing between them.
    pub clock_ns: f64,
    /// What the observers of loops and routines could not be armed for, and why.
    pub not_armed: Vec<NotArmed>,
    /// Warnings, in order.
    pub warnings: Vec<String>,
    /// What `explain` found out about the run.
    pub inquiry: Option<Inquiry>,
}

/// The document that `explain` adds to its run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inquiry {
    /// How each gap was taken apart.
    pub explained: Vec<Explained>,
    /// The causes.
    pub findings: Vec<Finding>,
    /// What limits the trust in them.
    pub warnings: Vec<String>,
    /// Whether it came to its end.
    pub complete: bool,
}

impl Inquiry {
    /// Adds it to the comparison that it is about.
    pub fn add_to(self, comparison: &mut Comparison) {
        comparison.explained.extend(self.explained);
        comparison.findings.extend(self.findings);
        comparison.warnings.extend(self.warnings);
        comparison.complete &= self.complete;
    }
}

/// Something that an observer could not be armed for.
#[derive(Clone, Debug, Deserialize)]
pub struct NotArmed {
    /// A ufunc, a loop, a symbol or an object.
    pub what: String,
    /// A sentence.
    pub why: String,
}

/// What one observer reported when it was armed.
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
    /// Reads them; one that is not what its key says is an error that names the key.
    pub fn read(reader: &Reader) -> Result<Self, Error> {
        let mut documents = Self::default();
        for (key, json) in reader.documents() {
            documents
                .take(key, json)
                .map_err(|error| Error::new(format!("its document `{key}` is damaged")).caused_by(error))?;
        }
        Ok(documents)
    }

    /// What may explain that nothing was seen, as the rest of a sentence.
    pub fn blind_spots(&self) -> String {
        let why = ": it calls no ufunc loop, no routine of a math library and no kernel backend";
        match self.not_armed.as_slice() {
            [] => why.to_owned(),
            [first, ..] => format!(
                "{why}, or one of the {} that cannot be observed ({}: {})",
                self.not_armed.len(),
                first.what,
                first.why
            ),
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
            // A later version may write more; what this one does not know it leaves alone.
            _ => {}
        }
        Ok(())
    }
}
