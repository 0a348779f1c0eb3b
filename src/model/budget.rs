//! The time of a command: every default, share and factor. Only how the driver divides the seconds of one case
//! (warm-up, setting up, the limit with page faults) stands with its rounds, in Python.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// For each size, the unobserved rounds of `compare`, `phases` and `calls`: three sizes end well within a minute.
pub const COMPARE: Seconds = Seconds(4.0);
/// For each size, the whole of `explain`.
pub const EXPLAIN: Seconds = Seconds(45.0);
/// For each size, the sampled rounds of `flamegraph`; also for a running process.
pub const SAMPLE: Seconds = Seconds(12.0);
/// For a running process, `calls --pid` and `attach`.
pub const WATCH: Seconds = Seconds(10.0);
/// For each type, place, number of threads and size, `tune`.
pub const TUNE: Seconds = Seconds(0.3);

/// The part of `explain`'s time for the comparison. Its other rounds take about as much again; the rest is for
/// experiments.
const COMPARED: f64 = 0.1;

/// The times for each size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Unobserved rounds of all cases, both sides together.
    pub timed: Duration,
    /// Sampled rounds of each sampled case, both sides together.
    pub sampled: Duration,
    /// Experiments.
    pub experiments: Duration,
}

impl Budget {
    /// Of a comparison. An operation that is sampled as well is sampled for as long as it is timed.
    pub fn compare(time: Option<Seconds>) -> Self {
        let timed = time.unwrap_or(COMPARE).into();
        Self { timed, sampled: timed, experiments: Duration::ZERO }
    }

    /// Of an explanation; `time` is the whole.
    pub fn explain(time: Option<Seconds>) -> Self {
        let whole = Duration::from(time.unwrap_or(EXPLAIN));
        let compared = whole.mul_f64(COMPARED);
        Self { timed: compared, sampled: compared, experiments: whole.mul_f64(1.0 - 2.0 * COMPARED) }
    }

    /// The same, sampled for another time.
    #[must_use]
    pub fn sampled_for(self, time: Seconds) -> Self {
        Self { sampled: time.into(), ..self }
    }
}

/// The parts of a size's time that the cases of one pair of statements get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CaseShares {
    /// The case whose results are dropped.
    pub dropped: f64,
    /// The case whose results are kept, if there is one.
    pub kept: Option<f64>,
}

impl CaseShares {
    /// The main comparison's operation.
    pub const OPERATION: Self = Self { dropped: 0.5, kept: Some(0.2) };
    /// The main comparison's round trip.
    pub const ROUND_TRIP: Self = Self { dropped: 0.3, kept: None };
    /// The main comparison in place.
    pub const IN_PLACE: Self = Self { dropped: 1.0, kept: None };
    /// Two statements of the user's.
    pub const CUSTOM: Self = Self { dropped: 0.7, kept: Some(0.3) };
    /// Two statements of the user's, in place.
    pub const CUSTOM_IN_PLACE: Self = Self { dropped: 0.7, kept: None };
}

/// How `explain` divides the time for experiments.
pub mod experiments {
    use std::time::Duration;

    /// The part for both sides at smaller sizes.
    pub const SWEEP: f64 = 0.08;
    /// At least this much for them.
    pub const SWEEP_LEAST: Duration = Duration::from_secs(1);
    /// Of the rest, the part for switching each cause alone; what remains is for switching one after the other.
    pub const ALONE: f64 = 0.55;
    /// Of what then remains, the part for a second look at undecided causes.
    pub const AGAIN: f64 = 0.7;
    /// The factor for an experiment with the noise, which everything between processes is compared with.
    pub const NOISE: f64 = 2.0;
    /// The factor for an experiment about the measurement, which is only to be known beside the causes.
    pub const MEASUREMENT: f64 = 0.5;
    /// A shorter experiment says nothing.
    pub const SHORTEST: Duration = Duration::from_millis(600);
    /// The part of an experiment for setting up; if that takes longer, there are fewer placements.
    pub const SET_UP: f64 = 0.6;
}

/// A time as the command line has it: above 0 and at most a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(pub f64);

impl From<Seconds> for Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_secs_f64(seconds.0)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const DAY: f64 = 86_400.0;
        match text.parse::<f64>() {
            Ok(seconds) if seconds > 0.0 && seconds <= DAY => Ok(Self(seconds)),
            Ok(_) => Err("give more than 0 seconds and at most a day (86400)".to_owned()),
            Err(_) => Err("give a number of seconds, such as 4 or 0.5".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn each_command_has_its_times() {
        let table = [
            (Budget::compare(None), [4_000, 4_000, 0]),
            (Budget::compare(Some(Seconds(0.5))), [500, 500, 0]),
            (Budget::compare(None).sampled_for(SAMPLE), [4_000, 12_000, 0]),
            (Budget::explain(None), [4_500, 4_500, 36_000]),
            (Budget::explain(Some(Seconds(10.0))), [1_000, 1_000, 8_000]),
        ];
        for (budget, expected) in table {
            assert_eq!([budget.timed, budget.sampled, budget.experiments], expected.map(ms));
        }
    }

    #[test]
    fn the_cases_of_a_comparison_take_its_whole_time() {
        let whole =
            |pairs: &[CaseShares]| pairs.iter().map(|pair| pair.dropped + pair.kept.unwrap_or(0.0)).sum::<f64>();
        for pairs in
            [&[CaseShares::OPERATION, CaseShares::ROUND_TRIP][..], &[CaseShares::IN_PLACE], &[CaseShares::CUSTOM]]
        {
            assert!((whole(pairs) - 1.0).abs() < 1e-9, "{pairs:?}");
        }
    }

    #[test]
    fn seconds_are_read_as_they_are_printed() {
        for text in ["4", "0.3", "86400"] {
            assert_eq!(text.parse::<Seconds>().unwrap().to_string(), text);
        }
        for text in ["0", "-1", "nan", "inf", "86401"] {
            assert!(text.parse::<Seconds>().unwrap_err().contains("more than 0 seconds"), "{text}");
        }
        assert!("soon".parse::<Seconds>().unwrap_err().contains("a number of seconds"));
    }
}
