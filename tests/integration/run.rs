//! Run files as the driver and the observers would write them, with times, counts and calls that a test chooses.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use raptors_recording::{
    Edge, Event, LoopCall, LoopShape, Mark, Options, Reader, RoundKind, RoutineCall, Site, SiteKind, Writer, push,
};
use raptors_trace::analysis;
use raptors_trace::model::comparison::{Comparison, Machine};
use raptors_trace::model::error::Error;
use raptors_trace::model::protocol::{CaseEnd, Facts, VERSION, Warmup};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const A: usize = 0;
pub const B: usize = 1;

pub const TIMED: RoundKind = RoundKind::Timed;
pub const OBSERVED: RoundKind = RoundKind::Observed;
pub const TOUCHED: RoundKind = RoundKind::Touched;
pub const UNIT_TIMED: RoundKind = RoundKind::UnitTimed;
pub const UNIT_OBSERVED: RoundKind = RoundKind::UnitObserved;
pub const CONTROL: RoundKind = RoundKind::Control;

/// Ids of the call sites that every file describes.
pub const MULTIPLY: u32 = 1;
pub const SGEMM: u32 = 2;
pub const SIMD: u32 = 3;
pub const PARALLEL: u32 = 4;
pub const CHOICE: u32 = 5;
pub const SDOT: u32 = 6;
pub const DGESV: u32 = 7;

/// Wall time of an operation where a test does not care: so long that the ticks of its calls fit in with any clock.
pub const WALL: u64 = 1_000_000;
/// Operations of the control.
pub const CONTROL_OPS: u64 = 3;
/// Ticks from one operation to the next.
const STRIDE: u64 = 1_000_000;

/// One record of an operation: `start` counts from the operation's beginning.
#[derive(Clone, Copy)]
pub struct Entry {
    pub event: Event,
    pub depth: u8,
    pub site: u32,
    pub start: u64,
    pub ticks: u64,
}

/// A record at the beginning of its operation.
pub fn call(event: impl Into<Event>, site: u32, ticks: u64) -> Entry {
    Entry { event: event.into(), depth: 0, site, start: 0, ticks }
}

/// `a * 2.5` over `n` float32.
pub fn multiply(n: u64, ticks: u64) -> Entry {
    call(multiply_call(n), MULTIPLY, ticks)
}

/// What its record says.
pub fn multiply_call(n: u64) -> LoopCall {
    let scalar = Some(2.5_f32.to_bits().into());
    LoopCall { n, shape: LoopShape::Strides([4, 0, 4, 0]), scalar, ..LoopCall::default() }
}

/// `a @ a` of two matrices of n × n float32.
pub fn gemm(n: u64) -> Entry {
    let [columns, inner] = [n as u32; 2];
    call(RoutineCall { m: n, n: columns, k: inner, ..RoutineCall::default() }, SGEMM, 50)
}

/// `count` operations of one side between two marks; times, processor time and page faults are per operation.
#[derive(Clone, Copy)]
pub struct Round {
    pub case: u64,
    pub side: usize,
    pub kind: RoundKind,
    pub ops: u64,
    pub wall: u64,
    pub cpu: u64,
    pub faults: u64,
    pub threads: u64,
    /// Which time the sides were set up anew.
    pub placement: u64,
}

/// A round of four operations of `WALL` on one thread, which has the processor all the time.
pub fn round(case: u64, side: usize, kind: RoundKind) -> Round {
    Round { case, side, kind, ops: 4, wall: WALL, cpu: WALL, faults: 0, threads: 1, placement: 0 }
}

impl Round {
    /// The same, each operation taking `wall` ns, all of them on the processor.
    pub fn lasting(self, wall: u64) -> Self {
        Self { wall, cpu: wall, ..self }
    }

    fn mark(&self, edge: Edge) -> Mark {
        Mark { case: self.case as u32, side: self.side as u8, kind: self.kind, ops: self.ops, edge }
    }
}

