//! What an inquiry found, as findings and as the gap taken apart.

use super::{Inquiry, Scale, Tried, finding};
use crate::explain::experiment::{Effect, Terms};
use crate::explain::switch::Switches;
use crate::explain::{causes, hypotheses, judge};
use crate::model::comparison::{Case, Explained, Finding, FindingVerdict};
use crate::model::units;

/// What a trial shows in the end: alone, and once the causes before it in the chain are off.
struct Judged {
    verdict: FindingVerdict,
    effect: Effect,
    evidence: Vec<String>,
    /// That its effect is another one once others are off.
    interaction: Option<String>,
}

impl Inquiry<'_> {
    /// The conclusion, also if the inquiry ended early.
    pub fn conclude(self, main_job: bool) -> (Explained, Vec<Finding>) {
        let (label, there_is) = (self.case.label(), self.is_there_a_gap());
        let scale = self.scale();
        let mut findings = Vec::new();
        let mut interactions = Vec::new();
        let mut parts = Vec::new();
        for (index, tried) in self.tried.iter().enumerate() {
            let judged = self.judged(index, &scale);
            if judged.verdict == FindingVerdict::Supported && !tried.cause.is_about_the_measurement() {
                parts.push((judged.effect.ns, judged.effect.ci95));
            }
            interactions.extend(judged.interaction.clone());
            findings.push(judged.into_finding(tried, &label, &scale));
        }
        findings.extend(self.known);
        sort(&mut findings);
        let (residual_ns, residual_ns_ci95) = judge::less(scale.gap, scale.interval, &parts);
        let explained = Explained {
            case: label,
            gap_ns: scale.gap,
            gap_ns_ci95: scale.interval,
            gap: there_is,
            confirmed: there_is && scale.confirmed,
            residual_ns,
            residual_ns_ci95,
            interactions,
            hypotheses: if main_job && there_is { hypotheses::found(&findings, &self.not_tried) } else { Vec::new() },
            not_tried: self.not_tried,
            sizes: self.sizes,
            confidence: self.confidence,
            experiments: self.experiments,
            complete: self.complete,
        };
        (explained, findings)
    }

    fn judged(&self, index: usize, scale: &Scale) -> Judged {
        let tried = &self.tried[index];
        let alone = scale.part(&tried.effect);
        let mut evidence = vec![alone_sentence(tried, self.case, scale)];
        evidence.extend(tried.evidence.iter().cloned());
        evidence.extend(other_gap(tried, &alone, scale.gap));
        let mut judged = Judged { verdict: scale.verdict_alone(tried), effect: alone, evidence, interaction: None };
        match self.chain.iter().position(|link| link.of == index) {
            Some(0) => judged.effect = scale.part(&self.chain[0].effect),
            Some(position) => self.once_others_are_off(position, scale, &mut judged),
            None => {}
        }
        judged
    }

    /// Holds a cause's effect alone against its effect once the causes before it in the chain are off.
    fn once_others_are_off(&self, position: usize, scale: &Scale, judged: &mut Judged) {
        let name = |of: usize| self.tried[of].cause.name();
        let link = &self.chain[position];
        let effect = scale.part(&link.effect);
        let before = self.chain[..position].iter().filter(|link| link.why_not.is_none());
        let others: Vec<&str> = before.map(|link| name(link.of)).collect();
        let are = if others.len() == 1 { "is" } else { "are" };
        if let Some(why) = &link.why_not {
            judged.verdict = FindingVerdict::Undecided;
            judged.evidence.push(format!("its own part, once {} {are} off, is unknown: {why}", others.join(" and ")));
            return;
        }
        let sentence = format!(
            "{}: {} alone, {} once {} {are} off",
            name(link.of),
            units::signed_time(judged.effect.ns),
            units::signed_time(effect.ns),
            others.join(" and "),
        );
        if (effect.ns - judged.effect.ns).abs() >= judge::LEAST_SHARE * scale.wall {
            judged.interaction = Some(sentence.clone());
        }
        if link.verdict == FindingVerdict::Supported {
            judged.effect = effect;
        } else {
            // Its time belongs to a cause that is closer to the code.
            judged.verdict = FindingVerdict::Refuted;
            judged.evidence.push(format!("{sentence}: it has no part of its own"));
        }
    }
}

impl Judged {
    fn into_finding(self, tried: &Tried, label: &str, scale: &Scale) -> Finding {
        let Self { verdict, effect, evidence, .. } = self;
        let supported = verdict == FindingVerdict::Supported;
        Finding {
            effect_ns: Some(effect.ns),
            effect_ns_ci95: Some(effect.ci95),
            share_of_gap: (!tried.cause.is_about_the_measurement()).then_some(effect.ns / scale.gap),
            alone_ns: Some(tried.effect.ns),
            alone_ns_interval: Some(tried.effect.interval),
            fix: supported.then(|| fix(tried, &effect, scale.wall)),
            ..finding(tried.cause, label, verdict, evidence)
        }
    }
}

/// Supported causes first, then undecided ones; those with the largest share of the gap first.
fn sort(findings: &mut [Finding]) {
    let rank = |finding: &Finding| match finding.verdict {
        FindingVerdict::Supported => 0,
        FindingVerdict::Undecided => 1,
        FindingVerdict::Refuted => 2,
    };
    let size = |finding: &Finding| -finding.share_of_gap.unwrap_or(0.0);
    findings.sort_by(|a, b| rank(a).cmp(&rank(b)).then(size(a).total_cmp(&size(b))));
}

/// The effect as a part of the whole gap, if an experiment's own rounds had a gap that differs by a quarter or more.
fn other_gap(tried: &Tried, part: &Effect, gap: f64) -> Option<String> {
    let own = tried.effect.own_gap?;
    let factor = part.ns / tried.effect.ns;
    let other = !(0.8..=1.25).contains(&factor) && !tried.cause.is_about_the_measurement();
    other.then(|| {
        format!(
            "the gap of these rounds was {}: of the whole one, {}, the effect is {}",
            units::signed_time(own),
            units::signed_time(gap),
            units::signed_time(part.ns)
        )
    })
}

/// The switch, and its effect on the times.
fn alone_sentence(tried: &Tried, case: &Case, scale: &Scale) -> String {
    let effect = &tried.effect;
    let names = [case.sides.a.name.as_str(), case.sides.b.name.as_str()];
    let times = |term: usize| causes::both_times(names, effect, term);
    let is_difference = tried.trial.terms == Terms::difference(&Switches::default(), &tried.trial.stays);
    let mut sentence = format!("with {}", tried.trial.what);
    if is_difference || tried.cause.is_about_the_measurement() {
        let (with, without) = if tried.trial.terms.0[0].1 == Switches::default() { (1, 0) } else { (0, 1) };
        sentence += &format!(": {}; without: {}", times(with), times(without));
    }
    if !tried.cause.is_about_the_measurement() && judge::works_against(effect, scale.gap, scale.wall) {
        sentence += "; it works against the gap: without it, the gap is wider";
    }
    sentence
}

/// The fix, and the time that it saves.
fn fix(tried: &Tried, effect: &Effect, wall: f64) -> String {
    if tried.cause.is_about_the_measurement() {
        return tried.fix.clone();
    }
    let [low, high] = if effect.ns < 0.0 { [-effect.ci95[1], -effect.ci95[0]] } else { effect.ci95 };
    format!(
        "{} saves {} of {} [{}, {}]",
        tried.fix,
        units::time(effect.ns.abs()),
        units::time(wall),
        units::time(low),
        units::time(high),
    )
}
