//! The start addresses of arrays: cache lines, elements, and distances within 4 KiB.

use super::{Cause, Plan, Rank, any_of, by_switch};
use crate::explain::survey::Survey;
use crate::model::switches::Switch;

/// Addresses of the operands.
pub struct Alignment;

impl Cause for Alignment {
    fn name(&self) -> &'static str {
        "alignment and 4 KiB aliasing"
    }

    fn rank(&self) -> Rank {
        Rank::Specific
    }

    fn plan(&self, survey: &Survey<'_>) -> Plan {
        any_of([by_switch(
            survey,
            Switch::Aligned,
            "arrays that begin at cache lines, no two at the same place of a page",
            "every array begins at a cache line, and no two at the same place of a page",
        )])
    }

    fn fix(&self, survey: &Survey<'_>) -> String {
        format!("placing the arrays of {} at multiples of 64 bytes, each at another place of a page", survey.slower())
    }
}
