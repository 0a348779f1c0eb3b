//! The inquiry into one case: the causes that are tried, their order, the scale of the verdicts, and the conclusion.

mod conclusion;

use std::time::{Duration, Instant};

use super::causes::{self, ALL, Cause, Plan, Trial};
use super::experiment::{self, Effect, Plain, Pool, Samples, Terms};
use super::judge;
use super::lab::{self, Setting};
use super::survey::Survey;
use super::switch::Switches;
use crate::analysis::stats::Spread;
use crate::model::budget::experiments::{AGAIN, ALONE, MEASUREMENT, NOISE, SHORTEST};
use crate::model::comparison::{Case, Ci95, Comparison, Finding, FindingVerdict, NotTried, SizePoint, Verdict};
use crate::model::error::Error;
use crate::model::progress::Progress;

/// The number of causes that get a second look: the more, the less time for each.
const MOST_AGAIN: usize = 4;
/// The largest number of looks at a cause, because each look can support a cause by noise alone.
const LOOKS: f64 = 2.0;

/// A trial and its result.
struct Tried {
    cause: &'static dyn Cause,
    trial: Trial,
    samples: Samples,
    effect: Effect,
    evidence: Vec<String>,
    fix: String,
}

impl Tried {
    fn is_noise(&self) -> bool {
        is_noise(self.cause)
    }
}

/// A supported cause, switched off after those before it.
struct Link {
    /// Which of the trials it is.
    of: usize,
    effect: Effect,
    verdict: FindingVerdict,
    /// Why it could not be switched off after the others.
    why_not: Option<String>,
}

fn is_noise(cause: &dyn Cause) -> bool {
    cause.name() == causes::NOISE.name()
}

/// The scale by which effects are judged.
struct Scale {
    /// The gap, ns, and its interval of 95 %.
    gap: f64,
    interval: Ci95,
    /// The slower side's time, ns.
    wall: f64,
    /// The difference between two processes that do the same.
    noise: judge::Noise,
    /// Whether the experiments' rounds reproduce the comparison's gap.
    confirmed: bool,
}

impl Scale {
    fn verdict(&self, effect: &Effect, terms: &Terms) -> FindingVerdict {
        judge::verdict(effect, self.gap, self.wall, self.noise.between(terms))
    }

    fn part(&self, effect: &Effect) -> Effect {
        judge::part(effect, self.gap, self.wall)
    }

    fn verdict_alone(&self, tried: &Tried) -> FindingVerdict {
        let effect = &tried.effect;
        if tried.is_noise() {
            return judge::verdict(effect, effect.ns, self.wall, 0.0);
        }
        if tried.cause.is_about_the_measurement() {
            // The cost that it adds is no part of the gap, in either direction.
            return judge::verdict(effect, effect.ns, self.wall, self.noise.least);
        }
        if !self.confirmed {
            return FindingVerdict::Undecided;
        }
        self.verdict(effect, &tried.trial.terms)
    }
}

/// The inquiry into one case.
pub struct Inquiry<'a> {
    case: &'a Case,
    setting: &'a Setting<'a>,
    time: Duration,
    confidence: f64,
    /// The trials; once all are done, the best one of each cause.
    tried: Vec<Tried>,
    /// The variation of differences from placement to placement in this case.
    spread: Option<Spread>,
    /// Supported causes, in the order in which they were switched off.
    chain: Vec<Link>,
    known: Vec<Finding>,
    not_tried: Vec<NotTried>,
    experiments: u64,
    complete: bool,
    sizes: Vec<SizePoint>,
    pool: Pool<'a>,
    /// Rounds of all experiments without a switch.
    plain: Plain,
}

impl<'a> Inquiry<'a> {
    /// The inquiry into a compared case; the experiments take `time`.
    pub fn new(case: &'a Case, setting: &'a Setting<'a>, time: Duration) -> Self {
        Self {
            case,
            setting,
            time,
            confidence: 0.95,
            tried: Vec::new(),
            spread: None,
            chain: Vec::new(),
            known: Vec::new(),
            not_tried: Vec::new(),
            experiments: 0,
            complete: true,
            sizes: Vec::new(),
            pool: Pool::default(),
            plain: Plain::default(),
        }
    }

    /// The gap, ns: that of the experiments' own rounds, which alternate with switched rounds, or of the comparison if
    /// there are none.
    fn gap(&self) -> f64 {
        if self.plain.is_empty() {
            return self.case.gap_ns();
        }
        self.plain.gap()
    }

