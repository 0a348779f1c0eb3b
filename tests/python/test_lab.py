"""The laboratory of explain: rounds of an arm, and what of their time counts."""

import pytest

from raptors_trace import _lab


def arm(setup: str, statement: str) -> _lab.Arm:
    given = {"name": "A", "setup": setup, "statement": statement}
    return _lab.Arm("a", {"a": given, "dtype": "float32"}, [], 0, [4, 4])


def test_time_that_others_had_the_processor_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = arm("pass", "sum(range(1000))")
    had = iter([5_000, 6_000])
    monkeypatch.setattr(_lab.time, "thread_time_ns", lambda: next(had))
    monkeypatch.setattr(_lab, "waits_of_this_thread", lambda: 7)
    wall, _, _ = made.round(100)
    assert wall == 1_000


def test_time_that_a_side_waits_is_its_own() -> None:
    made = arm("import time", "time.sleep(0.002)")
    before = _lab.waits_of_this_thread()
    wall, cpu, _ = made.round(3)
    after = _lab.waits_of_this_thread()
    assert before is None or (after is not None and after > before)
    assert wall >= 6_000_000 > cpu


def test_a_round_is_filled_and_a_long_operation_has_one_of_its_own() -> None:
    short = arm("pass", "None")
    short.warm_up(1_000_000)
    assert short.ops > 100
    assert not short.is_long
    long = arm("import time\ncalls = []", "calls.append(time.sleep(0.003))")
    long.warm_up(1_000_000)
    calls = long.subject.namespace["calls"]
    assert (long.ops, long.is_long) == (1, True)
    # The one of the first round, the one before it, and one more.
    assert len(calls) == 3
    before = len(calls)
    long.round(1)
    assert len(calls) == before + 1
