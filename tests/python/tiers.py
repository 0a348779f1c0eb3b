"""The size of a test in each of the three tiers of `cargo xtask test`, which tells them by an environment variable."""

import os

TIERS = ("quick", "all", "nightly")
# The tests with this marker run in this tier and in those after it.
MARKERS = {"all_tier": "all", "nightly": "nightly"}


def current() -> str:
    """Return the tier of this run: quick, unless xtask or the shell says something else."""
    tier = os.environ.get("RAPTORS_TRACE_TEST_TIER") or "quick"
    if tier not in TIERS:
        raise ValueError(f"RAPTORS_TRACE_TEST_TIER is {tier!r}: set it to quick, all or nightly")
    return tier


def count(quick: int, all: int, nightly: int) -> int:  # noqa: A002 (the names are those of the tiers)
    """Return how many times the test does what it counts in this tier."""
    return {"quick": quick, "all": all, "nightly": nightly}[current()]


def is_above(marker: str) -> bool:
    """Whether the tests with this marker are left out of this run."""
    return TIERS.index(MARKERS[marker]) > TIERS.index(current())
