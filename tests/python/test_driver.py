"""The driver's decisions: what a side's statement becomes, when a warm-up ends, and which round comes after which."""

import builtins
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raptors_trace import _case, _native
from raptors_trace._case import (
    BLOCKS,
    KEPT_BYTES,
    LEAST_BLOCKS,
    OBSERVED_OPS,
    PLACEMENTS,
    ROUND_NS,
    SETUP_SHARE,
    WARMUP_ROUNDS,
    Case,
    differ,
    settles,
)
from raptors_trace._native import RoundKind
from raptors_trace._protocol import CaseSpec, Event, SideSpec
from raptors_trace._rounds import Round, run_round
from raptors_trace._subject import FACTORS, Subject, SubjectError, padding

WARMUP, TIMED, OBSERVED, TOUCHED = RoundKind.WARMUP, RoundKind.TIMED, RoundKind.OBSERVED, RoundKind.TOUCHED

FOREVER = 1e9


class Listener:
    """Stands where the progress is told to."""

    def __init__(self) -> None:
        self.said: list[Event] = []

    def say(self, event: Event) -> None:
        self.said.append(event)


def case(results: str = "dropped", **sides: SideSpec) -> Case:
    side = SideSpec("x", "a = rng.random(shape)", "a * 2.5")
    both = {"a": side, "b": side, **sides}
    flags = {"in_place": False, "allow_different": False, "only_if_different": False, "sampled": False}
    progress: Any = Listener()
    spec = CaseSpec("custom", results, "float32", [3, 4], seconds=1.0, **flags, **both)
    return Case(5, spec, progress, counting=False)


def subject(statement: str, setup: str = "", in_place: bool = True, **names: Any) -> Subject:
    made = Subject("a", "A", setup, statement, {"np": np, **names}, in_place)
    made.set_up()
    return made


def round_of(ops: int, ns_per_op: float, faults_per_op: float = 0.0) -> Round:
    return Round(ops, int(ns_per_op * ops), int(faults_per_op * ops))


# When a warm-up ends.


def test_a_side_settles_when_times_and_faults_do() -> None:
    steady = [round_of(10, 1_000, 100)] * 6
    assert settles(steady)
    assert not settles(steady[:5])


def test_a_side_whose_times_fall_has_not_settled() -> None:
    def after(ns: float) -> list[Round]:
        return [round_of(10, 1_000)] * 3 + [round_of(10, ns)] * 3

    assert settles(after(960))
    assert settles(after(1_040))
    assert not settles(after(940))
    assert not settles(after(1_060))


def test_old_rounds_do_not_keep_a_side_from_settling() -> None:
    assert settles([round_of(1, 50_000, 900)] * 6 + [round_of(10, 1_000)] * 6)


def test_a_side_whose_faults_differ_has_not_settled() -> None:
    def last(*faults: float) -> list[Round]:
        return [round_of(100, 1_000)] * 3 + [round_of(100, 1_000, f) for f in faults]

    assert settles(last(0, 1, 0)), "one more or less is noise"
    assert not settles(last(0, 2, 0))
    assert settles(last(1_000, 1_015, 1_000)), "and so are two in a hundred"
    assert not settles(last(1_000, 1_030, 1_000))


def test_a_round_that_still_grows_has_not_settled() -> None:
    assert not settles([round_of(10, 1_000)] * 5 + [round_of(20, 1_000)])


@pytest.mark.parametrize(
    ("dropped", "kept", "expected"),
    [
        ({"a": 3.0, "b": 3.0}, {"a": 3.0, "b": 4.0}, False),
        ({"a": 3.0, "b": 3.0}, {"a": 3.0, "b": 4.1}, True),
        ({"a": 9.0, "b": 3.0}, {"a": 3.0, "b": 3.0}, True),
        ({}, {"a": 0.0, "b": 1.0}, False),
        ({}, {"a": 0.0, "b": 2.0}, True),
    ],
)
def test_keeping_results_matters_where_faults_differ(
    dropped: dict[str, float], kept: dict[str, float], expected: bool
) -> None:
    assert differ(dropped, kept) is expected


