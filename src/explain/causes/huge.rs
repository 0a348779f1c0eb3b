//! Huge pages.

use super::{Cause, Plan, Rank, Trial, any_of, by_switch};
use crate::explain::survey::Survey;
use crate::explain::switch::Switches;
use crate::model::switches::Switch;

/// The size in bytes from which NumPy requests huge pages.
const LARGE: f64 = 4_194_304.0;

/// Memory in pages of 2 MiB instead of 4 KiB.
pub struct HugePages;

impl Cause for HugePages {
    fn name(&self) -> &'static str {
        "huge pages"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        match survey.machine.thp.as_deref() {
            None => Plan::Not("this system has no transparent huge pages".into()),
            Some("never") => Plan::Not(
                "transparent huge pages are off: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled".into(),
            ),
            Some(_) => any_of([
                by_switch(survey, Switch::HugePages, "operands in huge pages", "no operand has 4 MiB or more"),
                results(survey),
                none(survey),
            ]),
        }
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!(
            "placing the arrays of {} in huge pages (madvise MADV_HUGEPAGE, at multiples of 2 MiB)",
            survey.slower()
        )
    }
}

/// Huge pages disabled for both sides, if an operation moves enough memory for NumPy to request them.
fn none(survey: &Survey<'_>) -> Result<Trial, String> {
    let bytes = survey.sides().map(|side| side.bytes_per_op.unwrap_or(0.0));
    if bytes[0].max(bytes[1]) < LARGE {
        return Err("no operation moves 4 MiB or more".into());
    }
    Ok(Trial::of(
        "huge pages disabled for the whole process (prctl, PR_SET_THP_DISABLE)",
        Switches::of(Switch::NoHugePages),
    ))
}

/// glibc 2.35 and newer advises huge pages for its allocations if a tunable requests it.
fn results(survey: &Survey<'_>) -> Result<Trial, String> {
    if survey.faults.iter().all(|faults| *faults < 1.0) {
        return Err("no operation has page faults".into());
    }
    let allocator = survey.software.allocator.as_deref().unwrap_or_default();
    let version =
        allocator.strip_prefix("glibc 2.").and_then(|rest| rest.split_whitespace().next()?.parse::<u32>().ok());
    if version.is_none_or(|minor| minor < 35) {
        return Err("this C library has no setting for huge pages".into());
    }
    Ok(Trial::of(
        "the C library's own memory in huge pages (GLIBC_TUNABLES=glibc.malloc.hugetlb=1)",
        Switches::environment("GLIBC_TUNABLES", Some("glibc.malloc.hugetlb=1")),
    ))
}
