//! What of the steps one run does: the quick ones, all of them, those that were named, or those that a change needs.

use std::path::Path;

use super::changed::Selection;
use super::step::Step;
use super::tier::Tier;

/// What one run does.
#[derive(Default)]
pub struct Plan {
    /// How much it tests.
    pub tier: Tier,
    /// What a change needs, where only that is tested.
    pub selection: Option<Selection>,
}

impl Plan {
    /// The steps to run, in their order. Of the steps in `only`, and of those that a change needs, what has to be set
    /// up for them runs too.
    pub fn choose<'a>(&self, steps: &'a [Step], only: &[String], skip: &[String]) -> Vec<&'a Step> {
        let named = |names: &[String], step: &Step| names.iter().any(|name| name == step.name);
        let asked = |step: &Step| match &self.selection {
            Some(selection) => selection.steps.contains(step.name),
            None if only.is_empty() => step.runs.includes(self.tier),
            None => named(only, step),
        };
        let mut wanted: Vec<&str> = Vec::new();
        // A step stands after what it needs, so one pass from the end finds all of it.
        for step in steps.iter().rev() {
            if asked(step) || wanted.contains(&step.name) {
                wanted.push(step.name);
                wanted.extend(step.after);
            }
        }
        steps.iter().filter(|step| wanted.contains(&step.name) && !named(skip, step)).collect()
    }

    /// The arguments that limit nextest to the tests of the selection; none without one.
    pub fn nextest_filter(&self) -> Vec<String> {
        let filter = self.selection.as_ref().map(Selection::nextest_filter);
        filter.map_or_else(Vec::new, |filter| vec!["-E".to_owned(), filter])
    }

    /// The files below `root` that pytest is given.
    pub fn pytest_files(&self, root: &Path) -> Vec<String> {
        let all = || vec!["tests/python".to_owned()];
        self.selection.as_ref().map_or_else(all, |selection| selection.pytest_files(root))
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::Runs;
    use super::super::steps;
    use super::*;

    fn chosen(plan: &Plan, only: &[&str], skip: &[&str]) -> Vec<&'static str> {
        let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        let steps = steps();
        plan.choose(&steps, &owned(only), &owned(skip)).iter().map(|step| step.name).collect()
    }

    fn of(tier: Tier) -> Plan {
        Plan { tier, selection: None }
    }

    #[test]
    fn only_brings_the_set_up_with_it() {
        let plan = Plan::default();
        assert_eq!(chosen(&plan, &["fmt"], &[]), ["fmt"]);
        assert_eq!(chosen(&plan, &["pytest"], &[]), ["tools", "venv", "extension", "pytest"]);
        assert_eq!(chosen(&plan, &["pytest"], &["tools", "extension"]), ["venv", "pytest"]);
        assert_eq!(chosen(&plan, &["wheel"], &[]), ["tools", "venv", "wheel"], "named, it needs no --all");
    }

    #[test]
    fn all_runs_every_step_but_those_that_a_longer_one_contains() {
        let all = chosen(&of(Tier::All), &[], &[]);
        let steps = steps();
        let of_days = steps.iter().filter(|step| step.runs != Runs::InNightly).map(|step| step.name);
        let left_out: Vec<&str> = of_days.filter(|name| !all.contains(name)).collect();
        assert_eq!(left_out, ["one-per-tracer"], "`tracers` has these tests");
        assert!(!all.contains(&"aarch64"), "it is for the night");
        let fewer = chosen(&of(Tier::All), &[], &["macos"]);
        assert_eq!(fewer.len(), all.len() - 1);
        assert!(chosen(&Plan::default(), &["fmt"], &["fmt"]).is_empty());
    }

    #[test]
    fn nightly_runs_every_step_of_all_and_its_own() {
        let (all, nightly) = (chosen(&of(Tier::All), &[], &[]), chosen(&of(Tier::Nightly), &[], &[]));
        assert!(all.iter().all(|step| nightly.contains(step)));
        assert!(nightly.contains(&"asan") && !all.contains(&"asan"));
    }

    #[test]
    fn the_quick_run_has_what_a_change_normally_breaks() {
        let quick = chosen(&Plan::default(), &[], &[]);
        for step in ["fmt", "clippy", "ruff", "mypy", "one-per-tracer", "build", "nextest", "pytest"] {
            assert!(quick.contains(&step), "{step}");
        }
        for step in ["tracers", "rustdoc", "deny", "features", "doctest", "callgrind", "loom", "fuzz", "wheel", "macos"]
        {
            assert!(!quick.contains(&step), "{step} is for --all");
        }
    }

    #[test]
    fn a_selection_brings_its_steps_and_their_set_up() {
        let selection = Selection::of(["python/raptors_trace/_driver.py"]);
        let plan = Plan { tier: Tier::Quick, selection: Some(selection) };
        let chosen = chosen(&plan, &[], &[]);
        assert!(chosen.starts_with(&["tools", "venv"]) && chosen.contains(&"mypy") && chosen.contains(&"pytest"));
        assert!(!chosen.contains(&"clippy") && !chosen.contains(&"nextest"), "{chosen:?}");
    }
}