class Warmed:
    """A case whose rounds come out as ``next_round`` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, next_round: Callable[[str, int], Round]) -> None:
        self.ran: list[str] = []
        self.case = case()

        def ran(_case: int, side: str, kind: int, _function: Any, _ops: int) -> Round:
            assert kind == WARMUP
            self.ran.append(side)
            return next_round(side, (len(self.ran) - 1) // 2)

        monkeypatch.setattr(_case, "run_round", ran)

    def run(self, seconds: float) -> tuple[int, bool, dict[str, float]]:
        nothing: Any = {"a": None, "b": None}
        return self.case.warm_up(nothing, seconds)


def test_a_warm_up_ends_once_both_sides_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    # The faults of B fall until the sixth round, so its last three are alike from the eighth on.
    faults_of: dict[str, Callable[[int], float]] = {"a": lambda _: 7, "b": lambda i: 90 - 10 * min(i, 5)}
    warmed = Warmed(monkeypatch, lambda side, i: round_of(8, ROUND_NS / 8, faults_of[side](i)))
    assert warmed.run(FOREVER) == (8, True, {"a": 7.0, "b": 40.0})
    assert warmed.ran == ["a", "b"] * 8
    assert warmed.case.ops == {"a": 8, "b": 8}


def test_a_warm_up_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def restless(_: str, i: int) -> Round:
        return round_of(8, ROUND_NS / 8, 100 * (i % 2))

    for seconds, most in ((FOREVER, WARMUP_ROUNDS[1]), (0.0, WARMUP_ROUNDS[0])):
        warmed = Warmed(monkeypatch, restless)
        rounds, settled, _ = warmed.run(seconds)
        assert (rounds, settled) == (most, False)
        assert len(warmed.ran) == 2 * most


# How many operations make a round.


def resized(ns_per_op: float, ops: int, **changes: Any) -> int:
    sized = case(changes.pop("results", "dropped"))
    for name, value in changes.items():
        setattr(sized, name, value)
    sized.resize("a", round_of(ops, ns_per_op))
    assert sized.ops["b"] == 1, "the other side keeps its own count"
    return sized.ops["a"]


def test_a_round_grows_and_shrinks_towards_its_length() -> None:
    assert resized(ROUND_NS / 1_000, 500) == 1_000
    assert resized(ROUND_NS / 1_000, 4_000) == 1_000
    assert resized(ROUND_NS / 1_000, 10) == 160, "sixteenfold at most, for the first round says little"
    assert resized(1.0, 100_000) == 200_000
    assert resized(0.0, 100_000) == 200_000, "a clock that did not move divides nothing by 0"


def test_a_round_has_an_even_count_or_one_operation() -> None:
    assert resized(ROUND_NS / 7.5, 7) == 8
    assert resized(ROUND_NS * 3.0, 4) == 1
    both_factors = {"a": True, "b": False}
    assert resized(ROUND_NS * 3.0, 4, alternating=both_factors) == 2


def test_kept_results_have_a_bound_of_memory() -> None:
    def kept(result_bytes: int) -> int:
        return resized(ROUND_NS / 1_000, 500, results="kept", result_bytes={"a": result_bytes, "b": 0})

    assert kept(0) == 1_000
    assert kept(KEPT_BYTES // 64) == 64
    assert kept(KEPT_BYTES * 4) == 2
    assert resized(ROUND_NS * 3.0, 4, results="kept") == 2


# Which round comes after which.


class Order:
    """What ``Case.rounds`` does, in its order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[Any] = []
        self.placements: list[int] = []

        def ran(_case: int, side: str, kind: int, _function: Any, ops: int, placement: int = 0) -> Round:
            self.log.append((side, kind, ops))
            self.placements.append(placement)
            return round_of(ops, 1.0)

        monkeypatch.setattr(_case, "run_round", ran)
        monkeypatch.setattr(_native, "arm", lambda *, touch: self.log.append(f"arm, touch={touch}"))
        monkeypatch.setattr(_native, "disarm", lambda: self.log.append("disarm"))

    def of(self, of: Case, kind: int, ops: dict[str, int], seconds: float, most: int) -> list[Any]:
        self.log.clear()
        nothing: Any = {"a": None, "b": None}
        of.rounds(kind, nothing, ops, seconds, most)
        return list(self.log)


def test_sides_take_turns_in_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    order, rounds = Order(monkeypatch), case()
    ops = {"a": 100, "b": 40}
    a, b = ("a", TIMED, 100), ("b", TIMED, 40)
    after_switch = [("a", WARMUP, 2), ("b", WARMUP, 2)]
    assert order.of(rounds, TIMED, ops, FOREVER, 4) == [*after_switch, a, b, b, a, a, b, b, a]
    # A later block goes on where this one ended, and without time there is one round of each side all the same.
    assert order.of(rounds, TIMED, ops, 0.0, 1_000) == [*after_switch, a, b]
    assert order.of(rounds, TIMED, ops, 0.0, 1_000) == [*after_switch, b, a]


