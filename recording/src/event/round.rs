//! The driver's rounds: what they are for, and the marks at their beginning and end.

use serde::Serialize;

use super::words::{no_flags, unused};
use super::{Fields, Words};

macro_rules! round_kinds {
    ($($(#[$doc:meta])* $kind:ident = $number:literal, $name:literal;)*) => {
        /// What a round was run for, by its number in the file. The driver has them as `_native.RoundKind`, and the
        /// probes `round-entry` and `round-return` carry the number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum RoundKind {
            $($(#[$doc])* $kind = $number,)*
        }

        impl RoundKind {
            /// Every kind, in order of its number in the file.
            pub const ALL: &[RoundKind] = &[$(RoundKind::$kind),*];

            /// Its name, one word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(RoundKind::$kind => $name,)*
                }
            }
        }
    };
}

round_kinds! {
    /// Warm-up: until page faults and times settle, and after the observers are switched; not counted.
    Warmup = 1, "warmup";
    /// Unobserved: the times.
    Timed = 2, "timed";
    /// Observed: phases, calls, threads.
    Observed = 3, "observed";
    /// Observed, with fresh result memory touched before, so that first touch is timed separately from the loop.
    Touched = 4, "touched";
    /// Unobserved, one element.
    UnitTimed = 5, "unit-timed";
    /// Observed, one element.
    UnitObserved = 6, "unit-observed";
    /// The positive control.
    Control = 7, "control";
    /// Watched by a tracer from outside; the placement is the tracer's number.
    Traced = 8, "traced";
    /// The same on one element.
    UnitTraced = 9, "unit-traced";
    /// Sampled: stacks for flamegraphs.
    Sampled = 10, "sampled";
    /// Between sampled ones, without sampling: their difference is the cost of sampling.
    Unsampled = 11, "unsampled";
}

impl RoundKind {
    /// The kind with this number in the file, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Whether observers were on, so that records of calls belong to it.
    pub fn is_observed(self) -> bool {
        matches!(self, Self::Observed | Self::Touched | Self::UnitObserved | Self::Control)
    }
}

/// The beginning or the end of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Index into the run's cases; the control has the index after the last.
    pub case: u32,
    /// 0 for side A, 1 for side B.
    pub side: u8,
    /// What the round is for.
    pub kind: RoundKind,
    /// Operations in it.
    pub ops: u64,
    /// Which of its two ends.
    #[serde(flatten)]
    pub edge: Edge,
}

/// Which end of a round a mark is, with what is known there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// It begins.
    Begin {
        /// Which time the sides had been set up anew, from 0; of a traced round the tracer's number.
        placement: u64,
    },
    /// It has ended.
    End {
        /// Wall time of all its operations, nanoseconds.
        wall_ns: u64,
        /// CPU time of all threads over it, nanoseconds.
        cpu_ns: u64,
        /// Minor page faults over it, up to 2^48 - 1.
        faults: u64,
        /// Threads that worked for at least a twentieth of it; 0 if they were not counted.
        threads: u16,
    },
}

const BEGIN: u8 = 1;
const END: u8 = 2;
/// Page faults have the low bits of a word, threads the rest.
const FAULT_BITS: u32 = 48;
const MOST_FAULTS: u64 = (1 << FAULT_BITS) - 1;

impl Fields for Mark {
    #[inline]
    fn encode(self) -> (u16, Words) {
        let code = |edge: u8| {
            u64::from(self.case) << 24 | u64::from(u32::from_be_bytes([0, self.kind as u8, self.side, edge]))
        };
        let args = match self.edge {
            Edge::Begin { placement } => [code(BEGIN), self.ops, placement, 0, 0],
            Edge::End { wall_ns, cpu_ns, faults, threads } => {
                let last = u64::from(threads) << FAULT_BITS | faults.min(MOST_FAULTS);
                [code(END), self.ops, wall_ns, cpu_ns, last]
            }
        };
        (0, args)
    }

    fn decode(flags: u16, [code, ops, third, fourth, fifth]: Words) -> Result<Self, String> {
        no_flags(flags)?;
        let [edge, side, kind, ..] = code.to_le_bytes();
        let case = u32::try_from(code >> 24).map_err(|_| format!("is of case {}", code >> 24))?;
        let kind = RoundKind::from_number(kind)
            .ok_or_else(|| format!("is of a round of kind {kind}, known are 1 to {}", RoundKind::ALL.len()))?;
        if side > 1 {
            return Err(format!("is of side {side}, known are 0 and 1"));
        }
        let edge = match edge {
            BEGIN => {
                unused([fourth, fifth].into_iter())?;
                Edge::Begin { placement: third }
            }
            END => Edge::End {
                wall_ns: third,
                cpu_ns: fourth,
                faults: fifth & MOST_FAULTS,
                threads: (fifth >> FAULT_BITS) as u16,
            },
            other => return Err(format!("has the code {other}, known are 1 (a round begins) and 2 (it ends)")),
        };
        Ok(Self { case, side, kind, ops, edge })
    }
}
