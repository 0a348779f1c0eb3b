//! The switches that take one possible cause out of a side.

use std::collections::{BTreeMap, BTreeSet};

/// A set of switches, all on together. `python/raptors_trace/_rewriting.py` and `_switches.py` implement the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switch {
    /// Environment variables of the process: set, or removed.
    pub environment: BTreeMap<&'static str, Option<String>>,
    /// Switches of the process.
    pub process: BTreeSet<&'static str>,
    /// Switches of an arm: code, data and rounds.
    pub arm: Vec<String>,
    /// The arrays' shape instead of the case's.
    pub shape: Option<Vec<u64>>,
}

impl Switch {
    /// Switches of an arm.
    pub fn arm(names: &[&str]) -> Self {
        Self { arm: names.iter().map(|name| (*name).to_owned()).collect(), ..Self::default() }
    }

    /// Environment variables set.
    pub fn environments(names: &[&'static str], value: &str) -> Self {
        let pairs = names.iter().map(|name| (*name, Some(value.to_owned())));
        Self { environment: pairs.collect(), ..Self::default() }
    }

    /// One of the process.
    pub fn process(name: &'static str) -> Self {
        Self { process: BTreeSet::from([name]), ..Self::default() }
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
        for name in &other.arm {
            if !both.arm.contains(name) {
                both.arm.push(name.clone());
            }
        }
        both.shape = other.shape.clone().or(both.shape);
        both
    }

    /// Whether arms of one process can have both.
    pub fn shares_process_with(&self, other: &Self) -> bool {
        self.environment == other.environment && self.process == other.process
    }

    /// Whether it only rewrites code or replaces data, so that a side in which nothing was changed runs as before.
    pub fn changes_only_what_it_tells(&self) -> bool {
        const ROUNDS: [&str; 6] =
            ["one_thread", "quick_handover", "inline_threads", "flushed_denormals", "collector", "observed"];
        self.shape.is_none() && !self.arm.iter().any(|name| ROUNDS.contains(&name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_thrown_together_and_once() {
        let both = Switch::arm(&["aligned"]).and(&Switch::arm(&["aligned", "no_locks"]));
        assert_eq!(both.arm, ["aligned", "no_locks"]);
        let both = both.and(&Switch::environment("RAPTORS_STORES", Some("plain")));
        assert!(!both.shares_process_with(&Switch::default()));
        assert!(both.shares_process_with(&Switch::environment("RAPTORS_STORES", Some("plain"))));
        assert_eq!(both.and(&Switch::shape(vec![1])).shape, Some(vec![1]));
    }

    #[test]
    fn a_round_under_other_rules_is_another_though_nothing_was_replaced() {
        assert!(Switch::arm(&["no_copies"]).changes_only_what_it_tells());
        assert!(!Switch::arm(&["collector"]).changes_only_what_it_tells());
        assert!(!Switch::shape(vec![1, 1]).changes_only_what_it_tells());
    }
}
