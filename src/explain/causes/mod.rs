//! The causes that are tried, one module each, all with the same interface: does it apply, what is switched, what does
//! that show, what fixes it.

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
use super::survey::Survey;
use super::switch::Switch;
use crate::model::comparison::FindingVerdict;
use crate::model::units;

/// One possible cause of a gap.
pub trait Cause: Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// How close to the code it is: of two causes that account for the same time, the more specific one is named.
    fn rank(&self) -> Rank;

    /// The hypothesis of the project's beginning that it belongs to.
    fn hypothesis(&self) -> Option<Hypothesis> {
        None
    }

    /// Whether it applies, and how it is switched.
    fn plan(&self, survey: &Survey<'_>) -> Plan;

    /// What the experiment shows, beside its effect.
    fn evidence(&self, _survey: &Survey<'_>, _effect: &Effect) -> Vec<String> {
        Vec::new()
    }

    /// What to do about it, a phrase that goes on with "saves …".
    fn fix(&self, survey: &Survey<'_>) -> String;

    /// Whether its effect is no part of the gap but of the trust in it.
    fn is_about_the_measurement(&self) -> bool {
        false
    }
}

/// How close to the code a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// One thing that the code does.
    Specific,
    /// How memory or processor are used.
    Mechanism,
    /// Where the time goes, whatever the reason.
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
    /// All of them.
    pub const ALL: [Self; 3] = [Self::H1, Self::H2, Self::H3];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::H1 => "H1",
            Self::H2 => "H2",
            Self::H3 => "H3",
        }
    }

    /// What it says.
    pub fn says(self) -> &'static str {
        match self {
            Self::H1 => "the vendor library's inner workings: its threads, its use of the caches, its prefetching",
            Self::H2 => "NumPy's ufuncs: buffers used again, specialised paths, the compiler",
            Self::H3 => "the cost of the Rust/Python binding: the call, type checks, memory management",
        }
    }
}

/// How a cause is tried.
#[derive(Debug)]
pub enum Plan {
    /// By these experiments, each a way to switch it.
    Try(Vec<Trial>),
    /// Not by an experiment, as what is known already decides; the evidence.
    Known(FindingVerdict, Vec<String>),
    /// Not at all, and why.
    Not(String),
}

/// One way to switch a cause.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What is done, as the end of the sentence "with …".
    pub what: String,
    /// What is measured.
    pub terms: Terms,
    /// What stays thrown while the causes after it are tried.
    pub stays: Switch,
}

impl Trial {
    /// The usual one: the gap without the switch less the gap with it.
    pub fn of(what: impl Into<String>, switch: Switch) -> Self {
        Self { what: what.into(), terms: Terms::difference(&Switch::default(), &switch), stays: switch }
    }

    /// One after which nothing stays thrown.
    pub fn measuring(what: impl Into<String>, terms: Terms) -> Self {
        Self { what: what.into(), terms, stays: Switch::default() }
    }

    /// One of something that is added to all rounds: the gap with it less the gap without.
    pub fn adding(what: impl Into<String>, switch: Switch) -> Self {
        let terms = Terms(vec![(1.0, switch), (-1.0, Switch::default())]);
        Self::measuring(what, terms)
    }
}

/// The one that is no cause: what everything else is measured by.
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

/// The trials of one code or data switch; the reason where it does not apply: `nothing` where it changes nothing.
fn by_switch(survey: &Survey<'_>, switch: &'static str, what: &str, nothing: &str) -> Result<Trial, String> {
    match survey.changed(switch) {
        Ok(changed) => Ok(Trial::of(format!("{what} ({changed})"), Switch::arm(&[switch]))),
        Err(why) if why.is_empty() => Err(nothing.to_owned()),
        Err(why) => Err(why),
    }
}

/// A plan of those trials that apply; where none does, of the reasons.
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

/// Both sides' values of something, as `numpy 3, raptors 4`.
fn both(survey: &Survey<'_>, values: [String; 2]) -> String {
    beside(survey.names(), values)
}

fn beside([a, b]: [&str; 2], values: [String; 2]) -> String {
    format!("{a} {}, {b} {}", values[0], values[1])
}

/// Both sides' times of a term, by their names, as `numpy 3 µs, raptors 4 µs`.
pub fn both_times(names: [&str; 2], effect: &Effect, term: usize) -> String {
    beside(names, effect.times_of(term).map(units::time))
}
