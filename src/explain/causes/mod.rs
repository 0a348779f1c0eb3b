//! The causes, one module each, all with the same interface: whether the cause applies, its switch, the evidence, the
//! fix.

mod alignment;
mod cache;
mod code;
mod collector;
mod conversion;
mod copies;
mod denormals;
mod dispatch;
mod handover;
mod huge;
mod locks;
mod noise;
mod observation;
mod pages;
mod stores;
mod threads;
mod vendor;
mod wakeup;

use super::experiment::{Effect, Terms};
use super::survey::{Survey, Unchanged};
use super::switch::Switches;
use crate::model::comparison::FindingVerdict;
use crate::model::switches::Switch;
use crate::model::units;

/// One possible cause of a gap.
pub trait Cause: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// How close to the code it is: if two causes explain the same time, the more specific one is named.
    fn rank(&self) -> Rank;

    /// The hypothesis of the project's beginning that it belongs to.
    fn hypothesis(&self) -> Option<Hypothesis> {
        None
    }

    /// Whether it applies, and its switches.
    fn plan(&self, survey: &Survey<'_>) -> Plan;

    /// The evidence of the experiment, in addition to its effect.
    fn evidence(&self, _survey: &Survey<'_>, _effect: &Effect) -> Vec<String> {
        Vec::new()
    }

    /// The fix, a phrase that continues with "saves …".
    fn fix(&self, survey: &Survey<'_>) -> String;

    /// Whether its effect concerns the trust in the measurement instead of the gap.
    fn is_about_the_measurement(&self) -> bool {
        false
    }
}

/// How close to the code a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A single property of the code.
    Specific,
    /// The use of memory or processor.
    Mechanism,
    /// The place where the time goes, whatever the reason.
    Symptom,
}

/// The three hypotheses that the project began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hypothesis {
    /// The vendor library.
    H1,
    /// NumPy's ufuncs.
    H2,
    /// The binding.
    H3,
}

impl Hypothesis {
    /// All hypotheses.
    pub const ALL: [Self; 3] = [Self::H1, Self::H2, Self::H3];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::H1 => "H1",
            Self::H2 => "H2",
            Self::H3 => "H3",
        }
    }

    /// Its text.
    pub fn says(self) -> &'static str {
        match self {
            Self::H1 => "the vendor library: its threads, its use of the caches, its prefetching",
            Self::H2 => "NumPy's ufuncs: reused buffers, specialised paths, the compiler",
            Self::H3 => "the cost of the Rust/Python binding: the call, type checks, memory management",
        }
    }
}

/// The plan for a cause.
#[derive(Debug)]
pub enum Plan {
    /// Try it by these experiments, each with another switch.
    Try(Vec<Trial>),
    /// No experiment is needed, because known facts decide; with the evidence.
    Known(FindingVerdict, Vec<String>),
    /// Do not try it, with the reason.
    Not(String),
}

/// One switch for a cause.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The action, as the end of the sentence "with …".
    pub what: String,
    /// The measured terms.
    pub terms: Terms,
    /// The switch that stays on while later causes are tried.
    pub stays: Switches,
}

impl Trial {
    /// The usual trial: the gap without the switch minus the gap with it.
    pub fn of(what: impl Into<String>, switch: Switches) -> Self {
        Self { what: what.into(), terms: Terms::difference(&Switches::default(), &switch), stays: switch }
    }

    /// A trial after which no switch stays on.
    pub fn measuring(what: impl Into<String>, terms: Terms) -> Self {
        Self { what: what.into(), terms, stays: Switches::default() }
    }

    /// A trial that adds something to all rounds: the gap with it minus the gap without.
    pub fn adding(what: impl Into<String>, switch: Switches) -> Self {
        let terms = Terms(vec![(1.0, switch), (-1.0, Switches::default())]);
        Self::measuring(what, terms)
    }
}

/// The cause that only measures noise, by which all others are judged.
pub const NOISE: &dyn Cause = &noise::Noise;

/// All causes, in the order in which they are tried.
pub const ALL: [&dyn Cause; 18] = [
    NOISE,
    &observation::Observation,
    &vendor::Vendor,
    &threads::Threads,
    &wakeup::WakeUp,
    &locks::Locks,
    &handover::HandOver,
    &copies::Copies,
    &conversion::Conversion,
    &denormals::Denormals,
    &alignment::Alignment,
    &code::CodePath,
    &stores::Stores,
    &pages::Pages,
    &huge::HugePages,
    &collector::Collector,
    &cache::CacheLevel,
    &dispatch::Dispatch,
];

/// The trial of one code or data switch, or the reason that it does not apply: `nothing` if it changes nothing.
fn by_switch(survey: &Survey<'_>, switch: Switch, what: &str, nothing: &str) -> Result<Trial, String> {
    match survey.changed(switch) {
        Ok(changed) => Ok(Trial::of(format!("{what} ({changed})"), Switches::of(switch))),
        Err(Unchanged::Nothing) => Err(nothing.to_owned()),
        Err(Unchanged::Refused(why)) => Err(why),
    }
}

/// A plan of the trials that apply, else of the reasons.
fn any_of(trials: impl IntoIterator<Item = Result<Trial, String>>) -> Plan {
    let (trials, reasons): (Vec<_>, Vec<_>) = trials.into_iter().partition(Result::is_ok);
    let trials: Vec<Trial> = trials.into_iter().flatten().collect();
    if !trials.is_empty() {
        return Plan::Try(trials);
    }
    let mut reasons: Vec<String> = reasons.into_iter().filter_map(Result::err).collect();
    reasons.dedup();
    Plan::Not(reasons.join("; "))
}

/// The values of both sides, as `numpy 3, raptors 4`.
fn both(survey: &Survey<'_>, values: [String; 2]) -> String {
    beside(survey.names(), values)
}

fn beside([a, b]: [&str; 2], values: [String; 2]) -> String {
    format!("{a} {}, {b} {}", values[0], values[1])
}

/// The times of both sides for a term, as `numpy 3 µs, raptors 4 µs`.
pub fn both_times(names: [&str; 2], effect: &Effect, term: usize) -> String {
    beside(names, effect.times_of(term).map(units::time))
}
