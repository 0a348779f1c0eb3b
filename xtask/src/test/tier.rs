//! How much one run tests: three tiers, each with everything of those before it.

/// The variable that tells the tests of Rust and Python the tier, by [`Tier::name`]. Where it is not set they run as in
/// [`Tier::Quick`].
pub const VARIABLE: &str = "RAPTORS_TRACE_TEST_TIER";

/// How much one run tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// What a change normally breaks.
    #[default]
    Quick,
    /// Everything that CI checks for each change.
    All,
    /// Everything that CI checks once a day: full counts, and what takes hours.
    Nightly,
}

impl Tier {
    /// The value of [`VARIABLE`].
    pub fn name(self) -> &'static str {
        match self {
            Tier::Quick => "quick",
            Tier::All => "all",
            Tier::Nightly => "nightly",
        }
    }

    /// The profile of `.config/nextest.toml`. It leaves out the tests of the higher tiers.
    pub fn nextest_profile(self) -> &'static str {
        match self {
            Tier::Quick => "ci",
            Tier::All => "ci-all",
            Tier::Nightly => "ci-nightly",
        }
    }
}
