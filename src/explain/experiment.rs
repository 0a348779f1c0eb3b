//! One experiment: alternating rounds of both sides with and without some switches, and the effect on the gap.

use std::time::{Duration, Instant};

use super::lab::{Arm, Lab, ROUND, Setting};
use super::switch::Switches;
use crate::analysis::stats::{Spread, bootstrap_over_placements, by_placement, median, over_placements, quantile};
use crate::model::budget::experiments::SET_UP;
use crate::model::comparison::Ci95;
use crate::model::error::Error;
use crate::model::protocol::{RoundCost, Side};

/// The number of starts of the processes: the position of a process's memory changes times as well.
const STARTS: usize = 3;
/// The number of times that the sides are set up in each process.
const PLACEMENTS: usize = 4;

/// The largest number of bytes that switches may have replaced in a process: it keeps them, so another one takes over.
const MOST_KEPT: u64 = 1 << 30;

/// The quantile of a placement's rounds of one arm that counts: other programs can only make a round longer, and on a
/// shared machine they do so to many. The variation between placements stays in the intervals.
const QUIET: f64 = 0.25;

/// The quantity that an experiment measures: the weighted sum of the gap (B's time − A's) under each of some switches.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms(pub Vec<(f64, Switches)>);

impl Terms {
    /// The part that `switch` takes from the gap under `base`.
    pub fn difference(base: &Switches, switch: &Switches) -> Self {
        Self(vec![(1.0, base.clone()), (-1.0, base.and(switch))])
    }

    /// The same, with rounds without any switch beside them.
    #[must_use]
    pub fn beside_plain(mut self) -> Self {
        self.0.push((0.0, Switches::default()));
        self
    }

    /// Whether rounds of different processes are compared.
    pub fn span_processes(&self) -> bool {
        let mut terms = self.0.iter().filter(|(weight, _)| *weight != 0.0);
        let Some((_, first)) = terms.next() else {
            return false;
        };
        terms.any(|(_, other)| !first.shares_process_with(other))
    }

    /// The same terms, each with `base` on as well.
    #[must_use]
    pub fn on(&self, base: &Switches) -> Self {
        let terms = self.0.iter();
        Self(terms.map(|(weight, switch)| (*weight, base.and(switch))).collect())
    }
}

/// The result of an experiment.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// The weighted sum, ns per operation: above 0, B is slower by it. The median over placements of the quiet rounds
    /// of each.
    pub ns: f64,
    /// Its interval, with the requested confidence.
    pub interval: Ci95,
    /// Its interval of 95 %.
    pub ci95: Ci95,
    /// Times of A and B, ns per operation, under each term's switches.
    pub sides: Vec<[f64; 2]>,
    /// Page faults of A and B per operation, under the first term's switches.
    pub faults: [f64; 2],
    /// B's time − A's in its own rounds without a switch, ns; none if it had no such rounds.
    pub own_gap: Option<f64>,
}

impl Effect {
    /// The effect times a factor, its interval too.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let both = |ends: Ci95| ends.map(|end| end * factor);
        Self { ns: self.ns * factor, interval: both(self.interval), ci95: both(self.ci95), ..self.clone() }
    }

    /// Times of A and B under the switches of that term, ns per operation.
    pub fn times_of(&self, term: usize) -> [f64; 2] {
        self.sides.get(term).copied().unwrap_or([f64::NAN; 2])
    }
}

/// Rounds of both sides without a switch, over all experiments.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    /// A's and B's times, ns per operation.
    pub times: [Vec<f64>; 2],
    /// The placement and experiment of each measurement.
    pub placements: Vec<u64>,
    /// Placements so far.
    known: u64,
}

impl Plain {
    /// Whether no round was run.
    pub fn is_empty(&self) -> bool {
        self.placements.is_empty()
    }

    /// B's time − A's, ns.
    pub fn gap(&self) -> f64 {
        over_placements(&self.placements, |rows| self.gap_of(rows))
    }

    /// The interval of 95 % of [`Plain::gap`].
    pub fn gap_ci95(&self) -> Ci95 {
        let [interval] = bootstrap_over_placements([0.95], &self.placements, None, |rows| self.gap_of(rows));
        interval
    }

    /// The slower side's time.
    pub fn wall(&self) -> f64 {
        let of = |side: usize| over_placements(&self.placements, |rows| quiet(&self.times[side], rows));
        of(0).max(of(1))
    }

    fn gap_of(&self, rows: &[usize]) -> f64 {
        gap_of(&self.times, rows)
    }
}

/// The undisturbed time of these rounds of an arm, ns.
fn quiet(times: &[f64], rows: &[usize]) -> f64 {
    let of: Vec<f64> = rows.iter().map(|&row| times[row]).collect();
    quantile(&of, QUIET)
}

