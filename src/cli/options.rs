//! What the command line asks for, validated. Nothing here touches the system.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cli::Host;
use crate::engines::Tracer;
pub use crate::report::Part;

/// What both sides run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Python that is run once per side before its statement; `None`: the main job's own (arrays `a` and `r`).
    pub setup: Option<String>,
    /// Side A; `None`: the main job's `a * 2.5`.
    pub a: Option<String>,
    /// Side B; `None`: the main job's `r.scale(2.5)`.
    pub b: Option<String>,
    /// What A is called; `None`: `numpy` in the main job, `A` otherwise.
    pub name_a: Option<String>,
    /// What B is called; `None`: `raptors` in the main job, `B` otherwise.
    pub name_b: Option<String>,
    /// The statements write into their operand.
    pub in_place: bool,
}

impl Subject {
    /// Whether this is the main job: NumPy's multiply against Raptors' scale, both as they come.
    pub fn is_main_job(&self) -> bool {
        self.setup.is_none() && self.a.is_none() && self.b.is_none()
    }

    /// What the tables call A and B.
    pub fn names(&self) -> [&str; 2] {
        let [a, b] = if self.is_main_job() { ["numpy", "raptors"] } else { ["A", "B"] };
        [self.name_a.as_deref().unwrap_or(a), self.name_b.as_deref().unwrap_or(b)]
    }
}

/// A comparison to run.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareOptions {
    /// What both sides run.
    pub subject: Subject,
    /// Shapes of the arrays, at least one unless the setup makes its own and no size was given: then none.
    pub shapes: Vec<Shape>,
    /// Element types; empty exactly where `shapes` is.
    pub dtypes: Vec<Dtype>,
    /// Unobserved time per size, both sides together; `None`: the default.
    pub time: Option<Duration>,
    /// Where to keep the run file; `None`: it is dropped after reading.
    pub save: Option<PathBuf>,
    /// The interpreter asked for with `--python`.
    pub python: Option<PathBuf>,
    /// What started the command.
    pub host: Host,
    /// `RAPTORS_THREADS` for the driver; `None`: as inherited.
    pub threads: Option<NonZeroU32>,
    /// How calls are seen.
    pub engines: EngineChoice,
    /// Sample stacks as well, for flamegraphs.
    pub sampling: Option<Sampling>,
    /// Run the operation alone, its results dropped, and none of the other cases.
    pub operation_only: bool,
    /// Stop before the first round, for a tool to be attached; for how long at most.
    pub wait: Option<Option<Duration>>,
    /// Measure the machine's memory limit again, whatever the cache holds.
    pub measure_limit: bool,
    /// Compare even where the sides' values differ.
    pub allow_different: bool,
    /// Say more about what is done.
    pub verbose: bool,
    /// The command line, program name first.
    pub command: Vec<String>,
}

/// How stacks are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// By whom.
    pub engine: SampledBy,
    /// Samples for each second of CPU time that are asked for; the system's timer may give fewer.
    pub frequency: u32,
    /// How long each case is sampled, both sides together.
    pub time: Duration,
    /// Only cases that are sampled are run, as the samples are what the run is for. Otherwise all cases are, and a run without
    /// samples is one all the same.
    pub alone: bool,
}

/// Who samples stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SampledBy {
    /// A sampler in the process itself; no root, no frames of the operating system's kernel.
    #[default]
    Inprocess,
    /// perf (Linux), which shows them.
    Perf,
}

/// Who samples stacks, as the command line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StackEngine {
    /// A sampler in the process itself.
    Inprocess,
    /// perf (Linux).
    Perf,
    /// DTrace, with --pid.
    Dtrace,
    /// `sample` (macOS), with --pid.
    Sample,
}

/// How calls are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// By the observers in the process itself; no root.
    #[default]
    Inprocess,
    /// By bpftrace.
    Bpftrace,
    /// By DTrace.
    Dtrace,
    /// By all of them, beside each other.
    All,
}