    /// The scale of every verdict, from all rounds so far. Computing its interval takes some time.
    fn scale(&self) -> Scale {
        let noise = self.noise();
        let gap = self.gap();
        let (interval, wall) = if self.plain.is_empty() {
            let (a, b) = (&self.case.sides.a.wall_ns, &self.case.sides.b.wall_ns);
            let (_, interval) = judge::less(b.median, b.ci95, &[(a.median, a.ci95)]);
            (interval, self.case.slower_ns())
        } else {
            (self.plain.gap_ci95(), self.plain.wall())
        };
        Scale {
            gap,
            interval,
            wall,
            noise,
            confirmed: judge::confirms(self.case.gap_ns(), (gap, interval), wall, noise.least),
        }
    }

    /// Whether the comparison shows a gap that is worth explaining.
    fn is_there_a_gap(&self) -> bool {
        self.case.ratio.verdict != Verdict::NoDifferenceShown
            && self.case.gap_ns().abs() >= judge::LEAST_SHARE * self.case.slower_ns()
    }

    /// Tries the causes, where there is a gap.
    ///
    /// # Errors
    /// When a side cannot be run, or the user asks to end; [`Inquiry::conclude`] has what was found until then.
    pub fn run(&mut self, comparison: &Comparison, progress: &mut dyn Progress) -> Result<(), Error> {
        if !self.is_there_a_gap() {
            return Ok(());
        }
        self.complete = false;
        let label = self.case.label();
        progress.update(0.0, &format!("{label}: examining both sides"));
        let started = Instant::now();
        let survey = Survey::of(self.case, comparison, self.setting, self.time)?;
        self.sizes.clone_from(&survey.sweep);
        let until = started + self.time;
        let trials = self.planned(&survey);
        let tried = self.try_each(trials, &survey, until, progress);
        self.weigh(&survey);
        self.keep_the_best();
        tried?;
        self.look_again(&survey, until, progress)?;
        self.one_after_the_other(until, progress)?;
        self.complete = true;
        Ok(())
    }

    /// The trials; for other causes, the known verdict or the reason that they are not tried.
    fn planned(&mut self, survey: &Survey<'_>) -> Vec<(&'static dyn Cause, Trial)> {
        let mut trials = Vec::new();
        for cause in ALL {
            match cause.plan(survey) {
                Plan::Try(of_cause) => {
                    trials.extend(of_cause.into_iter().map(|trial| (cause, trial)));
                }
                Plan::Known(verdict, evidence) => {
                    let finding = finding(cause, &self.case.label(), verdict, evidence);
                    self.known.push(finding);
                }
                Plan::Not(why) => self.not_tried.push(NotTried { cause: cause.name().to_owned(), why }),
            }
        }
        // Bonferroni: the chance that noise alone supports any of them stays 5 %. Causes about the measurement do not
        // count.
        let accusing = trials.iter().filter(|(cause, _)| !cause.is_about_the_measurement()).count();
        self.confidence = 1.0 - 0.05 / (LOOKS * accusing.max(1) as f64);
        trials
    }

