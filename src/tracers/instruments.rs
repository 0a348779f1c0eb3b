//! A recording of Apple's Instruments: its samples given to the rounds in which they fall, and so to the two sides.
//!
//! Rounds run one after the other, so the time of a sample says whose round it is. A sample of another thread of the
//! same process belongs to the round too: threads of a backend or a BLAS work for the side that runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use raptors_flamegraphs::Folded;
use raptors_flamegraphs::xctrace::{Interval, Sample, TimeProfile};
use raptors_recording::RoundKind;
use raptors_signposts::{Round, SUBSYSTEM, Side};
use serde::Serialize;

use crate::machine::files;
use crate::model::error::{Error, Exit};

/// Two exported tables of one recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The table `time-profile`.
    pub samples: PathBuf,
    /// The table `os-signpost-interval`.
    pub signposts: PathBuf,
    /// What the folded stacks are called, before `.a.folded` and `.b.folded`; beside the samples where nothing is said.
    pub output: Option<PathBuf>,
}

/// The samples of both sides; `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sides {
    /// `raptors-trace/instruments/1`.
    pub schema: &'static str,
    /// One for each comparison of the run, in their order.
    pub cases: Vec<Case>,
    /// All samples of the recording.
    pub samples: u64,
    /// Samples in rounds of other kinds: warm-up, observed rounds, the control.
    pub in_other_rounds: u64,
    /// Samples outside of any round: setting up, or other processes.
    pub outside: u64,
    /// Files of folded stacks that were written.
    pub files: Vec<String>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// What the driver calls it.
    pub name: String,
    /// Side A.
    pub a: Counted,
    /// Side B.
    pub b: Counted,
    /// A's sampled time of an operation ÷ B's: above 1, B is faster.
    pub ratio: Option<f64>,
}

/// What was seen of one side in the timed rounds of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    /// What it is called.
    pub name: String,
    /// Timed rounds that lie within the recording.
    pub rounds: u64,
    /// What they took, on the clock, ns.
    pub wall_ns: u64,
    /// Samples in them.
    pub samples: u64,
    /// Of these, samples of other threads than the one that runs the rounds.
    pub of_other_threads: u64,
    /// The CPU time for which the samples stand, ns.
    pub sampled_ns: u64,
    /// Operations in them; `None` where the intervals do not say.
    pub operations: Option<u64>,
    /// Sampled time of an operation, ns.
    pub ns_per_op: Option<f64>,
}

/// A round in the recording.
struct Placed {
    start: u64,
    end: u64,
    thread: Option<u64>,
    side: Side,
    /// Index of its case; `None` for a round of another kind than timed.
    case: Option<usize>,
}

/// Reads both tables and writes the folded stacks of both sides.
///
/// # Errors
/// A file that cannot be read or is another table; no samples, no rounds, or no sample in any timed round.
pub fn read(options: &Options) -> Result<Sides, Error> {
    let text = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("{} cannot be read", path.display())).caused_by(error))
    };
    let (samples, signposts) = (text(&options.samples)?, text(&options.signposts)?);
    let profile = profile(&samples, &options.samples)?;
    let intervals = intervals(&signposts, &options.signposts)?;
    let stem = options.output.as_ref().unwrap_or(&options.samples);
    let mut shared =
        Shared::new(&profile, &intervals).ok_or_else(|| no_rounds(&options.signposts.display().to_string()))?;
    shared.write(&profile, stem)?;
    Ok(shared.sides)
}

/// The samples in an exported table that was read from `place`.
///
/// # Errors
/// What [`TimeProfile::from_xctrace`] says.
pub fn profile(export: &str, place: &Path) -> Result<TimeProfile, Error> {
    TimeProfile::from_xctrace(export).map_err(|error| {
        let exit = match error {
            raptors_flamegraphs::Error::NoSamples => Exit::NothingObserved,
            _ => Exit::Failed,
        };
        not_in(place, "samples", "time-profile", error).exit(exit)
    })
}

/// The intervals in an exported table that was read from `place`.
///
/// # Errors
/// What [`Interval::from_xctrace`] says.
pub fn intervals(export: &str, place: &Path) -> Result<Vec<Interval>, Error> {
    Interval::from_xctrace(export).map_err(|error| not_in(place, "signposts", "os-signpost-interval", error))
}

fn not_in(place: &Path, what: &str, table: &str, error: raptors_flamegraphs::Error) -> Error {
    let help = format!("xcrun xctrace export --input RECORDING.trace --xpath '{}' --output FILE.xml", xpath(table));
    Error::new(format!("{} holds no {what} to read", place.display())).caused_by(error).help(help)
}

/// Where a table of a recording is, for `xctrace export`.
pub fn xpath(table: &str) -> String {
    format!("/trace-toc/run[@number=\"1\"]/data/table[@schema=\"{table}\"]")
}

/// What it means that a recording has no rounds.
pub fn no_rounds(place: &str) -> Error {
    let help = "record a driver that was started with signposts on: RAPTORS_SIGNPOSTS=1 raptors-trace compare --wait, \
                then raptors-trace attach PID --with instruments";
    Error::new(format!("there are no rounds of a driver in {place}")).help(help).exit(Exit::NothingObserved)
}

/// Samples shared out among rounds.
pub struct Shared {
    /// What was counted.
    pub sides: Sides,
    /// For each sample of a timed round its index, side and case.
    taken: Vec<(usize, Side, usize)>,
}

