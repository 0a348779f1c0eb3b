//! The single records of a run, each with its round and, for a call, its full description.

use std::path::Path;

use raptors_recording::{Event, RoundKind};

use super::calls::Patterns;
use super::marks::Round;
use super::phases::Scale;
use super::{Documents, open, read_rounds, unreadable};
use crate::model::comparison::Call;
use crate::model::error::Error;
use crate::model::protocol::CaseSpec;

/// One record inside a round, or a round itself. Times are nanoseconds; they begin with the recording.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The case, counted from 1; `None` for the positive control, which has no case.
    pub case: Option<u64>,
    /// The subject; `None` if the run file does not name it.
    pub spec: Option<&'a CaseSpec>,
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// The round, counted from 1 over the whole run.
    pub round: usize,
    /// The purpose of the round.
    pub purpose: RoundKind,
    /// The thread's number in the recording.
    pub thread: u32,
    /// Operations of the round.
    pub operations: u64,
    /// What it is; `None` of the round itself.
    pub event: Option<Event>,
    /// The number of recorded calls around it.
    pub depth: u8,
    /// Its beginning.
    pub start_ns: f64,
    /// Its duration.
    pub duration_ns: f64,
    /// The call, for a loop, a routine or a backend.
    pub call: Option<Call>,
}

/// The rounds of a run, as what is seen in them refers to them.
struct Rounds<'a> {
    rounds: Vec<Round>,
    cases: &'a [CaseSpec],
    /// Ticks of the beginning of the first.
    zero: u64,
    ns_per_tick: f64,
}

impl<'a> Rounds<'a> {
    /// Nanoseconds from the beginning of the first round.
    fn since(&self, ticks: u64) -> f64 {
        (ticks as f64 - self.zero as f64) * self.ns_per_tick
    }

    /// The observed round that was under way, by its index.
    fn observed_at(&self, ticks: u64) -> Option<usize> {
        let index = self.rounds.partition_point(|round| round.end < ticks);
        self.rounds.get(index).is_some_and(|round| round.begin <= ticks && round.kind.is_observed()).then_some(index)
    }

    /// A round itself.
    fn seen(&self, index: usize) -> Seen<'a> {
        let round = &self.rounds[index];
        let spec = usize::try_from(round.case).ok();
        Seen {
            case: (round.kind != RoundKind::Control).then_some(round.case + 1),
            spec: spec.and_then(|case| self.cases.get(case)),
            side: round.side,
            round: index + 1,
            purpose: round.kind,
            thread: round.thread,
            operations: round.ops,
            event: None,
            depth: 0,
            start_ns: self.since(round.begin),
            duration_ns: self.since(round.end) - self.since(round.begin),
            call: None,
        }
    }
}

/// Passes every round to `f`, then every record of the observed rounds, in the order of the file; keeps none of them.
/// `f` returns whether it wants more.
///
/// # Errors
/// A file that cannot be read or is damaged.
pub fn each(path: &Path, lossy: bool, mut f: impl FnMut(&Seen<'_>) -> bool) -> Result<Vec<String>, Error> {
    let reader = open(path, lossy)?;
    let documents = Documents::read(&reader)?;
    let paired = read_rounds(&reader)?;
    let left_out = paired.warning();
    let rounds = paired.rounds;
    let ns_per_tick = reader.header().calibration.ns_per_tick;
    let scale = Scale { ns_per_tick, clock_ns: documents.clock_ns };
    let zero = rounds.iter().map(|round| round.begin).min().unwrap_or(0);
    let cases = documents.spec.as_ref().map_or(&[][..], |spec| &spec.cases);
    let rounds = Rounds { rounds, cases, zero, ns_per_tick };
    let mut more = (0..rounds.rounds.len()).all(|index| f(&rounds.seen(index)));
    reader
        .for_each(|thread, record| {
            if !more || matches!(record.event, Event::Mark(_)) {
                return;
            }
            let Some(index) = rounds.observed_at(record.start) else {
                return;
            };
            // A single call is a pattern.
            let mut one = Patterns::default();
            one.take(thread.index, record, documents.sites.get(&record.site), scale);
            more = f(&Seen {
                thread: thread.index,
                event: Some(record.event),
                depth: record.depth,
                start_ns: rounds.since(record.start),
                duration_ns: scale.ns(record.duration),
                call: one.calls(&documents.sites, 1.0).pop(),
                ..rounds.seen(index)
            });
        })
        .map_err(unreadable)?;
    Ok(left_out.into_iter().chain(reader.warnings()).collect())
}