    /// Switches each cause alone. A cause that cannot be switched is listed with the reason.
    fn try_each(
        &mut self,
        trials: Vec<(&'static dyn Cause, Trial)>,
        survey: &Survey<'_>,
        until: Instant,
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        let label = self.case.label();
        let left = until.saturating_duration_since(Instant::now());
        let parts: f64 = trials.iter().map(|(cause, _)| part_of_time(*cause)).sum();
        let each = left.mul_f64(ALONE).div_f64(parts.max(1.0)).max(SHORTEST);
        let steps = trials.len() as f64 / ALONE;
        let mut trials = trials.into_iter().enumerate();
        while let Some((number, (cause, trial))) = trials.next() {
            progress.update(number as f64 / steps, &format!("{label}: {}", cause.name()));
            let mut samples = Samples::of(&trial.terms);
            let time = each.mul_f64(part_of_time(cause));
            match self.measure(&trial.terms, time, &mut samples) {
                Ok(()) => self.tried.push(Tried {
                    cause,
                    trial,
                    samples,
                    effect: Effect::default(),
                    evidence: Vec::new(),
                    fix: cause.fix(survey),
                }),
                Err(error) if self.setting.interrupt.asked() => {
                    let rest = std::iter::once(cause).chain(trials.map(|(_, (cause, _))| cause));
                    self.leave_out(rest, "the run ended before it");
                    return Err(error);
                }
                Err(error) => self.leave_out(std::iter::once(cause), &why_not(&trial, &error)),
            }
        }
        Ok(())
    }

    /// Runs rounds under these terms and adds them to `samples`.
    fn measure(&mut self, terms: &Terms, time: Duration, samples: &mut Samples) -> Result<(), Error> {
        self.experiments += 1;
        let (pool, plain) = (&mut self.pool, &mut self.plain);
        experiment::run(self.setting, pool, plain, terms, time, samples)
    }

    /// The effect in the samples, judged together with experiments like theirs.
    fn effect(&self, samples: &Samples) -> Effect {
        samples.effect(self.confidence, self.spread)
    }

    /// The trials that are undecided and would account for a part of the gap, the largest part first.
    fn undecided(&self) -> Vec<usize> {
        let scale = self.scale();
        let sign = scale.gap.signum();
        let open = |tried: &Tried| {
            let [low, high] = tried.effect.interval;
            !tried.cause.is_about_the_measurement()
                && scale.verdict_alone(tried) == FindingVerdict::Undecided
                && (low * sign).max(high * sign) >= judge::LEAST_SHARE * scale.wall
        };
        let mut open: Vec<usize> = (0..self.tried.len()).filter(|&index| open(&self.tried[index])).collect();
        let part = |index: usize| -sign * self.tried[index].effect.ns;
        open.sort_by(|&a, &b| part(a).total_cmp(&part(b)));
        open
    }

    /// Gives undecided causes more rounds, first those that could explain most of the gap, and as many rounds to the
    /// noise experiment by which they are judged.
    fn look_again(&mut self, survey: &Survey<'_>, until: Instant, progress: &mut dyn Progress) -> Result<(), Error> {
        let left = until.saturating_duration_since(Instant::now()).mul_f64(AGAIN);
        let affordable = (left.as_secs_f64() / SHORTEST.as_secs_f64()) as usize;
        let mut again = self.undecided();
        again.truncate(MOST_AGAIN.min(affordable.saturating_sub(1)));
        if again.is_empty() {
            return Ok(());
        }
        again.extend(self.tried.iter().position(Tried::is_noise));
        let each = left.div_f64(again.len() as f64);
        for index in again {
            let tried = &mut self.tried[index];
            let (cause, terms) = (tried.cause, tried.trial.terms.clone());
            let mut samples = std::mem::take(&mut tried.samples);
            let text = format!("{}: {}, a second look", self.case.label(), cause.name());
            progress.update(ALONE, &text);
            match self.measure(&terms, each, &mut samples) {
                Ok(()) => {
                    let effect = self.effect(&samples);
                    let tried = &mut self.tried[index];
                    tried.evidence = cause.evidence(survey, &effect);
                    tried.effect = effect;
                }
                Err(error) if self.setting.interrupt.asked() => return Err(error),
                // The first look stands.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Judges each trial, now that the variation of placements in similar experiments is known.
    fn weigh(&mut self, survey: &Survey<'_>) {
        let tried = self.tried.iter();
        let like: Vec<Vec<f64>> = tried.filter_map(|tried| tried.samples.differences()).collect();
        self.spread = Spread::of(&like);
        for tried in &mut self.tried {
            tried.effect = tried.samples.effect(self.confidence, self.spread);
            tried.evidence = tried.cause.evidence(survey, &tried.effect);
        }
    }

    /// Of several switches of a cause, the supported one counts, and of these the one that leaves the smallest part of
    /// the gap: a switch that reverses the gap has changed something else as well.
    fn keep_the_best(&mut self) {
        let (gap, wall, noise) = (self.gap(), self.plain.wall(), self.noise());
        let rank = |tried: &Tried| {
            let terms = &tried.trial.terms;
            let verdict = judge::verdict(&tried.effect, gap, wall, noise.between(terms));
            let left = (gap - judge::part(&tried.effect, gap, wall).ns).abs();
            (verdict != FindingVerdict::Supported, left)
        };
        let mut best: Vec<Tried> = Vec::new();
        for new in std::mem::take(&mut self.tried) {
            let name = new.cause.name();
            match best.iter_mut().find(|tried| tried.cause.name() == name) {
                Some(old) if rank(&new) < rank(old) => *old = new,
                Some(_) => {}
                None => best.push(new),
            }
        }
        self.tried = best;
    }

    fn leave_out(&mut self, causes: impl Iterator<Item = &'static dyn Cause>, why: &str) {
        for cause in causes {
            let name = cause.name();
            let done = self.tried.iter().any(|tried| tried.cause.name() == name);
            let said = self.not_tried.iter().any(|not| not.cause == name);
            if !done && !said {
                self.not_tried.push(NotTried { cause: name.to_owned(), why: why.to_owned() });
            }
        }
    }

    /// The difference between two processes that do the same; nothing if unknown.
    fn noise(&self) -> judge::Noise {
        let mut tried = self.tried.iter();
        tried.find(|tried| tried.is_noise()).map_or_else(judge::Noise::default, |tried| judge::Noise::of(&tried.effect))
    }

    /// Switches a cause off once others are.
    fn after_others(&mut self, index: usize, terms: &Terms, time: Duration, scale: &Scale) -> Result<Link, Error> {
        let mut samples = Samples::of(terms);
        let effect = match self.measure(terms, time, &mut samples) {
            Ok(()) => self.effect(&samples),
            Err(error) if self.setting.interrupt.asked() => return Err(error),
            Err(error) => {
                let why = lab::not_possible(&error).unwrap_or_else(|| error.to_string());
                let effect = self.tried[index].effect.clone();
                return Ok(Link { of: index, effect, verdict: FindingVerdict::Undecided, why_not: Some(why) });
            }
        };
        Ok(Link { of: index, verdict: scale.verdict(&effect, terms), effect, why_not: None })
    }

    /// Switches the supported causes off one after the other.
    fn one_after_the_other(&mut self, until: Instant, progress: &mut dyn Progress) -> Result<(), Error> {
        let scale = self.scale();
        let mut order: Vec<usize> = (0..self.tried.len())
            .filter(|&index| {
                let tried = &self.tried[index];
                !tried.cause.is_about_the_measurement() && scale.verdict_alone(tried) == FindingVerdict::Supported
            })
            .collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (&self.tried[a], &self.tried[b]);
            let size = |tried: &Tried| -scale.part(&tried.effect).ns.abs();
            (a.cause.rank().cmp(&b.cause.rank())).then(size(a).total_cmp(&size(b)))
        });
        let mut thrown = Switches::default();
        let steps = order.len().max(1) as f64;
        for (number, index) in order.into_iter().enumerate() {
            let tried = &self.tried[index];
            let stays = tried.trial.stays.clone();
            let link = if number == 0 {
                Link { of: index, effect: tried.effect.clone(), verdict: FindingVerdict::Supported, why_not: None }
            } else {
                let text = format!("{}: {} once the others are off", self.case.label(), tried.cause.name());
                progress.update(ALONE + (1.0 - ALONE) * number as f64 / steps, &text);
                let left = until.saturating_duration_since(Instant::now());
                let time = left.div_f64(steps - number as f64).max(SHORTEST);
                let terms = tried.trial.terms.on(&thrown).beside_plain();
                self.after_others(index, &terms, time, &scale)?
            };
            if link.why_not.is_none() {
                thrown = thrown.and(&stays);
            }
            self.chain.push(link);
        }
        Ok(())
    }
}

/// Why a cause was not tried: what its trial ended with.
fn why_not(trial: &Trial, error: &Error) -> String {
    let is_switched = trial.terms.0.iter().any(|(_, switches)| *switches != Switches::default());
    match lab::not_possible(error) {
        Some(why) if is_switched => format!("{why}, that is with {}", trial.what),
        _ => format!("with {}, {}", trial.what, error.in_a_line()),
    }
}

/// The factor of an experiment's usual time that a cause gets.
fn part_of_time(cause: &dyn Cause) -> f64 {
    match (is_noise(cause), cause.is_about_the_measurement()) {
        (true, _) => NOISE,
        (false, true) => MEASUREMENT,
        (false, false) => 1.0,
    }
}

fn finding(cause: &dyn Cause, label: &str, verdict: FindingVerdict, evidence: Vec<String>) -> Finding {
    Finding {
        cause: cause.name().to_owned(),
        case: label.to_owned(),
        evidence,
        effect_ns: None,
        effect_ns_ci95: None,
        share_of_gap: None,
        alone_ns: None,
        alone_ns_interval: None,
        verdict,
        fix: None,
    }
}