/// A case of the spec, `name` as `--json` has it.
pub fn case(name: &str, size: u64) -> Value {
    json!({
        "name": name, "results": "dropped", "dtype": "float32", "shape": [size, size], "in_place": false,
        "seconds": 4.0, "allow_different": false, "only_if_different": false, "sampled": true,
        "a": {"name": "numpy", "setup": "", "statement": "a * 2.5"},
        "b": {"name": "raptors", "setup": "", "statement": "r.scale(2.5)"},
    })
}

/// Ends the recording, also when its test panics: the next one needs the process's only writer.
struct Ending(&'static Writer);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.finish();
    }
}

/// A run file being made.
pub struct Recording {
    directory: TempDir,
    writer: Ending,
    now: u64,
    cases: u64,
    _turn: MutexGuard<'static, ()>,
}

impl Recording {
    /// A file with nothing in it, of at most `limit` MiB.
    pub fn empty(limit: u64) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        let options = Options { limit_bytes: limit << 20, ahead_bytes: 1 << 20 };
        let writer = Writer::create(&directory.path().join("run.rtrace"), options).unwrap();
        Self { directory, writer: Ending(writer), now: STRIDE, cases: 0, _turn: turn }
    }

    /// A file with its spec, call sites and software, but without any round.
    pub fn of(cases: &[Value]) -> Self {
        Self::within(64, cases)
    }

    /// The same with a limit in MiB.
    pub fn within(limit: u64, cases: &[Value]) -> Self {
        let mut recording = Self::empty(limit);
        recording.cases = cases.len() as u64;
        recording.document("spec", &spec(cases));
        for site in sites() {
            recording.document("site", &site);
        }
        recording.document("clock", &json!({"read_ns": 0.0}));
        recording.document("facts", &facts("2.4.6"));
        recording
    }

    /// One case of the operation at `size`, its control seen, its warm-up settled, run to its end; no rounds.
    pub fn plain(size: u64) -> Self {
        let mut recording = Self::of(&[case("operation", size)]);
        recording.control(1);
        recording.settled(0, true);
        recording.done(0);
        recording
    }

    pub fn document(&self, key: &str, value: &impl Serialize) {
        self.writer.0.document(key, &serde_json::to_string(value).unwrap()).unwrap();
    }

    pub fn settled(&self, case: u64, settled: bool) {
        self.document("warmup", &Warmup { case, rounds: 7, settled, placements: 1 });
    }

    pub fn done(&self, case: u64) {
        self.document("case", &CaseEnd { index: case, skipped: None, no_unit: None });
    }

    /// The control, each of its operations making `calls` calls of the gemm.
    pub fn control(&mut self, calls: usize) {
        let control = Round { ops: CONTROL_OPS, ..round(self.cases, A, CONTROL) };
        self.round(control, &vec![gemm(64); calls]);
    }

    /// A round in which each operation makes `calls`, in the order in which they end.
    pub fn round(&mut self, round: Round, calls: &[Entry]) {
        self.shared_round(round, calls, &[]);
    }

    /// The same with `elsewhere` on a second thread.
    pub fn shared_round(&mut self, round: Round, calls: &[Entry], elsewhere: &[Entry]) {
        self.begin(round);
        let first = self.now;
        let starts = (0..round.ops).map(|op| first + op * STRIDE);
        if !elsewhere.is_empty() {
            std::thread::scope(|scope| {
                scope.spawn(|| starts.clone().for_each(|at| push_all(at, elsewhere)));
            });
        }
        starts.for_each(|at| push_all(at, calls));
        self.now = first + round.ops * STRIDE;
        self.end(round);
    }

    /// The last mark of a round; alone, its first one was lost.
    pub fn end(&mut self, round: Round) {
        self.mark(round.mark(Edge::End {
            wall_ns: round.wall * round.ops,
            cpu_ns: round.cpu * round.ops,
            faults: round.faults * round.ops,
            threads: round.threads as u16,
        }));
        self.now += STRIDE;
    }

    /// The first mark of a round alone: its process was killed inside.
    pub fn begin(&mut self, round: Round) {
        self.mark(round.mark(Edge::Begin { placement: round.placement }));
        self.now += 1;
    }

    fn mark(&self, mark: Mark) {
        push(mark, 0, 0, self.now, self.now);
    }

    /// Timed rounds, sides in turn, the n-th of them with the n-th of `walls`: (A's, B's) ns per operation.
    pub fn timed(&mut self, case: u64, walls: impl IntoIterator<Item = (u64, u64)>) {
        for (a, b) in walls {
            self.round(round(case, A, TIMED).lasting(a), &[]);
            self.round(round(case, B, TIMED).lasting(b), &[]);
        }
    }

    /// Ends the recording.
    pub fn finish(self) -> RunFile {
        self.writer.0.finish().unwrap();
        RunFile { path: self.directory.path().join("run.rtrace"), _directory: self.directory }
    }
}

