//! The verdict of an experiment's effect on a cause.

use super::experiment::{Effect, Terms};
use crate::model::comparison::{Ci95, FindingVerdict};

/// The smallest effect that counts, as a share of the slower side's time.
pub const LEAST_SHARE: f64 = 0.02;

/// The verdict of an effect on a gap. The slower side takes `wall` ns, and two processes that do the same differ by
/// `noise` ns. A cause must work in the direction of the gap: a switch that widens the gap refutes its cause.
pub fn verdict(effect: &Effect, gap: f64, wall: f64, noise: f64) -> FindingVerdict {
    let least = LEAST_SHARE * wall;
    let [low, high] = effect.interval;
    if !effect.ns.is_finite() || !low.is_finite() || !high.is_finite() {
        return FindingVerdict::Undecided;
    }
    let clear = low > 0.0 || high < 0.0;
    if clear && effect.ns.abs() >= least {
        return if effect.ns.abs() <= noise {
            FindingVerdict::Undecided
        } else if effect.ns.signum() == gap.signum() {
            FindingVerdict::Supported
        } else {
            FindingVerdict::Refuted
        };
    }
    if low.max(-high).max(high).max(-low) < least {
        return FindingVerdict::Refuted;
    }
    FindingVerdict::Undecided
}

/// If the gap of an experiment's own rounds is this many times smaller than the whole gap, they are no measure of it.
const SMALLEST_PART: f64 = 8.0;

/// An effect as a part of the whole gap. An experiment's own rounds may have another gap, because memory that is new in
/// one process may be old in the next; the effect is then the same share of the whole gap. This alone makes no effect
/// larger than the gap.
pub fn part(effect: &Effect, gap: f64, wall: f64) -> Effect {
    match effect.own_gap {
        Some(own)
            if own.signum() == gap.signum()
                && own.abs() >= LEAST_SHARE * wall
                && own.abs() * SMALLEST_PART >= gap.abs() =>
        {
            let most = (gap / effect.ns).abs().max(1.0);
            effect.scaled((gap / own).min(most))
        }
        _ => effect.clone(),
    }
}

/// The difference between two processes that do the same, from the experiment without a switch, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise {
    /// The least that is certain: 0 if none was shown.
    pub least: f64,
    /// The largest possible value: smaller effects between processes cannot be distinguished from it.
    pub most: f64,
}

impl Noise {
    /// From the experiment without a switch.
    pub fn of(nothing_switched: &Effect) -> Self {
        let [low, high] = nothing_switched.ci95;
        let least = if low > 0.0 || high < 0.0 { low.abs().min(high.abs()) } else { 0.0 };
        Self { least, most: low.abs().max(high.abs()) }
    }

    /// The value that an effect of these terms has to exceed: only terms in different processes can differ by what
    /// processes differ by.
    pub fn between(self, terms: &Terms) -> f64 {
        if terms.span_processes() { self.most } else { 0.0 }
    }
}

/// Whether the experiments' own rounds reproduce the gap of a comparison.
pub fn confirms(compared: f64, (gap, [low, high]): (f64, Ci95), wall: f64, noise: f64) -> bool {
    let clear = low > 0.0 || high < 0.0;
    clear && gap.signum() == compared.signum() && gap.abs() >= LEAST_SHARE * wall && gap.abs() > noise
}

/// Whether switching a cause off would widen the gap.
pub fn works_against(effect: &Effect, gap: f64, wall: f64) -> bool {
    let clear = effect.interval[0] > 0.0 || effect.interval[1] < 0.0;
    clear && effect.ns.abs() >= LEAST_SHARE * wall && effect.ns.signum() != gap.signum()
}

/// The interval of a value minus others that were measured separately, from their intervals.
pub fn less(value: f64, interval: Ci95, others: &[(f64, Ci95)]) -> (f64, Ci95) {
    let rest = value - others.iter().map(|(ns, _)| ns).sum::<f64>();
    let square = |distance: f64| distance * distance;
    let below = others.iter().map(|(ns, [_, high])| square(high - ns)).sum::<f64>() + square(value - interval[0]);
    let above = others.iter().map(|(ns, [low, _])| square(ns - low)).sum::<f64>() + square(interval[1] - value);
    (rest, [rest - below.sqrt(), rest + above.sqrt()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(ns: f64, interval: Ci95) -> Effect {
        Effect { ns, interval, ci95: interval, ..Effect::default() }
    }

    #[test]
    fn a_cause_is_clear_large_enough_and_in_the_gaps_direction() {
        let of = |ns, interval| verdict(&effect(ns, interval), 300.0, 1000.0, 0.0);
        assert_eq!(of(250.0, [200.0, 300.0]), FindingVerdict::Supported);
        assert_eq!(of(-250.0, [-300.0, -200.0]), FindingVerdict::Refuted);
        assert!(works_against(&effect(-250.0, [-300.0, -200.0]), 300.0, 1000.0));
        // Clear, but under 2 % of the slower side's time.
        assert_eq!(of(10.0, [5.0, 15.0]), FindingVerdict::Refuted);
        assert_eq!(of(10.0, [5.0, 40.0]), FindingVerdict::Undecided);
        assert_eq!(of(250.0, [-10.0, 600.0]), FindingVerdict::Undecided);
        assert_eq!(of(f64::NAN, [0.0, 1.0]), FindingVerdict::Undecided);
    }

    #[test]
    fn what_processes_differ_by_anyway_accuses_nobody() {
        let same = Noise::of(&effect(40.0, [30.0, 50.0]));
        assert_eq!((same.least, same.most), (30.0, 50.0));
        let cause = effect(45.0, [40.0, 48.0]);
        assert_eq!(verdict(&cause, 300.0, 1000.0, same.most), FindingVerdict::Undecided);
        let same = Noise::of(&effect(4.0, [-30.0, 20.0]));
        assert_eq!((same.least, same.most), (0.0, 30.0));
        assert_eq!(verdict(&cause, 300.0, 1000.0, same.most), FindingVerdict::Supported);
        assert!(confirms(300.0, (280.0, [250.0, 310.0]), 1000.0, 50.0));
        assert!(!confirms(300.0, (280.0, [-5.0, 310.0]), 1000.0, 50.0));
        assert!(!confirms(300.0, (-280.0, [-310.0, -250.0]), 1000.0, 50.0));
        assert!(!confirms(300.0, (280.0, [250.0, 310.0]), 1000.0, 281.0));
    }

    #[test]
    fn an_effect_is_its_share_of_the_gap() {
        let of = |own_gap| {
            let own = Effect { own_gap, ..effect(100.0, [80.0, 120.0]) };
            part(&own, 400.0, 1000.0)
        };
        let part = of(Some(200.0));
        assert_eq!((part.ns, part.interval), (200.0, [160.0, 240.0]));
        // An effect that is larger than the gap of its rounds is not scaled up to the whole gap.
        let part = of(Some(80.0));
        assert_eq!((part.ns, part.interval), (400.0, [320.0, 480.0]));
        // Its own rounds had no gap that is a measure.
        for own in [None, Some(-200.0), Some(10.0), Some(45.0)] {
            assert_eq!(of(own).ns, 100.0, "{own:?}");
        }
    }

    #[test]
    fn a_rest_is_as_unsure_as_all_it_is_made_of() {
        let (rest, [low, high]) = less(100.0, [97.0, 103.0], &[(60.0, [56.0, 64.0])]);
        assert_eq!((rest, low, high), (40.0, 35.0, 45.0));
    }
}
