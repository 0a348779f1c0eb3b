//! Checks for probes that a killed tracer left in the kernel.

use std::io::{self, ErrorKind};

use super::{Finding, Patient};
use crate::machine::command::ourselves_as_root;
use crate::tracers::leftovers::{self, Found};

/// The check.
pub(super) fn check(_: &Patient) -> Finding {
    look()
}

/// The present left-over probes.
pub(super) fn look() -> Finding {
    judge(leftovers::find())
}

fn judge(found: io::Result<Found>) -> Finding {
    let Found { left, owners, in_use } = match found {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Finding::not_applicable("tracefs is not mounted, so no tracer left probes in it");
        }
        Err(error) => {
            let sentence = format!("the kernel's list of probes cannot be read: {error}");
            return Finding::unknown(sentence, ourselves_as_root("doctor"));
        }
    };
    let beside = match in_use {
        0 => String::new(),
        n => format!("; {n} of a running one"),
    };
    let finding = match left.len() {
        0 => Finding::ok(format!("no killed DTrace left any{beside}")),
        n => {
            let owners: Vec<String> = owners.iter().map(u32::to_string).collect();
            let sentence = format!("{n} of a killed DTrace (process {}){beside}", owners.join(", "));
            Finding::limited(sentence, ourselves_as_root("doctor --clean"))
        }
    };
    finding.fact("left_over", left).fact("in_use", in_use)
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn the_check_tells_left_overs_from_probes_in_use() {
        let left = vec!["dt_617_dtrace/BEGIN".to_owned(), "dt_617_dtrace/END".to_owned()];
        let finding = judge(Ok(Found { left, owners: [617].into(), in_use: 1 }));
        assert_eq!(finding.outcome, Outcome::Limited);
        assert_eq!(finding.sentence, "2 of a killed DTrace (process 617); 1 of a running one");
        assert_eq!(judge(Ok(Found { in_use: 3, ..Found::default() })).outcome, Outcome::Ok);
        assert_eq!(judge(Ok(Found::default())).sentence, "no killed DTrace left any");
        assert_eq!(judge(Err(ErrorKind::NotFound.into())).outcome, Outcome::NotApplicable);
        assert_eq!(judge(Err(ErrorKind::PermissionDenied.into())).outcome, Outcome::Unknown);
    }
}