impl EngineChoice {
    /// The tracers that watch from outside, in their order.
    pub fn tracers(self) -> &'static [Tracer] {
        match self {
            Self::Inprocess => &[],
            Self::Bpftrace => &[Tracer::Bpftrace],
            Self::Dtrace => &[Tracer::Dtrace],
            Self::All => &[Tracer::Bpftrace, Tracer::Dtrace],
        }
    }

    /// The engines' names, as the JSON has them.
    pub fn names(self) -> Vec<&'static str> {
        let inside = matches!(self, Self::Inprocess | Self::All).then_some("inprocess");
        let outside = self.tracers().iter().map(|tracer| tracer.as_str());
        inside.into_iter().chain(outside).collect()
    }
}

/// The shape of an array: at least one length, each at least 1, the number of elements fits `u64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(Vec<u64>);

impl Shape {
    /// The lengths.
    pub fn lengths(&self) -> &[u64] {
        &self.0
    }

    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.0.iter().product()
    }

    /// Bytes of an array of this shape, `None` where they do not fit `u64`.
    pub fn bytes(&self, dtype: Dtype) -> Option<u64> {
        self.elements().checked_mul(dtype.item_size())
    }
}

impl FromStr for Shape {
    type Err = String;

    /// `n` means n × n; `AxB…` is taken as it is (`4096x` is one dimension of 4096).
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size; give n for n × n, or lengths as in 512x1024");
        let text = text.trim();
        let length = |part: &str| match part.parse::<u64>() {
            Ok(0) => Err("a size of 0 leaves nothing to measure; give at least 1".to_owned()),
            Ok(n) => Ok(n),
            Err(_) => Err(wrong()),
        };
        let lengths = if let Some(one) = text.strip_suffix('x') {
            vec![length(one)?]
        } else if text.contains('x') {
            text.split('x').map(length).collect::<Result<_, _>>()?
        } else {
            vec![length(text)?; 2]
        };
        let elements = lengths.iter().try_fold(1_u64, |all, n| all.checked_mul(*n));
        match elements {
            Some(n) if n <= u64::MAX / 8 => Ok(Self(lengths)),
            _ => Err(format!("`{text}` has more elements than any memory holds")),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, length) in self.0.iter().enumerate() {
            write!(f, "{}{length}", if i == 0 { "" } else { " × " })?;
        }
        Ok(())
    }
}

/// The element types the main job knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    /// 4 bytes.
    #[value(name = "float32", alias = "f4")]
    Float32,
    /// 8 bytes.
    #[value(name = "float64", alias = "f8")]
    Float64,
}

impl Dtype {
    /// NumPy's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// Bytes of one element.
    pub fn item_size(self) -> u64 {
        match self {
            Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputOptions {
    /// As JSON instead of tables.
    pub json: bool,
    /// Never with colour.
    pub no_color: bool,
    /// No progress, no notes on standard error.
    pub quiet: bool,
}

/// Files with the whole result, besides what is printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// A page of HTML.
    pub html: Option<PathBuf>,
    /// Markdown.
    pub markdown: Option<PathBuf>,
}

/// What is to be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A new run.
    Run(Box<CompareOptions>),
    /// A saved run file.
    File {
        /// Where it is.
        path: PathBuf,
        /// Whether what is damaged or missing in it is stepped over.
        lossy: bool,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Show a comparison.
    Compare {
        /// Where it comes from.
        source: Source,
        /// Which part is shown.
        part: Part,
        /// What is written besides.
        documents: Documents,
        /// What it is held against.
        against: crate::against::Options,
    },
    /// Find out why one side is slower.
    Explain {
        /// Which sides, or which saved run.
        options: crate::explain::Options,
        /// What is written besides.
        documents: Documents,
    },
    /// Draw where time is spent.
    Flamegraph(crate::flamegraph::Options),
    /// Draw a process, commands, or stacks that another tool wrote.
    Outside(crate::outside::Options),
    /// Write a saved run for other tools.
    Export(crate::export::Options),
    /// Tell what files can call.
    Imports(crate::imports::Options),
    /// Print a script.
    Script(crate::scripts::Options),
    /// Watch the calls of a process that runs.
    Live(crate::live::Options),
    /// Tell how to look into a process that runs.
    Attach(crate::attach::Options),
    /// Compare both sides by the samples of a recording.
    Instruments(crate::instruments::Options),
    /// Examine the machine.
    Doctor(crate::doctor::Options),
    /// Measure which backends are fastest.
    Tune(crate::tune::Options),
}

/// A whole, validated command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What is to be done.
    pub task: Task,
    /// How its result is printed.
    pub output: OutputOptions,
}
