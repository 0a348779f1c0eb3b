//! From a run file to the comparison: rounds, phases, call patterns, intervals.

pub mod against;
mod arguments;
mod assemble;
mod calls;
mod documents;
mod earlier;
mod engines;
pub mod flamegraph;
pub mod imports;
mod marks;
mod phases;
mod records;
mod samples;
pub mod stats;
mod timing;
mod troubles;

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use raptors_recording::{Event, Reader, Record, RoundKind};

use crate::model::comparison::Comparison;
use crate::model::error::{Error, Exit};
use crate::tracers::engines::Plan;
use calls::Patterns;
use documents::Documents;
pub use documents::{INQUIRY, Inquiry, NAMES};
use marks::{Paired, Round};
use phases::{Accounting, Parts, Scale};
pub use records::{Seen, each};
pub use samples::{CaseSamples, SideSamples};
pub use timing::Timing;

/// The content of a run file, before statistics.
struct Run {
    documents: Documents,
    rounds: Vec<Round>,
    /// Parts of each round, beside `rounds`; all zero for unobserved ones.
    parts: Vec<Parts>,
    /// Patterns of the observed rounds by case and side.
    patterns: HashMap<(u64, usize), Patterns>,
    /// Patterns of the control.
    control: Patterns,
    /// The kernel's dispatch reasons, by case and side: site and count.
    dispatches: HashMap<(u64, usize), HashMap<u32, u64>>,
    lost: u64,
    /// About rounds that were left out.
    warning: Option<String>,
    complete: bool,
    started: SystemTime,
}

/// Reads a run file and reduces it to a comparison. With `lossy`, damaged or missing parts are skipped and listed in
/// the warnings.
///
/// # Errors
/// A file that cannot be read or is damaged (the sentence names the offset), a file without a comparison, and a file
/// whose positive control saw nothing.
pub fn read(path: &Path, lossy: bool) -> Result<Comparison, Error> {
    Ok(read_timed(path, lossy)?.0)
}

/// [`read`], and the rounds behind each of its cases, in their order.
///
/// # Errors
/// As [`read`].
pub fn read_timed(path: &Path, lossy: bool) -> Result<(Comparison, Vec<Timing>), Error> {
    let (_, comparison, timings) = read_run(path, lossy)?;
    Ok((comparison, timings))
}

/// [`read`], and the sampled stacks of the run.
///
/// # Errors
/// As [`read`]; and a run without any sample, with the reason if it is known.
pub fn read_sampled(path: &Path, lossy: bool) -> Result<(Comparison, Vec<CaseSamples>), Error> {
    let (run, comparison, _) = read_run(path, lossy)?;
    Ok((comparison, samples::samples(&run)?))
}

/// The sampled stacks of a run, or why there are none.
pub type Sampled = Result<Vec<CaseSamples>, Error>;

/// [`read_timed`], and the sampled stacks of the run, possibly none; if they were requested, the reason is among the
/// warnings.
///
/// # Errors
/// As [`read`].
pub fn read_whole(path: &Path, lossy: bool) -> Result<(Comparison, Vec<Timing>, Sampled), Error> {
    let (run, mut comparison, timings) = read_run(path, lossy)?;
    let samples = match samples::samples(&run) {
        Err(error) if error.exit_code() != Exit::NothingObserved => return Err(error),
        samples => samples,
    };
    if let Err(error) = &samples
        && !run.documents.samples.is_empty()
    {
        comparison.warnings.push(error.in_a_line());
    }
    Ok((comparison, timings, samples))
}

/// The document with the names of a run's sampled code, looked up now; `None` if no code needs a name.
///
/// # Errors
/// As [`read`].
pub fn names_of(path: &Path) -> Result<Option<String>, Error> {
    let reader = open(path, false)?;
    if reader.documents_of("samples").next().is_none() {
        return Ok(None);
    }
    let stored = samples::looked_up(&Documents::read(&reader)?)?;
    stored.map(|stored| serde_json::to_string(&stored)).transpose().map_err(|error| Error::new(error.to_string()))
}

fn read_run(path: &Path, lossy: bool) -> Result<(Run, Comparison, Vec<Timing>), Error> {
    let reader = open(path, lossy)?;
    let run = Run::read(&reader)?;
    let (mut comparison, timings) = assemble::comparison(&run)?;
    comparison.warnings.extend(run.warning.clone());
    comparison.warnings.extend(reader.warnings());
    Ok((run, comparison, timings))
}

fn open(path: &Path, lossy: bool) -> Result<Reader, Error> {
    let opened = if lossy { Reader::open_lossy(path) } else { Reader::open(path) };
    opened.map_err(unreadable)
}

