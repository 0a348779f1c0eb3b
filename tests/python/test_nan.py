"""Whose payload NaN × NaN keeps: the rule that is fitted to what NumPy was seen to do."""

import numpy as np
import pytest

from raptors_trace import _nan


def sequences(first, longest=256):
    """The elements from `first(n)` on keep the factor's payload."""
    return [[i >= first(n) for i in range(n)] for n in range(1, longest + 1)]


@pytest.mark.parametrize(
    ("first", "rule"),
    [
        (lambda n: n, None),
        (lambda _: 0, (0, 0)),
        (lambda n: n if n <= 16 else 0, (16, 0)),  # NumPy 2.4, x86-64, float32
        (lambda n: n if n <= 16 else n // 16 * 16, (16, 16)),  # NumPy 2.0, x86-64, float32
        (lambda n: n // 8 * 8 or n, (8, 8)),  # the same, float64
        (lambda n: n // 8 * 8, (0, 8)),  # short ones too
        (lambda n: n if n <= 20 else n // 4 * 4, (20, 4)),
        (lambda n: n // 100 * 100, (0, 100)),
        (lambda n: n if n <= 255 else 0, (255, 0)),
    ],
    ids=lambda value: repr(value) if not callable(value) else "",
)
def test_a_rule_is_found(first, rule):
    assert _nan.fit(sequences(first)) == rule


@pytest.mark.parametrize(
    "first",
    [
        lambda n: 0 if 16 < n <= 32 else n,  # changes back
        lambda n: n // 16 * 16 if n < 200 else n // 8 * 8,  # two blocks
        lambda n: n - n % 16 + 1 if n > 16 and n % 16 else n,  # one element late
        lambda _: 3,  # a head of its own
    ],
    ids=["changes back", "two blocks", "one late", "head"],
)
def test_what_no_rule_says_is_none(first):
    assert _nan.fit(sequences(first)) is None


def test_what_is_not_a_rest_is_none():
    observed = sequences(lambda n: n if n <= 16 else n // 16 * 16)
    observed[99] = observed[99][::-1]
    assert _nan.fit(observed) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rule_of_this_numpy_holds_beyond_what_it_was_fitted_to(dtype):
    rule = _nan.factor_first_rule(dtype)
    for n in (*range(1, 300), 1000, 4097, 65_537, 300_007):
        expected = _nan.predicted(n, *rule) if rule else [False] * n
        assert _nan.keeps_factor(dtype, n) == expected, f"{rule}, n = {n}"