impl Shared {
    /// Gives each sample to the round in which it falls; `None` where there is no round.
    pub fn new(profile: &TimeProfile, intervals: &[Interval]) -> Option<Self> {
        let mut cases = Vec::new();
        let rounds = rounds(intervals, &mut cases);
        if rounds.is_empty() {
            return None;
        }
        let mut shared = Self {
            sides: Sides {
                schema: "raptors-trace/instruments/1",
                cases,
                samples: profile.samples.len() as u64,
                in_other_rounds: 0,
                outside: 0,
                files: Vec::new(),
            },
            taken: Vec::new(),
        };
        for (index, sample) in profile.samples.iter().enumerate() {
            match round_of(sample, &rounds) {
                None => shared.sides.outside += 1,
                Some(round) => shared.take(index, sample, round),
            }
        }
        for case in &mut shared.sides.cases {
            case.divide();
        }
        Some(shared)
    }

    fn take(&mut self, index: usize, sample: &Sample, round: &Placed) {
        let Some(case) = round.case else {
            self.sides.in_other_rounds += 1;
            return;
        };
        let counted = self.sides.cases[case].side(round.side);
        counted.samples += 1;
        counted.sampled_ns = counted.sampled_ns.saturating_add(sample.weight);
        let other = sample.thread.is_some() && round.thread.is_some();
        counted.of_other_threads += u64::from(other && sample.thread != round.thread);
        self.taken.push((index, round.side, case));
    }

    /// Writes the folded stacks of each side to `STEM.a.folded` and `STEM.b.folded`, below a frame with the case's name
    /// where there are several. A side without samples gets no file.
    ///
    /// # Errors
    /// No sample in any timed round; a file that cannot be written.
    pub fn write(&mut self, profile: &TimeProfile, stem: &Path) -> Result<(), Error> {
        if self.taken.is_empty() {
            let sentence = format!("none of the {} samples falls in a timed round", self.sides.samples);
            return Err(Error::new(sentence)
                .help("record for longer, while the driver measures")
                .exit(Exit::NothingObserved));
        }
        for (side, letter) in Side::ALL.into_iter().zip(["a", "b"]) {
            let folded = self.folded(profile, side)?;
            if folded.total() == 0 {
                continue;
            }
            let path = files::beside(stem, &format!(".{letter}.folded"));
            files::write_whole(&path, folded.to_string())?;
            self.sides.files.push(path.display().to_string());
        }
        Ok(())
    }

    fn folded(&self, profile: &TimeProfile, side: Side) -> Result<Folded, Error> {
        let cases = &self.sides.cases;
        let of_side = self.taken.iter().filter(|(_, of, _)| *of == side);
        let samples = of_side.map(|&(index, _, case)| {
            let root = (cases.len() > 1).then_some(cases[case].name.as_str());
            (root, &profile.samples[index])
        });
        profile.fold(samples).map_err(|error| Error::new("the samples cannot be folded").caused_by(error))
    }
}

impl Case {
    fn side(&mut self, side: Side) -> &mut Counted {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    fn divide(&mut self) {
        for side in [&mut self.a, &mut self.b] {
            let operations = side.operations.filter(|&n| n > 0 && side.samples > 0);
            side.ns_per_op = operations.map(|n| side.sampled_ns as f64 / n as f64);
        }
        let both = self.a.ns_per_op.zip(self.b.ns_per_op);
        self.ratio = both.filter(|(_, b)| *b > 0.0).map(|(a, b)| a / b);
    }
}

/// The rounds among the intervals, by process, each in the order of time; their cases are added to `cases`.
fn rounds(intervals: &[Interval], cases: &mut Vec<Case>) -> HashMap<Option<u64>, Vec<Placed>> {
    let mut rounds: HashMap<Option<u64>, Vec<Placed>> = HashMap::new();
    for interval in intervals {
        let side = Side::of(&interval.name).filter(|_| interval.subsystem == SUBSYSTEM);
        let Some(side) = side else { continue };
        let round = Round::parse(&interval.message);
        let timed = round.is_none_or(|round| round.kind == RoundKind::Timed.as_str());
        let case = timed.then(|| add(interval, side, round, cases));
        rounds.entry(interval.process).or_default().push(Placed {
            start: interval.start,
            end: interval.end,
            thread: interval.thread,
            side,
            case,
        });
    }
    for of_process in rounds.values_mut() {
        of_process.sort_by_key(|round| round.start);
    }
    rounds
}

/// Counts a timed round to its case, and gives that case's index.
fn add(interval: &Interval, side: Side, round: Option<Round<'_>>, cases: &mut Vec<Case>) -> usize {
    let name = round.map_or("", |round| round.case);
    let found = cases.iter().position(|case| case.name == name);
    let index = found.unwrap_or_else(|| {
        cases.push(Case { name: name.to_owned(), a: Counted::default(), b: Counted::default(), ratio: None });
        cases.len() - 1
    });
    let counted = cases[index].side(side);
    counted.rounds += 1;
    counted.wall_ns = counted.wall_ns.saturating_add(interval.end - interval.start);
    if let Some(round) = round {
        counted.name = round.name.to_owned();
        let before = counted.operations.unwrap_or(0);
        counted.operations = Some(before.saturating_add(round.ops));
    }
    index
}

/// The round of the sample's process that runs at its time. Where one side of the two does not know the process, the
/// time alone decides.
fn round_of<'a>(sample: &Sample, rounds: &'a HashMap<Option<u64>, Vec<Placed>>) -> Option<&'a Placed> {
    let known = rounds
        .iter()
        .filter(|(process, _)| process.is_none() || sample.process.is_none() || **process == sample.process);
    let at = |of_process: &'a Vec<Placed>| {
        let after = of_process.partition_point(|round| round.start <= sample.time);
        let round = of_process[..after].last()?;
        (sample.time < round.end).then_some(round)
    };
    known.filter_map(|(_, of_process)| at(of_process)).next()
}
