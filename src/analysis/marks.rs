//! Rounds, each between its two marks.

use raptors_recording::{Edge, Mark, RoundKind};

/// One round of one side, between its two marks.
#[derive(Clone, Debug)]
pub struct Round {
    /// Index into the run's cases; the control has the index after the last.
    pub case: u64,
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// Its purpose.
    pub kind: RoundKind,
    /// The set-up of the sides, counted from 0.
    pub placement: u64,
    /// Ticks of the two marks.
    pub begin: u64,
    /// See `begin`.
    pub end: u64,
    /// Index of the thread that ran it.
    pub thread: u32,
    /// Operations in it.
    pub ops: u64,
    /// Wall time of all its operations.
    pub wall_ns: u64,
    /// CPU time of all threads over it.
    pub cpu_ns: u64,
    /// Minor page faults over it.
    pub faults: u64,
    /// Threads that worked for at least a twentieth of it; 0 if they were not counted.
    pub active_threads: u32,
}

impl Round {
    /// `total` per operation.
    pub fn per_op(&self, total: f64) -> f64 {
        total / self.ops.max(1) as f64
    }
}

/// A round that has begun.
struct Opened {
    mark: Mark,
    begin: u64,
    placement: u64,
}

/// Pairs marks into rounds. A round without its end (the target was killed in it) is left out.
#[derive(Default)]
pub struct Pairing {
    open: Option<Opened>,
    rounds: Vec<Round>,
}

impl Pairing {
    /// Takes the next mark, in order of time, made by `thread` at tick `at`.
    pub fn take(&mut self, thread: u32, at: u64, mark: Mark) -> Result<(), &'static str> {
        let (wall_ns, cpu_ns, faults, threads) = match mark.edge {
            Edge::End { wall_ns, cpu_ns, faults, threads } => (wall_ns, cpu_ns, faults, threads),
            Edge::Begin { placement } => {
                self.open = Some(Opened { mark, begin: at, placement });
                return Ok(());
            }
        };
        let opened = self.open.take().ok_or("a round ends that has not begun")?;
        let identity = |mark: Mark| (mark.case, mark.side, mark.kind);
        if identity(opened.mark) != identity(mark) {
            return Err("a round ends that is not the open one");
        }
        self.rounds.push(Round {
            case: mark.case.into(),
            side: mark.side.into(),
            kind: mark.kind,
            placement: opened.placement,
            begin: opened.begin,
            end: at,
            thread,
            ops: mark.ops,
            wall_ns,
            cpu_ns,
            faults,
            active_threads: threads.into(),
        });
        Ok(())
    }

    /// All whole rounds in order of time.
    pub fn rounds(self) -> Vec<Round> {
        self.rounds
    }
}
