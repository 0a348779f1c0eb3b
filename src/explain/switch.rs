//! The switches that take one possible cause out of a side.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::protocol::Passes;
use crate::model::switches::{Switch, Tells};

/// A set of switches, all thrown together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Environment variables of the process: set, or removed.
    pub environment: BTreeMap<&'static str, Option<String>>,
    /// Switches of the process.
    pub process: BTreeSet<Switch>,
    /// Switches of an arm: code, data and rounds.
    pub arm: Vec<Switch>,
    /// What [`Switch::MorePasses`] adds.
    pub passes: Option<Passes>,
    /// The arrays' shape instead of the case's.
    pub shape: Option<Vec<u64>>,
}

impl Switches {
    /// One switch, of the process or of an arm.
    pub fn of(switch: Switch) -> Self {
        if switch.is_of_process() {
            return Self { process: BTreeSet::from([switch]), ..Self::default() };
        }
        Self { arm: vec![switch], ..Self::default() }
    }

    /// [`Switch::MorePasses`].
    pub fn more_passes(passes: Passes) -> Self {
        Self { passes: Some(passes), ..Self::of(Switch::MorePasses) }
    }

    /// Environment variables set.
    pub fn environments(names: &[&'static str], value: &str) -> Self {
        let pairs = names.iter().map(|name| (*name, Some(value.to_owned())));
        Self { environment: pairs.collect(), ..Self::default() }
    }

    /// An environment variable set, or removed.
    pub fn environment(name: &'static str, value: Option<&str>) -> Self {
        Self { environment: BTreeMap::from([(name, value.map(str::to_owned))]), ..Self::default() }
    }

    /// Another shape of the arrays.
    pub fn shape(shape: Vec<u64>) -> Self {
        Self { shape: Some(shape), ..Self::default() }
    }

    /// Both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.environment.extend(other.environment.clone());
        both.process.extend(&other.process);
        both.arm.extend(other.arm.iter().filter(|switch| !self.arm.contains(switch)));
        both.passes = other.passes.or(both.passes);
        both.shape = other.shape.clone().or(both.shape);
        both
    }

    /// Whether arms of one process can have both.
    pub fn shares_process_with(&self, other: &Self) -> bool {
        self.environment == other.environment && self.process == other.process
    }

    /// Whether it only rewrites code or replaces data, so that a side in which nothing was changed runs as before.
    pub fn changes_only_what_it_tells(&self) -> bool {
        self.shape.is_none() && self.arm.iter().all(|switch| switch.tells() == Tells::Everything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_thrown_together_and_once() {
        let both =
            Switches::of(Switch::Aligned).and(&Switches::of(Switch::Aligned)).and(&Switches::of(Switch::NoLocks));
        assert_eq!(both.arm, [Switch::Aligned, Switch::NoLocks]);
        let both = both.and(&Switches::environment("RAPTORS_STORES", Some("plain")));
        assert!(!both.shares_process_with(&Switches::default()));
        assert!(both.shares_process_with(&Switches::environment("RAPTORS_STORES", Some("plain"))));
        assert_eq!(both.and(&Switches::shape(vec![1])).shape, Some(vec![1]));
    }

    #[test]
    fn a_round_under_other_rules_is_another_though_nothing_was_replaced() {
        assert!(Switches::of(Switch::NoCopies).changes_only_what_it_tells());
        assert!(!Switches::of(Switch::Collector).changes_only_what_it_tells());
        assert!(!Switches::shape(vec![1, 1]).changes_only_what_it_tells());
    }
}