def test_observed_rounds_are_armed_and_disarmed_and_have_turns_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    order, rounds = Order(monkeypatch), case()
    ops = {"a": 1, "b": 8}
    after_switch = [("a", WARMUP, 1), ("b", WARMUP, 2)]
    order.of(rounds, TIMED, ops, 0.0, 1)
    for kind, touch in ((OBSERVED, False), (TOUCHED, True)):
        a, b = ("a", kind, 1), ("b", kind, 8)
        armed = f"arm, touch={touch}"
        assert order.of(rounds, kind, ops, FOREVER, 1) == [armed, *after_switch, a, b, "disarm"]
        assert order.of(rounds, kind, ops, FOREVER, 1) == [armed, *after_switch, b, a, "disarm"]


def test_rounds_say_which_placement_they_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    order, rounds = Order(monkeypatch), case()
    rounds.placement = 7
    order.of(rounds, TIMED, {"a": 1, "b": 1}, FOREVER, 2)
    assert order.placements[2:] == [7] * 4


def test_observers_are_disarmed_when_a_statement_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    order = Order(monkeypatch)

    def raising(*_: Any) -> Round:
        raise SubjectError("raised", "a", "it did")

    monkeypatch.setattr(_case, "run_round", raising)
    with pytest.raises(SubjectError):
        order.of(case(), OBSERVED, {"a": 1, "b": 1}, 0.0, 1)
    assert order.log == ["arm, touch=False", "disarm"]


def blocks(
    monkeypatch: pytest.MonkeyPatch, seconds: float, placements: int, faults: float
) -> list[tuple[int, dict[str, int]]]:
    """The rounds that one placement gets: their kinds and operations."""
    log: list[tuple[int, dict[str, int]]] = []
    measured = case()
    measured.ops = {"a": 100_000, "b": 10}
    monkeypatch.setattr(measured, "rounds", lambda kind, _timed, ops, *_: log.append((kind, ops)))
    measured.measure({}, seconds, placements, {"a": 0.0, "b": faults})
    return log