fn push_all(at: u64, calls: &[Entry]) {
    for call in calls {
        let start = at + call.start;
        let end = start + call.ticks;
        push(call.event, call.depth, call.site, start, end);
    }
}

fn machine() -> Machine {
    Machine { os: "linux".into(), l1d: Some(32 << 10), l2: Some(1 << 20), l3: Some(8 << 20), ..Machine::default() }
}

fn spec(cases: &[Value]) -> Value {
    json!({
        "protocol": VERSION, "recording": "run.rtrace", "limit_bytes": 0, "ahead_bytes": 0, "cases": cases,
        "engines": [], "wait": null,
        "tracers": [], "sampling": null, "command": ["raptors-trace", "compare"], "machine": machine(), "warnings": [],
    })
}

/// The software, with this NumPy.
pub fn facts(numpy: &str) -> Facts {
    Facts { python: "3.12.1".into(), numpy: numpy.into(), ..Facts::default() }
}

fn sites() -> [Site; 7] {
    let site = |id, kind, name: &str| Site { id, kind, name: name.into(), ..Site::default() };
    [
        Site {
            symbol: Some("FLOAT_multiply_X86_V3".into()),
            module: Some("_multiarray_umath.so".into()),
            nin: 2,
            nout: 1,
            item_sizes: vec![4, 4, 4],
            ..site(MULTIPLY, SiteKind::Loop, "np.multiply[ff->f]")
        },
        site(SGEMM, SiteKind::Routine, "cblas_sgemm"),
        site(SIMD, SiteKind::Backend, "simd"),
        site(PARALLEL, SiteKind::Backend, "parallel"),
        Site { reason: Some("enough elements to share".into()), ..site(CHOICE, SiteKind::Dispatch, "parallel") },
        site(SDOT, SiteKind::Routine, "cblas_sdot"),
        site(DGESV, SiteKind::Routine, "dgesv"),
    ]
}

/// A finished run file, gone when dropped.
pub struct RunFile {
    _directory: TempDir,
    pub path: PathBuf,
}

impl RunFile {
    pub fn read(&self) -> Result<Comparison, Error> {
        analysis::read(&self.path, false)
    }

    /// What it boils down to, which must succeed.
    #[track_caller]
    pub fn comparison(&self) -> Comparison {
        self.read().unwrap_or_else(|error| panic!("{}", error.report()))
    }

    /// Length of a tick, which the machine that runs the test decides.
    pub fn ns_per_tick(&self) -> f64 {
        let reader = Reader::open(&self.path).unwrap();
        reader.header().calibration.ns_per_tick
    }

    /// The same file as a killed process leaves it: state "recording", and a length instead of a closing section.
    pub fn killed(self) -> Self {
        let mut bytes = std::fs::read(&self.path).unwrap();
        let length = bytes.len() as u64;
        bytes[128] = 1;
        bytes[136..144].copy_from_slice(&length.to_le_bytes());
        bytes[256..384].fill(0);
        std::fs::write(&self.path, bytes).unwrap();
        self
    }
}