fn gap_of([a, b]: &[Vec<f64>; 2], rows: &[usize]) -> f64 {
    quiet(b, rows) - quiet(a, rows)
}

/// The processes of one case without process-wide switches: started once, because every experiment uses them.
#[derive(Default)]
pub struct Pool<'a> {
    plain: Vec<Lab<'a>>,
}

/// The arms of one term: two, one of which may belong to another term.
struct Term<'a> {
    switches: &'a Switches,
    /// The index of its process.
    process: usize,
    arms: [usize; 2],
}

/// Runs rounds, and adds them to the rounds of this experiment so far.
///
/// # Errors
/// A side cannot run this way, a process cannot be started, or the user interrupted.
pub fn run<'s>(
    setting: &'s Setting<'s>,
    pool: &mut Pool<'s>,
    plain: &mut Plain,
    terms: &Terms,
    time: Duration,
    samples: &mut Samples,
) -> Result<(), Error> {
    let mut placements = PLACEMENTS;
    for start in 0..STARTS {
        let started = Instant::now();
        let end = started + time.div_f64(STARTS as f64);
        let mut processes = pool.take(setting, start)?;
        let mut placement = 0;
        while placement < placements {
            let before = Instant::now();
            plain.known += 1;
            let number = samples.set_ups;
            samples.set_ups += 1;
            renew(setting, &mut processes)?;
            let laid_out = set_up(setting, terms, &mut processes, number)?;
            if start == 0 && placement == 0 {
                let spent = before.elapsed().as_secs_f64() * STARTS as f64;
                let affordable = (time.as_secs_f64() * SET_UP / spent).round() as usize;
                placements = affordable.clamp(1, PLACEMENTS);
            }
            let left = end.saturating_duration_since(Instant::now());
            let until = Instant::now() + left.div_f64((placements - placement) as f64);
            loop {
                let rounds = turn(&laid_out, &mut processes, samples.placements.len())?;
                samples.take(&laid_out, &rounds, number as u64, plain);
                if Instant::now() >= until {
                    break;
                }
            }
            placement += 1;
        }
        pool.give_back(processes, start, terms)?;
    }
    Ok(())
}

/// Starts a process anew that keeps much of what was replaced in it. All its arms will be set up anew anyway.
fn renew<'s>(setting: &'s Setting<'s>, processes: &mut [(Switches, Lab<'s>)]) -> Result<(), Error> {
    for (switches, lab) in processes {
        if lab.kept_bytes() > MOST_KEPT {
            *lab = Lab::start(setting, switches)?;
        }
    }
    Ok(())
}

impl<'a> Pool<'a> {
    /// The processes of one start: only the plain one, so far.
    fn take(&mut self, setting: &'a Setting<'a>, start: usize) -> Result<Vec<(Switches, Lab<'a>)>, Error> {
        while self.plain.len() <= start {
            self.plain.push(Lab::start(setting, &Switches::default())?);
        }
        Ok(vec![(Switches::default(), self.plain.remove(start))])
    }

    /// Keeps the plain process for the next experiment; the others end.
    fn give_back(&mut self, processes: Vec<(Switches, Lab<'a>)>, start: usize, terms: &Terms) -> Result<(), Error> {
        let plain = processes.into_iter().next();
        if let Some((_, mut lab)) = plain {
            let arms: Vec<usize> = (0..2 * terms.0.len()).collect();
            lab.drop_arms(&arms)?;
            self.plain.insert(start, lab);
        }
        Ok(())
    }
}

/// Sets up every arm that differs from the others of its process. In every other placement the last comes first: the
/// first one gets the memory that was freed first, and neither a side nor the plain or the switched arms should always
/// have it.
fn set_up<'t, 's>(
    setting: &'s Setting<'s>,
    terms: &'t Terms,
    processes: &mut Vec<(Switches, Lab<'s>)>,
    placement: usize,
) -> Result<Vec<Term<'t>>, Error> {
    let mut laid_out: Vec<Term<'t>> = Vec::new();
    for (number, (_, switches)) in terms.0.iter().enumerate() {
        let found = processes.iter().position(|(other, _)| other.shares_process_with(switches));
        let process = match found {
            Some(process) => process,
            None => {
                processes.push((switches.clone(), Lab::start(setting, switches)?));
                processes.len() - 1
            }
        };
        laid_out.push(Term { switches, process, arms: [2 * number, 2 * number + 1] });
    }
    for (process, (_, lab)) in processes.iter_mut().enumerate() {
        let unchanged = arm(lab, &laid_out, process, placement)?;
        share_plain_arms(lab, &mut laid_out, process, &unchanged)?;
    }
    Ok(laid_out)
}

/// Sets up the arms of one process. Returns the numbers of those in which nothing was changed, although their switches
/// would have reported it.
fn arm(lab: &mut Lab<'_>, laid_out: &[Term<'_>], process: usize, placement: usize) -> Result<Vec<usize>, Error> {
    let terms = laid_out.iter().filter(|term| term.process == process);
    let arms: Vec<Arm<'_>> = terms
        .flat_map(|term| Side::BOTH.map(|side| Arm { number: term.arms[side as usize], side, switches: term.switches }))
        .collect();
    let armed = lab.set_up(&arms, placement, ROUND)?;
    let unchanged = arms.iter().zip(armed).filter(|(arm, armed)| {
        !arm.switches.arm.is_empty() && arm.switches.changes_only_what_it_tells() && !armed.changed_anything()
    });
    Ok(unchanged.map(|(arm, _)| arm.number).collect())
}

