//! Warnings that limit the trust in the times, gathered over all cases: a run of nine cases on a busy machine gives one
//! warning, not thirty.

use crate::model::comparison::{Case, DriftVerdict, Machine, MemoryLevel, Side};
use crate::model::units;

/// A residual beyond this share of the time and this many nanoseconds is reported.
const RESIDUAL: (f64, f64) = (0.03, 300.0);
/// A side whose CPU time is less than this share of its wall time was kept waiting.
const BUSY: f64 = 0.9;

/// Troubles of the cases taken so far.
#[derive(Default)]
pub struct Troubles {
    cases: usize,
    /// Labels of cases whose warm-up did not settle.
    unsettled: Vec<String>,
    /// Label, and the larger share of its time that a side was off the processor.
    waiting: Vec<(String, f64)>,
    /// Label, the sides that drifted, and the drift of the ratio.
    moved: Vec<(String, DriftVerdict, f64)>,
    /// Cases whose phases do not explain the time: the missing part, in words and as a share.
    unexplained: Vec<(String, f64)>,
    /// The highest bandwidth that a side drew from memory beyond the machine's limit, and that limit.
    beyond: Option<(String, f64, f64)>,
    /// Warnings about a single case, in words.
    pub others: Vec<String>,
}

impl Troubles {
    /// Takes a case, and whether its warm-up settled.
    pub fn take(&mut self, case: &Case, settled: bool) {
        let label = case.label();
        self.cases += 1;
        let waiting = [&case.sides.a, &case.sides.b]
            .map(|side| 1.0 - side.cpu_ns_per_op.unwrap_or(f64::NAN) / side.wall_ns.median)
            .into_iter()
            .fold(0.0, f64::max);
        if waiting > 1.0 - BUSY {
            self.waiting.push((label.clone(), waiting));
        }
        let drift = &case.rounds.drift;
        if let (DriftVerdict::A | DriftVerdict::B | DriftVerdict::Both, Some(by)) = (drift.verdict, drift.ratio) {
            self.moved.push((label.clone(), drift.verdict, by));
        }
        let sides = [&case.sides.a, &case.sides.b].map(|side| unexplained(&label, side));
        let worst = worst(sides.as_slice(), |side| side.as_ref().map_or(0.0, |s| s.1));
        self.unexplained.extend(worst.cloned().flatten());
        if !settled {
            self.unsettled.push(label);
        }
    }

    /// Checks whether a side drew more from memory than the machine's measured limit.
    pub fn limit(&mut self, case: &Case, machine: &Machine) {
        for side in [&case.sides.a, &case.sides.b] {
            let from_memory = side.memory_level == Some(MemoryLevel::Memory);
            let Some((gb_s, limit)) = side.gb_s.zip(machine.limit_for(side)) else {
                continue;
            };
            let most = self.beyond.as_ref().map_or(1.05 * limit, |(_, most, _)| *most);
            if from_memory && gb_s > most {
                self.beyond = Some((case.label(), gb_s, limit));
            }
        }
    }

    /// One sentence for each kind of trouble, then those of single cases.
    pub fn into_sentences(self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let Some((what, _)) = worst(&self.unexplained, |(_, share)| *share) {
            sentences.push(match self.cases {
                1 => what.clone(),
                cases => format!(
                    "in {} of {cases} cases the phases differ from the time by more than 3 %, most in {what}",
                    self.unexplained.len()
                ),
            });
        }
        if let Some((label, share)) = worst(&self.waiting, |(_, share)| *share) {
            sentences.push(format!(
                "{}the sides were kept off the processor for up to {:.0} % of their time ({label}): close other \
                 programs, or check what the statements wait for",
                self.among(self.waiting.len()),
                100.0 * share
            ));
        }
        if let Some(first) = self.unsettled.first() {
            sentences.push(format!(
                "{}times or page faults had not settled when the warm-up ended ({}): give more --time",
                self.among(self.unsettled.len()),
                and_more(first, self.unsettled.len())
            ));
        }
        if let Some((label, verdict, by)) = worst(&self.moved, |(_, _, by)| by.abs()) {
            sentences.push(format!(
                "{}times drifted during the run, most in {label} ({}; the ratio by {}): close other programs, or \
                 give more --time",
                self.among(self.moved.len()),
                words(*verdict),
                format!("{:+.1} %", 100.0 * by).replace('-', "−")
            ));
        }
        sentences.extend(self.beyond.as_ref().map(|(label, gb_s, limit)| {
            format!(
                "{label} moves {gb_s:.0} GB/s, more than the measured memory limit of {limit:.0} GB/s: the machine was \
                 busy when it was measured; give --measure-limit once"
            )
        }));
        sentences.extend(self.others);
        sentences
    }

    /// The number of cases in the sentence, if there are several.
    fn among(&self, count: usize) -> String {
        match self.cases {
            1 => String::new(),
            all => format!("in {count} of {all} cases "),
        }
    }
}

/// The part of a side that the phases leave unexplained, if it is too large: in words, and its share of the time.
fn unexplained(label: &str, side: &Side) -> Option<(String, f64)> {
    let residual = side.phases_ns.residual?;
    let share = residual.abs() / side.wall_ns.median;
    if share <= RESIDUAL.0 || residual.abs() <= RESIDUAL.1 {
        return None;
    }
    let (time, percent, name) = (units::time(residual.abs()), units::digits(100.0 * share), &side.name);
    let what = if residual > 0.0 {
        format!("{label}: {time} of {name} ({percent} %) could not be attributed to a phase")
    } else {
        format!("{label}: the phases of {name} exceed its time by {time} ({percent} %)")
    };
    Some((what, share))
}

/// The label of the first, and how many there are beside it.
fn and_more(first: &str, count: usize) -> String {
    match count {
        0 | 1 => first.to_owned(),
        n => format!("{first}, and {} more", n - 1),
    }
}

fn worst<T>(all: &[T], size: impl Fn(&T) -> f64) -> Option<&T> {
    all.iter().max_by(|a, b| size(a).total_cmp(&size(b)))
}

fn words(verdict: DriftVerdict) -> &'static str {
    match verdict {
        DriftVerdict::A => "side A drifts",
        DriftVerdict::B => "side B drifts",
        DriftVerdict::Both => "both sides drift",
        DriftVerdict::None => "no drift",
        DriftVerdict::TooFewRounds => "too few rounds",
    }
}
