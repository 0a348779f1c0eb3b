//! Huge pages.

use super::{Cause, Plan, Rank, any_of, by_switch};
use crate::explain::survey::Survey;

/// Memory in pages of 2 MiB instead of 4 KiB.
pub struct HugePages;

impl Cause for HugePages {
    fn name(&self) -> &'static str {
        "huge pages"
    }

    fn rank(&self) -> Rank {
        Rank::Mechanism
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        match survey.machine.thp.as_deref() {
            None => Plan::Not("this system has no transparent huge pages".into()),
            Some("never") => Plan::Not(
                "transparent huge pages are off: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled".into(),
            ),
            Some(_) => any_of([by_switch(
                survey,
                "huge_pages",
                "operands in huge pages",
                "no operand has 4 MiB or more",
            )]),
        }
    }

    fn mend(&self, survey: &Survey<'_>) -> String {
        format!(
            "placing the operands of {} in huge pages (madvise MADV_HUGEPAGE, at multiples of 2 MiB)",
            survey.slower()
        )
    }
}
