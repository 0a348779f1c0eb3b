//! Marks: where rounds begin and end, as the driver (`python/raptors_trace/_driver.py`) writes them.
//!
//! A mark's first argument is `case << 24 | kind << 16 | side << 8 | code`, code 1 for the beginning and 2 for the end
//! of a round. The beginning carries operations and the placement of the arrays; the end operations, wall nanoseconds,
//! CPU nanoseconds, and threads at work `<< 48` with minor page faults below.

use raptors_recording::Record;

use crate::model::round::RoundKind;

/// One round of one side, between its two marks.
#[derive(Clone, Debug)]
pub struct Round {
    /// Index into the run's cases; the control has the index after the last.
    pub case: u64,
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// What it was run for.
    pub kind: RoundKind,
    /// Which time the sides had been set up anew, from 0.
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
    /// Threads that worked for at least a twentieth of it; 0 where that was not counted.
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
    identity: u64,
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
    /// Takes the next mark, in order of time.
    pub fn take(&mut self, thread: u32, record: &Record) -> Result<(), String> {
        let word = record.args[0];
        let identity = word & !0xff;
        match word & 0xff {
            1 => {
                self.open = Some(Opened { identity, begin: record.start, placement: record.args[2] });
            }
            2 => {
                let round = self.close(identity, thread, record)?;
                self.rounds.push(round);
            }
            code => return Err(format!("a mark has the unknown code {code}")),
        }
        Ok(())
    }

    fn close(&mut self, identity: u64, thread: u32, record: &Record) -> Result<Round, String> {
        let opened = self.open.take();
        let opened = opened.ok_or("a round ends that did not begin")?;
        if opened.identity != identity {
            return Err("a round ends that is not the one that began".into());
        }
        let kind = RoundKind::from_code((identity >> 16) & 0xff)
            .ok_or_else(|| format!("a round has the unknown kind {}", (identity >> 16) & 0xff))?;
        let side = ((identity >> 8) & 0xff) as usize;
        if side > 1 {
            return Err(format!("a round is of side {side}; there are only 0 and 1"));
        }
        Ok(Round {
            case: identity >> 24,
            side,
            kind,
            placement: opened.placement,
            begin: opened.begin,
            end: record.start,
            thread,
            ops: record.args[1],
            wall_ns: record.args[2],
            cpu_ns: record.args[3],
            faults: record.args[4] & 0xffff_ffff_ffff,
            active_threads: (record.args[4] >> 48) as u32,
        })
    }

    /// All whole rounds in order of time.
    pub fn rounds(self) -> Vec<Round> {
        self.rounds
    }
}
