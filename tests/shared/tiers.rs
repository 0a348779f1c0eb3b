//! The size of a test in each of the three tiers of `cargo xtask test`, which tells them by an environment variable. A
//! test program takes this file in by `#[path]`; `tests/python/tiers.py` is the same for Python.

/// What is counted `quick` times by `cargo xtask test` and by a test that runs alone, `all` times with `--all`, and
/// `nightly` times with `--nightly`.
pub fn count(quick: usize, all: usize, nightly: usize) -> usize {
    match std::env::var("RAPTORS_TRACE_TEST_TIER").as_deref() {
        Err(_) | Ok("" | "quick") => quick,
        Ok("all") => all,
        Ok("nightly") => nightly,
        Ok(other) => panic!("RAPTORS_TRACE_TEST_TIER is {other:?}: set it to quick, all or nightly"),
    }
}