/// Has the plain arms of a process stand for those in which nothing was changed.
fn share_plain_arms(
    lab: &mut Lab<'_>,
    laid_out: &mut [Term<'_>],
    process: usize,
    unchanged: &[usize],
) -> Result<(), Error> {
    let is_plain =
        |term: &&Term<'_>| term.process == process && term.switches.arm.is_empty() && term.switches.shape.is_none();
    let Some(plain) = laid_out.iter().find(is_plain).map(|term| term.arms) else {
        return Ok(());
    };
    for term in laid_out.iter_mut().filter(|term| term.process == process) {
        for (arm, plain) in term.arms.iter_mut().zip(plain) {
            if unchanged.contains(arm) {
                lab.drop_arms(&[*arm])?;
                *arm = plain;
            }
        }
    }
    Ok(())
}

/// One round of every arm; by arm.
fn turn(
    laid_out: &[Term<'_>],
    processes: &mut [(Switches, Lab<'_>)],
    block: usize,
) -> Result<Vec<(usize, RoundCost)>, Error> {
    let mut arms: Vec<(usize, usize)> = Vec::new();
    for term in laid_out {
        for arm in term.arms {
            if !arms.contains(&(term.process, arm)) {
                arms.push((term.process, arm));
            }
        }
    }
    let order = order(arms.len(), block);
    let order: Vec<(usize, usize)> = order.into_iter().map(|arm| arms[arm]).collect();
    let mut rounds = Vec::new();
    for chunk in order.chunk_by(|a, b| a.0 == b.0) {
        let arms: Vec<usize> = chunk.iter().map(|(_, arm)| *arm).collect();
        let done = processes[chunk[0].0].1.rounds(&arms)?;
        rounds.extend(arms.into_iter().zip(done));
    }
    Ok(rounds)
}

/// The order of `arms` arms in a block. Over as many blocks as there are arms, twice as many for an odd number, each
/// arm comes at each place and after each other arm equally often, because the remains of an arm (spinning threads,
/// data in the caches) affect the next one (Williams, *Experimental designs balanced for the estimation of residual
/// effects of treatments*, Australian Journal of Scientific Research A 2, 1949).
fn order(arms: usize, block: usize) -> Vec<usize> {
    let zigzag = |place: usize| {
        if place % 2 == 1 { place.div_ceil(2) } else { (arms - place / 2) % arms }
    };
    let turned = |place| (zigzag(place) + block) % arms;
    let mut order: Vec<usize> = (0..arms).map(turned).collect();
    if arms % 2 == 1 && block / arms % 2 == 1 {
        order.reverse();
    }
    order
}

/// An experiment's blocks of rounds so far.
#[derive(Default)]
pub struct Samples {
    /// The index of the term without a switch, if there is one.
    plain: Option<usize>,
    /// The number of times that the sides were set up.
    set_ups: usize,
    /// The terms' weights.
    weights: Vec<f64>,
    /// The placement of each measurement.
    placements: Vec<u64>,
    /// Times by term and side.
    times: Vec<[Vec<f64>; 2]>,
    faults: [Vec<f64>; 2],
}

impl Samples {
    /// None so far.
    pub fn of(terms: &Terms) -> Self {
        let nothing = Switches::default();
        Self {
            plain: terms.0.iter().position(|(_, switch)| *switch == nothing),
            weights: terms.0.iter().map(|(weight, _)| *weight).collect(),
            times: vec![Default::default(); terms.0.len()],
            ..Self::default()
        }
    }

    fn take(&mut self, laid_out: &[Term<'_>], rounds: &[(usize, RoundCost)], placement: u64, plain: &mut Plain) {
        let of = |arm: usize| {
            let found = rounds.iter().find(|(number, _)| *number == arm);
            found.map_or_else(RoundCost::default, |(_, round)| *round)
        };
        for (number, term) in laid_out.iter().enumerate() {
            let pair = term.arms.map(of);
            let is_plain = self.plain == Some(number);
            if is_plain {
                plain.placements.push(plain.known);
            }
            for (side, round) in pair.iter().enumerate() {
                self.times[number][side].push(round.ns);
                if number == 0 {
                    self.faults[side].push(round.faults);
                }
                if is_plain {
                    plain.times[side].push(round.ns);
                }
            }
        }
        self.placements.push(placement);
    }

    /// The result of each placement, if the experiment measures the difference that a switch makes: the variation of
    /// several experiments is alike.
    pub fn differences(&self) -> Option<Vec<f64>> {
        let mut weights: Vec<f64> = self.weights.clone();
        weights.retain(|weight| *weight != 0.0);
        weights.sort_by(f64::total_cmp);
        (weights == [-1.0, 1.0]).then(|| by_placement(&self.placements, |rows| self.sum(rows)))
    }

    fn sum(&self, rows: &[usize]) -> f64 {
        let terms = self.weights.iter().zip(&self.times);
        terms.filter(|(weight, _)| **weight != 0.0).map(|(weight, times)| weight * gap_of(times, rows)).sum()
    }

    /// Their effect. `confidence` is that of the interval, 0.95 or more if several causes are tried; `spread` is the
    /// variation in experiments like this one, for experiments with few placements.
    pub fn effect(&self, confidence: f64, spread: Option<Spread>) -> Effect {
        let sum = |rows: &[usize]| self.sum(rows);
        let spread = spread.filter(|_| self.differences().is_some());
        let over = |of: &dyn Fn(&[usize]) -> f64| over_placements(&self.placements, of);
        let [interval, ci95] = bootstrap_over_placements([confidence, 0.95], &self.placements, spread, sum);
        let both = |pair: &[Vec<f64>; 2]| [0, 1].map(|side| over(&|rows| quiet(&pair[side], rows)));
        Effect {
            ns: over(&sum),
            interval,
            ci95,
            sides: self.times.iter().map(both).collect(),
            faults: [0, 1].map(|side| median(&self.faults[side])),
            own_gap: self.plain.map(|plain| over(&|rows| gap_of(&self.times[plain], rows))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::switches::Switch;

    #[test]
    fn every_arm_comes_at_each_place_and_after_each_other_arm_equally_often() {
        for arms in 2..=7 {
            let blocks = if arms % 2 == 0 { arms } else { 2 * arms };
            let mut at = vec![vec![0; arms]; arms];
            let mut after = vec![vec![0; arms]; arms];
            for block in 0..blocks {
                let order = order(arms, block);
                for (place, &arm) in order.iter().enumerate() {
                    at[arm][place] += 1;
                }
                for pair in order.windows(2) {
                    after[pair[1]][pair[0]] += 1;
                }
            }
            let times = blocks / arms;
            assert!(at.iter().flatten().all(|&count| count == times), "{at:?}");
            for (arm, before) in after.iter().enumerate() {
                for (other, &count) in before.iter().enumerate() {
                    let expected = if arm == other { 0 } else { times };
                    assert_eq!(count, expected, "{arm} after {other} of {arms}");
                }
            }
        }
    }

    /// Rounds of one placement without a switch: A's times and B's.
    fn samples(of: &[(u64, [f64; 2])]) -> Samples {
        let side = |side: usize| of.iter().map(|(_, pair)| pair[side]).collect();
        Samples {
            weights: vec![1.0],
            times: vec![[side(0), side(1)]],
            placements: of.iter().map(|(placement, _)| *placement).collect(),
            faults: [vec![0.0], vec![0.0]],
            ..Samples::default()
        }
    }

    #[test]
    fn rounds_that_others_disturbed_count_for_little_and_placements_alike() {
        let mut rounds = Vec::new();
        for placement in 0..4 {
            // One in two of each side's rounds takes three times as long.
            for round in 0..8 {
                let slow = |side: u64| {
                    if (round + side).is_multiple_of(2) { 3.0 } else { 1.0 }
                };
                rounds.push((placement, [100.0 * slow(0), 150.0 * slow(1)]));
            }
        }
        // A placement with many rounds is one placement.
        rounds.extend((0..99).map(|_| (4, [100.0, 900.0])));
        let effect = samples(&rounds).effect(0.99, None);
        assert_eq!((effect.ns, effect.times_of(0)), (50.0, [100.0, 150.0]));
        let [low, high] = effect.interval;
        assert!(low <= 50.0 && high > 400.0, "[{low}, {high}]");
    }

    #[test]
    fn terms_of_one_process_are_told_from_terms_of_several() {
        let (nothing, pages) = (Switches::default(), Switches::of(Switch::NoHugePages));
        let terms = Terms::difference(&nothing, &Switches::of(Switch::NoCopies));
        assert!(!terms.span_processes());
        let terms = Terms::difference(&nothing, &pages);
        assert!(terms.span_processes());
        // The rounds beside them, without a switch, have no weight.
        let terms = Terms::difference(&pages, &Switches::of(Switch::NoCopies)).beside_plain();
        assert!(!terms.span_processes());
    }
}
