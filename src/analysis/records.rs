//! The single records of a run, each with the round it fell in and, where it is a call, all that is known of it.

use std::path::Path;

use raptors_recording::{Event, RoundKind};

use super::calls::Patterns;
use super::documents::CaseSpec;
use super::phases::Scale;
use super::{Documents, open, read_rounds, unreadable};
use crate::model::comparison::Call;
use crate::model::error::Error;

/// One record inside a round, or a round itself. Times are nanoseconds; they begin with the recording.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The case, counted from 1; `None` of the positive control, which belongs to none.
    pub case: Option<u64>,
    /// What ran; `None` where the run file does not say.
    pub spec: Option<&'a CaseSpec>,
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// The round, counted from 1 over the whole run.
    pub round: usize,
    /// What the round was for.
    pub purpose: RoundKind,
    /// The thread's number in the recording.
    pub thread: u32,
    /// Operations of the round.
    pub operations: u64,
    /// What it is; `None` of the round itself.
    pub event: Option<Event>,
    /// How many recorded calls enclose it.
    pub depth: u8,
    /// When it began.
    pub start_ns: f64,
    /// How long it took.
    pub duration_ns: f64,
    /// Of a loop, a routine or a backend.
    pub call: Option<Call>,
}

/// Goes over the rounds, then over every record of the observed ones, in the order of the file; holds none of them. `f`
/// says whether it wants more.
///
/// # Errors
/// A file that cannot be read or is damaged.
pub fn each(path: &Path, lossy: bool, mut f: impl FnMut(&Seen<'_>) -> bool) -> Result<Vec<String>, Error> {
    let reader = open(path, lossy)?;
    let documents = Documents::read(&reader)?;
    let rounds = read_rounds(&reader)?;
    let header = reader.header();
    let unit = header.calibration;
    let scale = Scale { ns_per_tick: unit.ns_per_tick, clock_ns: documents.clock_ns };
    let zero = rounds.iter().map(|round| round.begin).min().unwrap_or(0);
    let since = |ticks: u64| (ticks as f64 - zero as f64) * unit.ns_per_tick;
    let cases = documents.spec.as_ref().map_or(&[][..], |spec| &spec.cases);
    let seen = |index: usize| {
        let round = &rounds[index];
        let spec = usize::try_from(round.case).ok();
        Seen {
            case: (round.kind != RoundKind::Control).then_some(round.case + 1),
            spec: spec.and_then(|case| cases.get(case)),
            side: round.side,
            round: index + 1,
            purpose: round.kind,
            thread: round.thread,
            operations: round.ops,
            event: None,
            depth: 0,
            start_ns: since(round.begin),
            duration_ns: since(round.end) - since(round.begin),
            call: None,
        }
    };
    let mut more = (0..rounds.len()).all(|index| f(&seen(index)));
    reader
        .for_each(|thread, record| {
            if !more || matches!(record.event, Event::Mark(_)) {
                return;
            }
            let index = rounds.partition_point(|round| round.end < record.start);
            let inside = rounds.get(index).is_some_and(|round| round.begin <= record.start && round.kind.is_observed());
            if !inside {
                return;
            }
            // A call is a pattern of one.
            let mut one = Patterns::default();
            one.take(thread.index, record, documents.sites.get(&record.site), scale);
            more = f(&Seen {
                thread: thread.index,
                event: Some(record.event),
                depth: record.depth,
                start_ns: since(record.start),
                duration_ns: scale.ns(record.duration),
                call: one.calls(&documents.sites, 1.0).pop(),
                ..seen(index)
            });
        })
        .map_err(unreadable)?;
    Ok(reader.warnings())
}
