//! The results for the three hypotheses that the project began with.

use super::causes::{ALL, Hypothesis};
use crate::model::comparison::{Finding, FindingVerdict, HypothesisFound, NotTried};

/// Each hypothesis with the verdict of its causes: supported if one is, refuted if all that apply are.
pub fn found(findings: &[Finding], not_tried: &[NotTried]) -> Vec<HypothesisFound> {
    Hypothesis::ALL
        .into_iter()
        .map(|hypothesis| {
            let causes = ALL.iter().filter(|cause| cause.hypothesis() == Some(hypothesis));
            let (mut verdicts, mut because) = (Vec::new(), Vec::new());
            for cause in causes {
                if let Some(finding) = findings.iter().find(|found| found.cause == cause.name()) {
                    verdicts.push(finding.verdict);
                    because.push(format!("{}: {}", finding.cause, finding.verdict.as_str()));
                } else if let Some(not) = not_tried.iter().find(|not| not.cause == cause.name()) {
                    because.push(format!("{}: not tried, as {}", not.cause, not.why));
                }
            }
            let supported = verdicts.contains(&FindingVerdict::Supported);
            let verdict = if supported {
                FindingVerdict::Supported
            } else if verdicts.is_empty() || verdicts.contains(&FindingVerdict::Undecided) {
                FindingVerdict::Undecided
            } else {
                FindingVerdict::Refuted
            };
            HypothesisFound { name: hypothesis.name().to_owned(), says: hypothesis.says().to_owned(), verdict, because }
        })
        .collect()
}
