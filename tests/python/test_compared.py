"""Whether two results are the same, whatever they consist of."""

import collections
import decimal
import enum
import fractions
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, sparse

from raptors_trace._compared import DEEPEST, compared

NAN = float("nan")
POINT = "from typing import NamedTuple\nclass Point(NamedTuple):\n    x: object\n    y: object"
RECORD = "from dataclasses import dataclass\n@dataclass\nclass Record:\n    a: object\n    b: object = None"
COLOUR = "import enum\nclass Colour(enum.Enum):\n    RED = 1\n    BLUE = 2"
PLAIN = "class Plain:\n    def __init__(self, **values):\n        vars(self).update(values)"
SLOTS = "class Slots:\n    __slots__ = ('x',)\n    def __init__(self, x):\n        self.x = x"


def first_difference(a: Any, b: Any) -> str | None:
    """The first difference of two values; None where there is none, or none that could be found."""
    return compared(a, b).difference


def both(setup: str, value: str, other: str | None = None) -> tuple[Any, Any]:
    """Two values, each by a setup of its own, as the sides have."""
    made = []
    for expression in (value, other or value):
        space: dict[str, Any] = {"__name__": "__raptors_trace__", "np": np}
        exec(setup, space)
        made.append(eval(expression, space))
    return made[0], made[1]


def arrays() -> list[Any]:
    return [np.arange(3.0), {"x": (np.array([1.0, NAN]), [None, "a"])}]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3)),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan])),
        (np.array([complex(np.nan, 1)]), np.array([complex(np.nan, 1)])),
        (np.array(["NaT", "2026-01-01"], "M8[D]"), np.array(["NaT", "2026-01-01"], "M8[D]")),
        (np.array([(1, NAN)], "i4,f8"), np.array([(1, NAN)], "i4,f8")),
        (np.ma.array([1.0, 2.0], mask=[0, 1]), np.ma.array([1.0, 3.0], mask=[0, 1])),
        (np.array([1, "a", None, np.ones(2)], object), np.array([1, "a", None, np.ones(2)], object)),
        (np.array([]), np.array([])),
        (0.0, -0.0),
        (NAN, float("nan")),
        (None, None),
        ("x", "x"),
        ([[1], [2, 3]], [[1], [2, 3]]),
        ([1, 2.5], (1.0, 2.5)),
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        (range(10**12), range(10**12)),
        (collections.deque([1, "a"]), collections.deque([1, "a"])),
        ({"a": 1, "b": NAN}, {"b": NAN, "a": 1}),
        (types.MappingProxyType({"a": np.ones(2)}), {"a": np.ones(2)}),
        ({1, "a", NAN}, {1, "a", float("nan")}),
        (2**70, 2**70),
        (fractions.Fraction(1, 3), fractions.Fraction(1, 3)),
        (decimal.Decimal("NaN"), decimal.Decimal("NaN")),
        (arrays(), arrays()),
        (types.SimpleNamespace(x=np.ones(2)), types.SimpleNamespace(x=np.ones(2))),
        both(POINT, "Point(np.ones(3), [1, 'a'])"),
        both(RECORD, "Record(np.array([1, np.nan]), Record(2))"),
        both(COLOUR, "[Colour.RED]"),
        both(PLAIN, "Plain(x=np.ones(3), y=Plain(z=1))"),
        both(SLOTS, "Slots(np.ones(3))"),
    ],
)
def test_equal_values_have_no_difference(a: Any, b: Any) -> None:
    found = compared(a, b)
    assert (found.difference, found.unknown) == (None, None)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (np.zeros(3), np.zeros((3, 1)), "A has shape (3,), B has shape (3, 1)"),
        (np.zeros(3, "f4"), np.zeros(3), "A has dtype float32, B has dtype float64"),
        (1, 2, "the value is np.int64(1) on side A and np.int64(2) on side B; 1 of 1 differ"),
        (np.array([np.nan]), np.array([1.0]), "element [0] is np.float64(nan) on side A and np.float64(1.0) on side B"),
        ([[1], [2, 3]], [[1], [2, 4]], "`[1][1]` is np.int64(3) on side A and np.int64(4) on side B; 1 of 2 differ"),
        ([1, "a"], [1, "a", None], "A has length 2, B has length 3"),
        (["a", 1], ["a", "1"], "`[1]` is 1 on side A and '1' on side B"),
        ({"x": {"y": [1, "a"]}}, {"x": {"y": [1, "b"]}}, "`['x']['y'][1]` is 'a' on side A and 'b' on side B"),
        ({"x": np.zeros(2)}, {"x": np.zeros(3)}, "of `['x']`, A has shape (2,), B has shape (3,)"),
        ({"x": 1}, {"y": 1}, "`['x']` is on side A only"),
        ({}, {"y": 1}, "`['y']` is on side B only"),
        ({1, 2}, {1, 3}, "the value is {1, 2} on side A and {1, 3} on side B"),
        ([1, 2], {"x": 1}, "the value is [1, 2] on side A and {'x': 1} on side B"),
        (None, np.zeros(2), "the value is None on side A and array([0., 0.]) on side B"),
        (2**70, 2**70 + 1, f"the value is {2**70} on side A and {2**70 + 1} on side B"),
        (fractions.Fraction(1, 3), fractions.Fraction(2, 3), "the value is Fraction(1, 3) on side A"),
        (np.array([None, 1], object), np.array([None, 2], object), "`[1]` is 1 on side A and 2 on side B"),
        (np.array([(1, 2.0)], "i4,f8"), np.array([(1, 3.0)], "i4,f8"), "`['f1'][0]` is np.float64(2.0) on side A"),
        (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), "`.mask[0]` is np.False_ on side A"),
        (*both(POINT, "Point(1, [None])", "Point(1, [0])"), "`.y[0]` is None on side A and 0 on side B"),
        (*both(RECORD, "Record(1, 'x')", "Record(1, 'y')"), "`.b` is 'x' on side A and 'y' on side B"),
        (*both(RECORD, "Record(1)", "{'a': 1}"), "the value is Record(a=1, b=None) on side A and {'a': 1} on side B"),
        (*both(COLOUR, "Colour.RED", "Colour.BLUE"), "the value is <Colour.RED: 1> on side A"),
    ],
)
def test_a_difference_is_told(a: Any, b: Any, expected: str) -> None:
    told = first_difference(a, b)
    assert told is not None
    assert told.startswith(expected)


