//! Kinds of rounds.

/// The purpose of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoundKind {
    /// Warm-up: until page faults and times settle, and after the observers are switched; not counted.
    Warmup = 1,
    /// Unobserved: the times.
    Timed = 2,
    /// Observed: phases, calls, threads.
    Observed = 3,
    /// Observed, with fresh result memory touched before, so that first touch is timed separately from the loop.
    Touched = 4,
    /// Unobserved, one element.
    UnitTimed = 5,
    /// Observed, one element.
    UnitObserved = 6,
    /// The positive control.
    Control = 7,
    /// Watched by a tracer from outside; the placement is the tracer's number.
    Traced = 8,
    /// The same on one element.
    UnitTraced = 9,
    /// Sampled: stacks for flamegraphs.
    Sampled = 10,
    /// Between sampled ones, without sampling: their difference is the cost of sampling.
    Unsampled = 11,
}

impl RoundKind {
    /// The kind for the code of a mark.
    pub fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::Warmup,
            2 => Self::Timed,
            3 => Self::Observed,
            4 => Self::Touched,
            5 => Self::UnitTimed,
            6 => Self::UnitObserved,
            7 => Self::Control,
            8 => Self::Traced,
            9 => Self::UnitTraced,
            10 => Self::Sampled,
            11 => Self::Unsampled,
            _ => return None,
        })
    }

    /// Its name, one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Timed => "timed",
            Self::Observed => "observed",
            Self::Touched => "touched",
            Self::UnitTimed => "unit-timed",
            Self::UnitObserved => "unit-observed",
            Self::Control => "control",
            Self::Traced => "traced",
            Self::UnitTraced => "unit-traced",
            Self::Sampled => "sampled",
            Self::Unsampled => "unsampled",
        }
    }

    /// Whether observers were on, so that records of calls belong to it.
    pub fn is_observed(self) -> bool {
        matches!(self, Self::Observed | Self::Touched | Self::UnitObserved | Self::Control)
    }
}
