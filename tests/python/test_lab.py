"""The laboratory of explain: rounds of an arm, and what of their time counts."""

import pytest

from raptors_trace import _lab
from raptors_trace._protocol import ArmSpec, CaseSpec, Drop, SetUp, SideSpec
from raptors_trace._subject import SubjectError


def case(setup: str, statement: str) -> CaseSpec:
    side = SideSpec("A", setup, statement)
    return CaseSpec("custom", "dropped", "float32", [4, 4], False, 1.0, False, False, False, side, side)


def arm(setup: str, statement: str) -> _lab.Arm:
    return _lab.Arm(case(setup, statement), ArmSpec(0, "a", [], None, [4, 4]), 0)


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


def test_the_arm_that_is_set_up_first_is_another_from_placement_to_placement() -> None:
    order: list[int] = []
    lab = _lab.Lab(case("size_of = shape", "None"))
    specs = [ArmSpec(number, side, [], None, [number]) for number, side in ((7, "a"), (8, "b"))]

    class Noted(dict):
        def __setitem__(self, number, made):
            order.append(number)
            super().__setitem__(number, made)

    lab.arms = Noted()
    for placement in range(2):
        armed = lab.answer(SetUp(specs, placement, 0))
        assert [one.sized for one in armed.arms] == [True, True]
        lab.answer(Drop([7, 8]))
    assert order == [7, 8, 8, 7]


def test_a_side_that_cannot_be_set_up_is_told_and_the_others_stay() -> None:
    lab = _lab.Lab(case("if shape == (2,): raise ValueError('two')", "None"))
    lab.answer(SetUp([ArmSpec(0, "a", [], None, [1])], 0, 0))
    with pytest.raises(SubjectError, match="two"):
        lab.answer(SetUp([ArmSpec(1, "b", [], None, [2])], 0, 0))
    assert list(lab.arms) == [0]