def test_the_first_of_several_differences_is_told_by_its_index() -> None:
    a = np.zeros((3, 4), np.float32)
    b = a.copy()
    b[1, 2] = b[2, 0] = 7
    told = "element [1, 2] is np.float32(0.0) on side A and np.float32(7.0) on side B; 2 of 12 differ"
    assert first_difference(a, b) == told
    assert first_difference(np.asfortranarray(a), b) == told, "whatever order either lies in memory"


class Opaque:
    """A value whose equality nobody knows."""

    __slots__ = ()


class Odd:
    """A value that cannot even be asked."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("no luck")

    __hash__ = None  # type: ignore[assignment]


def squares() -> Iterator[int]:
    yield from (1, 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Opaque(), Opaque(), "values of the type test_compared.Opaque cannot be compared"),
        ({"x": Opaque()}, {"x": Opaque()}, "`['x']`: values of the type test_compared.Opaque cannot be compared"),
        (*both(PLAIN, "Plain(x=1)", "Plain(x=2)"), "values of the type Plain cannot be compared"),
        (squares(), squares(), "generator is an iterator, which comparing would use up"),
        (lambda: 1, lambda: 1, "values of the type function cannot be compared"),
        (Odd(), Odd(), "values of the type test_compared.Odd cannot be compared"),
        (np.array(Opaque(), object), np.array(Opaque(), object), "values of the type test_compared.Opaque"),
    ],
)
def test_what_cannot_be_compared_is_neither_the_same_nor_different(a: Any, b: Any, expected: str) -> None:
    found = compared(a, b)
    assert found.difference is None
    assert str(found.unknown).startswith(expected)


def test_a_difference_beside_what_cannot_be_compared_is_a_difference() -> None:
    assert first_difference([Opaque(), "a"], [Opaque(), "b"]) == "`[1]` is 'a' on side A and 'b' on side B"


def test_circles_and_depth_end() -> None:
    a: list[Any] = [1, "a"]
    b: list[Any] = [1, "a"]
    a.append(a)
    b.append(b)
    assert compared(a, b).unknown is None
    assert first_difference(a, [1, "a", [1, "b", 0]]) == "`[2][1]` is 'a' on side A and 'b' on side B"
    first, second = both(PLAIN, "Plain(x=1)")
    first.me, second.me = first, second
    assert compared(first, second).unknown is None
    deep: list[tuple[Any]] = []
    for _ in range(2):
        value: tuple[Any] = ("end",)
        for _ in range(5000):
            value = (value,)
        deep.append(value)
    assert f"deeper than {DEEPEST} structures" in str(compared(*deep).unknown)
    # One list inside itself many times over is looked at once.
    pair = []
    for _ in range(2):
        wide: list[Any] = ["end"]
        for _ in range(60):
            wide = [wide, wide]
        pair.append(wide)
    assert compared(*pair) == compared([], [])


class State(enum.IntEnum):
    """A number with a name."""

    READY = 1


def test_a_member_is_a_member_and_no_number() -> None:
    assert first_difference(State.READY, 1) is not None
    assert first_difference(State.READY, State.READY) is None


def test_sparse_matrices_are_compared_by_their_elements() -> None:
    dense = np.array([[0.0, 1.0, NAN], [2.0, 0.0, 0.0]])
    for one in (sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix, sparse.lil_array, sparse.dok_matrix):
        assert compared(one(dense), sparse.csr_array(dense)) == compared(one(dense), dense) == compared(1, 1)
    with_zero = sparse.coo_array((np.array([1.0, 0.0]), ([0, 1], [1, 1])), shape=(2, 3))
    plain = sparse.coo_array((np.array([1.0]), ([0], [1])), shape=(2, 3))
    assert first_difference(with_zero, plain) is None
    changed = dense.copy()
    changed[1, 0] = 3.0
    told = "`.data[2]` is np.float64(2.0) on side A and np.float64(3.0) on side B; 1 of 3 differ"
    assert first_difference(sparse.csr_array(dense), sparse.csc_array(changed)) == told
    told = "`.shape` is '(2, 3)' on side A and '(3, 2)' on side B"
    assert first_difference(sparse.csr_array(dense), sparse.csr_array(dense.T)) == told


def frame(**columns: Any) -> pd.DataFrame:
    made = {"x": [1.0, NAN, 3.0], "name": ["a", None, "c"], "whole": pd.array([1, None, 3], "Int64")} | columns
    return pd.DataFrame(made, index=pd.date_range("2026-01-01", periods=3))


def test_frames_are_compared_column_by_column() -> None:
    assert compared(frame(), frame()) == compared(1, 1)
    assert first_difference(frame(), frame(x=[1.0, NAN, 4.0])) == (
        "`['x'].dropna()[1]` is np.float64(3.0) on side A and np.float64(4.0) on side B; 1 of 2 differ"
    )
    assert first_difference(frame(), frame(x=[1.0, 2.0, 3.0])) == (
        "`['x'].isna()[1]` is np.True_ on side A and np.False_ on side B; 1 of 3 differ"
    )
    told = "`.shape` is '(3, 3)' on side A and '(3, 4)' on side B"
    assert first_difference(frame(), frame(more=1)) == told
    assert "`.columns.dropna()[0]` is 'x' on side A and 'y'" in str(
        first_difference(frame(), frame().rename(columns={"x": "y"}))
    )
    assert "`.index.dropna()[0]`" in str(first_difference(frame(), frame().shift(freq="D")))
    assert "int64" in str(first_difference(frame()["x"], frame()["x"].fillna(0).astype(int)))
    twice = [pd.concat([frame(), frame()], axis=1) for _ in range(2)]
    assert first_difference(*twice) is None
    assert first_difference(frame()["x"], frame()) is not None
    assert first_difference(pd.RangeIndex(3), pd.Index([0, 1, 2])) is None
    many = [pd.MultiIndex.from_product([[1, 2], ["a", "b"]]) for _ in range(2)]
    assert first_difference(*many) is None
    assert first_difference(pd.Series([1, 2]), pd.Series([1, 2], index=["a", "b"])) is not None


def minimised(start: float, method: str = "L-BFGS-B") -> optimize.OptimizeResult:
    return optimize.minimize(lambda x: ((x - 3.0) ** 2).sum(), np.full(3, start), method=method)


def test_results_of_an_optimisation_are_compared_field_by_field() -> None:
    for method in ("L-BFGS-B", "BFGS", "Nelder-Mead"):
        found = compared(minimised(0.0, method), minimised(0.0, method))
        assert (found.difference, found.unknown) == (None, None)
    assert str(first_difference(minimised(0.0), minimised(1.0))).startswith("`['")
