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

impl Opened {
    /// Whether `mark` may be its end.
    fn is_of(&self, mark: Mark) -> bool {
        let identity = |mark: Mark| (mark.case, mark.side, mark.kind, mark.ops);
        identity(self.mark) == identity(mark)
    }
}

/// The rounds of a run.
pub struct Paired {
    /// Whole rounds in order of time.
    pub rounds: Vec<Round>,
    /// Rounds of which only one mark is in the file: the other was lost or skipped as damaged. They are left out. A
    /// warm-up is none of them: it has no end where its statement failed.
    pub halves: u64,
}

impl Paired {
    /// Pairs `marks`, each with its thread and its tick, in any order. The last round may lack its end: the run was
    /// killed or interrupted inside.
    pub fn of(mut marks: Vec<(u32, u64, Mark)>) -> Self {
        // A mark that found no room among the calls is in a segment of its own.
        marks.sort_by_key(|(_, at, _)| *at);
        let mut pairing = Pairing::default();
        for (thread, at, mark) in marks {
            pairing.take(thread, at, mark);
        }
        Self { rounds: pairing.rounds, halves: pairing.halves }
    }

    /// A warning about rounds that were left out.
    pub fn warning(&self) -> Option<String> {
        let what = match self.halves {
            0 => return None,
            1 => "1 round is left out: its first or last mark is".to_owned(),
            n => format!("{n} rounds are left out: their first or last marks are"),
        };
        Some(format!("{what} missing from the run file; the other rounds are whole"))
    }
}

#[derive(Default)]
struct Pairing {
    open: Option<Opened>,
    rounds: Vec<Round>,
    halves: u64,
}

impl Pairing {
    fn take(&mut self, thread: u32, at: u64, mark: Mark) {
        let opened = self.open.take();
        match mark.edge {
            Edge::Begin { placement } => {
                self.leave_out(opened.map(|opened| opened.mark));
                self.open = Some(Opened { mark, begin: at, placement });
            }
            Edge::End { wall_ns, cpu_ns, faults, threads } => match opened {
                Some(opened) if opened.is_of(mark) => self.rounds.push(Round {
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
                }),
                opened => {
                    self.leave_out(opened.map(|opened| opened.mark));
                    self.leave_out(Some(mark));
                }
            },
        }
    }

    fn leave_out(&mut self, half: Option<Mark>) {
        self.halves += u64::from(half.is_some_and(|mark| mark.kind != RoundKind::Warmup));
    }
}
