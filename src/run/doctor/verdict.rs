//! All checks in one line: the abilities to observe here, and their tools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Examination, Finding, Outcome};

/// A way to observe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ability {
    /// `in process`, `bpftrace`, `DTrace`, `perf`, `hardware counters`, `xctrace`.
    pub name: String,
    /// Whether it works here.
    pub outcome: Outcome,
    /// The same in a few words.
    pub sentence: String,
}

/// The checks behind the abilities, and their names in the verdict.
const ABILITIES: [(&str, &str, &str); 6] = [
    ("raptors_trace", "in process", "observing in process"),
    ("bpftrace", "bpftrace", "bpftrace"),
    ("DTrace", "DTrace", "DTrace"),
    ("perf", "perf", "perf"),
    ("xctrace", "xctrace", "xctrace"),
    ("hardware counters", "hardware counters", "hardware counters:"),
];

/// The abilities that the checks show.
pub fn abilities(found: &[(&Examination, Finding)]) -> Vec<Ability> {
    let finding = |name: &str| found.iter().find(|(what, _)| what.name == name).map(|(_, finding)| finding);
    let misplaced = finding("file layout").and_then(|layout| layout.short.as_deref());
    ABILITIES
        .iter()
        .filter_map(|&(check, name, spoken)| Some(ability(name, spoken, finding(check)?, misplaced)))
        .collect()
}

fn ability(name: &str, spoken: &str, finding: &Finding, misplaced: Option<&str>) -> Ability {
    let except = misplaced.filter(|_| name == "DTrace" && finding.outcome == Outcome::Ok);
    let counters = name == "hardware counters";
    let words = match (except, &finding.short, finding.outcome) {
        (Some(library), ..) => format!("works except on {library}"),
        (None, Some(short), _) => short.clone(),
        (None, None, Outcome::Ok) if counters => "there".to_owned(),
        (None, None, Outcome::Ok) => "works".to_owned(),
        (None, None, Outcome::Limited) => "works in part".to_owned(),
        (None, None, Outcome::Missing) => "does not work".to_owned(),
        (None, None, Outcome::NotApplicable) => "does not apply to this machine".to_owned(),
        (None, None, Outcome::Unknown) => "could not be checked".to_owned(),
    };
    Ability {
        name: name.to_owned(),
        outcome: if except.is_some() { Outcome::Limited } else { finding.outcome },
        sentence: format!("{spoken} {words}"),
    }
}

/// The verdict.
pub fn sentence(abilities: &[Ability]) -> String {
    let parts: Vec<&str> = abilities.iter().map(|ability| ability.sentence.as_str()).collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::doctor::EXAMINATIONS;

    fn verdict(findings: &[(&str, Finding)]) -> String {
        let found: Vec<_> = findings
            .iter()
            .map(|(name, finding)| {
                let what = EXAMINATIONS.iter().find(|what| what.name == *name).unwrap();
                (what, finding.clone())
            })
            .collect();
        sentence(&abilities(&found))
    }

    #[test]
    fn the_verdict_says_what_works_and_on_what_not() {
        let findings = [
            ("raptors_trace", Finding::ok("x")),
            ("bpftrace", Finding::limited("x", "y").short("needs root")),
            ("DTrace", Finding::ok("x")),
            ("hardware counters", Finding::missing("x", "y").short("none")),
            ("file layout", Finding::limited("x", "y").short("libblas.so.3")),
        ];
        let expected = "observing in process works; bpftrace needs root; DTrace works except on libblas.so.3; hardware \
                        counters: none";
        assert_eq!(verdict(&findings), expected);
    }

    #[test]
    fn a_dtrace_that_does_not_work_works_on_no_library() {
        let findings = [
            ("DTrace", Finding::missing("x", "y").short("is not here")),
            ("file layout", Finding::limited("x", "y").short("libblas.so.3")),
        ];
        assert_eq!(verdict(&findings), "DTrace is not here");
    }

    #[test]
    fn every_ability_has_its_check() {
        for (check, ..) in ABILITIES {
            assert!(EXAMINATIONS.iter().any(|what| what.name == check), "{check}");
        }
    }
}
