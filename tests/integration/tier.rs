//! The three tiers of `cargo xtask test`: a test of a higher tier is left out of the smaller runs.

use std::env;

use crate::tiers::count;

/// Whether this process was started by `cargo test`, which knows no profiles, or by nextest with one of `profiles`.
fn runs_under(profiles: &[&str]) -> bool {
    env::var("NEXTEST_PROFILE").map_or(true, |profile| profiles.contains(&profile.as_str()))
}

#[test]
fn all_tier_tests_run_with_all_and_nightly() {
    assert!(runs_under(&["ci-all", "ci-nightly"]));
}

#[test]
fn nightly_tests_run_with_nightly() {
    assert!(runs_under(&["ci-nightly"]));
}

#[test]
fn a_count_is_that_of_the_tier() {
    let expected = match env::var("RAPTORS_TRACE_TEST_TIER").as_deref() {
        Ok("all") => 2,
        Ok("nightly") => 3,
        _ => 1,
    };
    assert_eq!(count(1, 2, 3), expected);
}