/// The probes that a tracer needs to see the calls of a run: the loops that the in-process observers saw, and every
/// routine that an extension could call. The recording may still be in progress.
///
/// # Errors
/// As [`read`]; and a run that has not reached its rounds yet.
pub fn plan(path: &Path, pid: u32) -> Result<Plan, Error> {
    let reader = Reader::open(path).map_err(unreadable)?;
    engines::plan(&Run::read(&reader)?, pid)
}

/// The reader's errors are sentences with the file, the offset and the fix; the command adds that a part of the file
/// can still be shown.
fn unreadable(error: raptors_recording::Error) -> Error {
    use raptors_recording::Error::{Damaged, Truncated};
    let partly = matches!(error, Truncated { .. } | Damaged { .. });
    let error = Error::new(error.to_string());
    if partly {
        return error.help("print the readable part: raptors-trace show --lossy FILE");
    }
    error
}

impl Run {
    fn read(reader: &Reader) -> Result<Self, Error> {
        let documents = Documents::read(reader)?;
        let paired = read_rounds(reader)?;
        let warning = paired.warning();
        let rounds = paired.rounds;
        let header = reader.header();
        let scale = Scale { ns_per_tick: header.calibration.ns_per_tick, clock_ns: documents.clock_ns };
        let mut sorter = Sorter::new(&documents, &rounds, scale);
        reader.for_each(|thread, record| sorter.take(thread.index, record)).map_err(unreadable)?;
        let (parts, patterns, control, dispatches) = sorter.finish();
        Ok(Self {
            parts,
            patterns,
            control,
            dispatches,
            lost: header.lost.total(),
            complete: header.complete,
            started: header.started,
            documents,
            rounds,
            warning,
        })
    }

    /// Indices of the rounds of one case, side and kind, in order of time.
    fn of(&self, case: u64, side: usize, kind: RoundKind) -> Vec<usize> {
        (0..self.rounds.len())
            .filter(|&i| {
                let round = &self.rounds[i];
                round.case == case && round.side == side && round.kind == kind && round.ops > 0
            })
            .collect()
    }
}

fn read_rounds(reader: &Reader) -> Result<Paired, Error> {
    let mut marks = Vec::new();
    reader
        .for_each(|thread, record| {
            if let Event::Mark(mark) = record.event {
                marks.push((thread.index, record.start, mark));
            }
        })
        .map_err(unreadable)?;
    Ok(Paired::of(marks))
}

/// Assigns records to their rounds.
struct Sorter<'a> {
    documents: &'a Documents,
    rounds: &'a [Round],
    scale: Scale,
    accounting: Accounting,
    patterns: HashMap<(u64, usize), Patterns>,
    control: Patterns,
    dispatches: HashMap<(u64, usize), HashMap<u32, u64>>,
    /// The round of the last record: most records are in the same round as their predecessor.
    last: usize,
}

type Sorted = (Vec<Parts>, HashMap<(u64, usize), Patterns>, Patterns, HashMap<(u64, usize), HashMap<u32, u64>>);

impl<'a> Sorter<'a> {
    fn new(documents: &'a Documents, rounds: &'a [Round], scale: Scale) -> Self {
        Self {
            documents,
            rounds,
            scale,
            accounting: Accounting::new(scale, rounds.len()),
            patterns: HashMap::new(),
            control: Patterns::default(),
            dispatches: HashMap::new(),
            last: 0,
        }
    }

    fn round_of(&mut self, start: u64) -> Option<usize> {
        let inside = |round: &Round| round.begin <= start && start <= round.end;
        if !self.rounds.get(self.last).is_some_and(inside) {
            self.last = self.rounds.partition_point(|round| round.end < start);
        }
        self.rounds.get(self.last).is_some_and(inside).then_some(self.last)
    }

    fn take(&mut self, thread: u32, record: &Record) {
        if matches!(record.event, Event::Mark(_)) {
            return;
        }
        let Some(index) = self.round_of(record.start) else {
            return;
        };
        let round = &self.rounds[index];
        if !round.kind.is_observed() {
            return;
        }
        let site = self.documents.sites.get(&record.site);
        if matches!(record.event, Event::Chunk(_)) {
            self.accounting.piece(thread, record);
        }
        if thread == round.thread {
            let backend = matches!(record.event, Event::Backend(_));
            let parallel = backend && site.is_some_and(|site| site.name.starts_with("parallel"));
            self.accounting.own(index, record, parallel);
        } else {
            self.accounting.other(index, record);
        }
        let key = (round.case, round.side);
        match round.kind {
            RoundKind::Control => self.control.take(thread, record, site, self.scale),
            RoundKind::Observed => {
                let patterns = self.patterns.entry(key).or_default();
                patterns.take(thread, record, site, self.scale);
                if matches!(record.event, Event::Dispatch(_)) {
                    *self.dispatches.entry(key).or_default().entry(record.site).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    fn finish(self) -> Sorted {
        (self.accounting.finish(), self.patterns, self.control, self.dispatches)
    }
}