@pytest.mark.parametrize("faults", [0.0, 50.0])
def test_each_block_of_timed_rounds_has_observed_ones_behind_it(monkeypatch: pytest.MonkeyPatch, faults: float) -> None:
    kinds = [TIMED, OBSERVED] + [TOUCHED] * (faults > 0)
    log = blocks(monkeypatch, FOREVER, 1, faults)
    assert [kind for kind, _ in log] == kinds * BLOCKS
    assert log[0][1] == {"a": 100_000, "b": 10}
    assert log[1][1] == {"a": OBSERVED_OPS, "b": 10}, "a run file has bounds"
    several = blocks(monkeypatch, FOREVER, PLACEMENTS, faults)
    assert [kind for kind, _ in several] == kinds * (BLOCKS // PLACEMENTS)


def test_a_placement_without_time_has_a_block_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [kind for kind, _ in blocks(monkeypatch, 0.0, PLACEMENTS, 0.0)] == [TIMED, OBSERVED]
    alone = [kind for kind, _ in blocks(monkeypatch, 0.0, 1, 0.0)]
    assert alone == [TIMED, OBSERVED] * (LEAST_BLOCKS + 1), "one placement needs rounds enough for an interval"


def test_a_setup_that_takes_long_is_repeated_less_often() -> None:
    def placements(setup_seconds: float) -> int:
        placed = case()
        placed.setup_seconds = setup_seconds
        return placed.placements(10.0)

    assert placements(0.0) == placements(0.01) == PLACEMENTS
    assert placements(SETUP_SHARE * 10.0 / 4) == 4
    assert placements(100.0) == 1


def test_the_padding_differs_from_placement_to_placement_and_side_to_side() -> None:
    assert padding(0, "a") == padding(0, "b") == 0
    all_of_them = [padding(placement, side) for placement in range(1, PLACEMENTS) for side in "ab"]
    assert len(set(all_of_them)) > PLACEMENTS
    assert all(0 < size < 64 << 10 and size % 16 == 0 for size in all_of_them)
    assert all_of_them == [padding(placement, side) for placement in range(1, PLACEMENTS) for side in "ab"]


def test_sides_are_set_up_in_turn() -> None:
    order: list[str] = []
    sides = {side: SideSpec(side, f"order.append({side!r})", "0") for side in "ab"}
    placed = case(**sides)
    # What a setup has to see of this test stands where every setup finds it.
    builtins.order = order  # type: ignore[attr-defined]
    try:
        for placed.placement in range(4):
            assert list(placed.subjects((3, 4))) == ["a", "b"], "who asks has them in one order"
    finally:
        del builtins.order  # type: ignore[attr-defined]
    assert "".join(order) == "abbaabba"


def test_a_round_stands_between_two_marks(tmp_path: Path) -> None:
    path = tmp_path / "run.rtrace"
    results = [object(), object()]

    def function(ops: int) -> tuple[int, list[Any]]:
        return 1_000 * ops, results

    _native.start_recording(path, 4 << 20, 1 << 20)
    try:
        done = run_round(3, "b", TIMED, function, 6, 9)
    finally:
        _native.finish_recording()
    assert (done.ops, done.wall_ns, done.ns_per_op) == (6, 6_000, 1_000)
    assert results == [], "what was kept dies after the round"
    first, last = (record[-1] for record in _native.read_recording(path)["records"] if record[1] == "mark")
    round_ = {"case": 3, "side": 1, "kind": "timed", "ops": 6}
    assert first == round_ | {"begin": {"placement": 9}}
    assert last == round_ | {"end": last["end"] | {"wall_ns": 6_000}}


# What a statement becomes.


@pytest.mark.parametrize(
    ("statement", "setup", "expected"),
    [
        ("a *= s", "a = np.ones(3)", True),
        ("r.scale(2.5)", "", False),
        ("seen.append(s)", "seen = []", True),
        ("a * s", "s = 3.0; a = 1.0", False),
        ("s = 2.0; a * s", "a = 1.0", False),
        ("s *= 2.0", "s = 1.0", False),
        ("s(4)", "def s(x): return x", False),
        ("s(4)", "from math import sqrt as s", False),
        ("s(4)", "globals()['s'] = abs", False),
    ],
)
def test_a_statement_in_place_alternates_where_the_side_has_no_s(statement: str, setup: str, expected: bool) -> None:
    made = subject(statement, setup)
    assert made.alternates is expected
    assert not subject(statement, setup, in_place=False).alternates


def test_a_setups_own_names_are_its_own_in_the_statement() -> None:
    setup = "_ = _i = _n = _results = _repeat = _raptors_n = range = enumerate = s = 7"
    statement = "[_, _i, _n, _results, _repeat, _raptors_n, range, enumerate, s]"
    for in_place in (False, True):
        made = subject(statement, setup, in_place=in_place)
        assert made.timed(keep=True)(3)[1] == [[7] * 9] * 3
        assert made.timed(keep=False)(2)[1] == []


def test_the_factor_is_a_name_of_operations_in_place_only() -> None:
    with pytest.raises(SubjectError) as raised:
        subject("s * 2.0", in_place=False).once()
    assert raised.value.text == "the statement of side A raised NameError: name 's' is not defined"
    assert raised.value.fix == "define `s` in --setup; only --in-place provides it, as the alternating factor"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_factor_alternates_from_operation_to_operation(n: int) -> None:
    made = subject("seen.append(s)", "seen = []")
    wall, results = made.timed(keep=False)(n)
    assert wall > 0
    assert results == []
    assert made.namespace["seen"] == list((FACTORS * 3)[:n])


@pytest.mark.parametrize("n", [2, 4])
def test_an_even_count_in_place_leaves_the_operand_as_it_was(n: int) -> None:
    made = subject("a *= s", "a = np.arange(3.0)")
    made.timed(keep=False)(n)
    assert made.namespace["a"].tolist() == [0.0, 1.0, 2.0]


def test_results_are_kept_in_their_order_or_dropped() -> None:
    setup = "count = 0"
    statement = "count += 1\ncount * 10"
    assert subject(statement, setup).timed(keep=True)(3)[1] == [10, 20, 30]
    assert subject(statement, setup).timed(keep=False)(3)[1] == []
    assert subject("s * 10", "").timed(keep=True)(3)[1] == [20.0, 5.0, 20.0]


def test_a_statement_without_a_value_keeps_nothing_and_still_runs() -> None:
    made = subject("seen.append(1); x = 2", "seen = []")
    assert made.timed(keep=True)(2)[1] == [None, None]
    assert made.namespace["seen"] == [1, 1]
    assert made.namespace["x"] == 2, "what it assigns is its namespace's, as in a notebook"


def test_once_gives_the_value_or_the_array_that_was_worked_on() -> None:
    assert subject("a + 1", "a = np.arange(2)").once().tolist() == [1, 2]
    assert subject("a *= s", "a = np.ones(2)").once().tolist() == [2.0, 2.0]
    assert subject("x = 1", "").once() is None


@pytest.mark.parametrize(
    ("statement", "setup", "expected"),
    [
        ("a * 2", "a = np.ones(shape)", True),
        ("np.ones(size)", "", True),
        ("a * 2", "a = np.ones(5)", False),
        ("a.shape", "a = np.ones(5)", False),
        # A name that the setup defines is its own.
        ("a * 2", "size = 5\na = np.ones(size)", False),
        ("np.ones(size)", "from math import pi as size", False),
        ("f()", "size = 5\ndef f(): return np.ones(size)", False),
        ("f(3)", "def f(size): return np.ones(size)", False),
        ("[size for size in (3, 4)]", "", False),
        # It reads the provided one before.
        ("a * 2", "size = size * 2\na = np.ones(size)", True),
        ("f()", "def f(): return np.ones(size)", True),
        ("[n for n in shape]", "", True),
        ("a * 2", "shape += (3,)\na = np.ones(shape)", True),
    ],
)
def test_a_side_is_sized_where_it_asks_for_the_size(statement: str, setup: str, expected: bool) -> None:
    assert Subject("a", "A", setup, statement, {}).sized is expected


def failure(statement: str, setup: str = "") -> SubjectError:
    with pytest.raises(SubjectError) as raised:
        subject(statement, setup).timed(keep=False)(1)
    return raised.value


def test_what_the_users_code_raises_is_told_with_its_own_traceback() -> None:
    error = failure("def f():\n    return 1 / 0\nf()")
    assert (error.kind, error.side) == ("raised", "a")
    assert error.text == "the statement of side A raised ZeroDivisionError: division by zero"
    assert "return 1 / 0" in error.detail
    assert "_subject.py" not in error.detail
    assert failure("1", "undefined").text == "the setup of side A raised NameError: name 'undefined' is not defined"
    assert failure("1 +").text.startswith("the statement of side A raised SyntaxError")
    assert failure("# nothing").kind == "empty"


def test_a_statement_can_neither_end_the_driver_nor_hide_a_lack_of_memory() -> None:
    assert failure("raise SystemExit").text == "the statement of side A raised SystemExit"
    lack = failure("raise MemoryError('17 TiB')")
    assert lack.kind == "memory"
    # The fix, a smaller --size, is the command's to give.
    assert lack.text == "the statement of side A ran out of memory: 17 TiB"
    with pytest.raises(KeyboardInterrupt):
        subject("raise KeyboardInterrupt").once()


# Whoever watches the rounds.


ONE_ROUND = """
from raptors_trace._case import Case
from raptors_trace._native import RoundKind
from raptors_trace._protocol import CaseSpec, SideSpec
from raptors_trace._rounds import run_round
sides = (SideSpec(name, "a = rng.random(shape)", "a * 2.5") for name in ("num=py", "b"))
case = Case(5, CaseSpec("custom", "kept", "float32", [3, 4], False, 1.0, False, False, False, *sides), None, False)
for name, subject in case.subjects(case.shape).items():
    run_round(5, name, RoundKind.TIMED, subject.timed(keep=True), 6)
"""


def test_a_round_is_a_span_that_names_its_side_and_case() -> None:
    environment = {**os.environ, "RAPTORS_LOG": "info", "NO_COLOR": "1"}
    command = [sys.executable, "-c", ONE_ROUND]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    spans = [line.split(" INFO ")[1] for line in done.stderr.splitlines()]
    fields = 'ops=6 kind="timed" case="custom float32 3 × 4 kept"'
    begin = "{}{{" + fields + ' name="{}"}}: raptors: '
    a, b = begin.format("side A", "num=py"), begin.format("side B", "b")
    assert [span.split(" time.busy")[0] for span in spans] == [f"{a}new", f"{a}close", f"{b}new", f"{b}close"]


def test_no_span_without_anybody_who_listens() -> None:
    environment = {**os.environ, "RAPTORS_LOG": "error"}
    command = [sys.executable, "-c", ONE_ROUND]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
