"""The three tiers: each test knows its count, and one of a higher tier is left out without a skip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiers

VARIABLE = "RAPTORS_TRACE_TEST_TIER"


@pytest.mark.parametrize(("tier", "expected"), [(None, 1), ("", 1), ("quick", 1), ("all", 2), ("nightly", 3)])
def test_the_count_is_that_of_the_tier(monkeypatch, tier, expected):
    if tier is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, tier)
    assert tiers.count(1, 2, 3) == expected


def test_an_unknown_tier_is_an_error(monkeypatch):
    monkeypatch.setenv(VARIABLE, "weekly")
    with pytest.raises(ValueError, match="set it to quick, all or nightly"):
        tiers.count(1, 2, 3)


@pytest.mark.all_tier
def test_with_all_this_runs():
    assert tiers.current() in ("all", "nightly")


@pytest.mark.nightly
def test_with_nightly_this_runs():
    assert tiers.current() == "nightly"


@pytest.mark.parametrize(("tier", "left_out"), [("quick", 2), ("all", 1), ("nightly", 0)])
def test_a_higher_tier_is_deselected(tier, left_out):
    """Not skipped: a skip is read as a hole."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "this_runs"]
    run = subprocess.run(
        command, env=os.environ | {VARIABLE: tier}, cwd=Path(__file__).parent, capture_output=True, text=True
    )
    summary = run.stdout.splitlines()[-1]
    assert "skipped" not in summary, run.stdout
    assert (f"{2 - left_out} passed" in summary) == (left_out < 2), run.stdout
    assert run.returncode == (5 if left_out == 2 else 0), run.stdout
