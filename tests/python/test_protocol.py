"""The messages between the command and its processes: both sides read one file of examples, and skip nothing."""

import copy
import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from raptors_trace import _protocol, _switches
from raptors_trace._protocol import ProtocolError, line_of, read, read_question

EXAMPLES = json.loads((Path(__file__).parents[1] / "protocol.json").read_text())
MESSAGES: dict[str, dict[str, Any]] = EXAMPLES["messages"]
QUESTIONS = get_args(_protocol.Question)


def kind_of(name: str) -> Any:
    """The message of that name."""
    return getattr(_protocol, name)


def read_example(name: str, value: dict[str, Any]) -> Any:
    """A message as the process that gets it reads it."""
    kind = kind_of(name)
    if kind in QUESTIONS:
        return read_question(json.dumps(value))
    value = dict(value)
    if hasattr(kind, "event"):
        assert value.pop("event") == kind.event
    return read(kind, json.dumps(value))


def test_there_is_an_example_of_every_message() -> None:
    kinds = (value for value in vars(_protocol).values() if dataclasses.is_dataclass(value))
    assert {kind.__name__ for kind in kinds} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read_and_written_as_the_command_does(name: str) -> None:
    made = read_example(name, MESSAGES[name])
    assert type(made) is kind_of(name)
    tag = {"do": made.do} if hasattr(made, "do") else {}
    assert {**tag, **json.loads(line_of(made))} == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_field_that_is_unknown_or_missing_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ProtocolError, match="unknown field `unheard_of`"):
        read_example(name, {**MESSAGES[name], "unheard_of": 1})
    for field in dataclasses.fields(kind_of(name)):
        without = {key: value for key, value in MESSAGES[name].items() if key != field.name}
        with pytest.raises(ProtocolError, match=f"without its field `{field.name}`"):
            read_example(name, without)


@pytest.mark.parametrize(
    ("name", "field", "wrong", "told"),
    [
        ("Clock", "read_ns", "20", "Clock.read_ns is a text instead of a number"),
        ("Warmup", "rounds", 1.5, "Warmup.rounds is a number instead of a whole number"),
        ("Warmup", "settled", 1, "Warmup.settled is a whole number instead of a truth value"),
        ("Warmup", "settled", None, "Warmup.settled is null instead of a truth value"),
        ("Spec", "cases", {}, "Spec.cases is an object instead of a list"),
        ("Spec", "command", [1], r"Spec.command\[0\] is a whole number instead of a text"),
        ("Spec", "wait", 3, "Spec.wait is a whole number instead of an object"),
        ("Armed", "changed", {"aligned": "x"}, "Armed.changed.aligned is a text instead of a list"),
    ],
)
def test_a_value_of_another_type_is_an_error_that_names_its_place(name: str, field: str, wrong: Any, told: str) -> None:
    with pytest.raises(ProtocolError, match=told):
        read_example(name, {**MESSAGES[name], field: wrong})


def test_what_is_wrong_deep_inside_is_named_by_its_place() -> None:
    spec = copy.deepcopy(MESSAGES["Spec"])
    del spec["cases"][0]["a"]["setup"]
    with pytest.raises(ProtocolError, match=r"Spec.cases\[0\].a is without its field `setup`"):
        read_example("Spec", spec)


def test_a_question_that_is_unknown_and_a_line_that_is_no_object_are_errors() -> None:
    for line, told in [('{"do": "seek"}', "`seek`"), ("{}", "`None`"), ("[1]", "a list"), ("{", "not JSON")]:
        with pytest.raises(ProtocolError, match=told):
            read_question(line)


# The registry of switches.


def test_both_sides_have_the_same_switches_at_the_same_levels() -> None:
    assert {name: switch.levels for name, switch in _switches.SWITCHES.items()} == EXAMPLES["switches"]


def test_a_switch_that_is_unknown_or_at_another_level_is_an_error() -> None:
    for name in ("no_copys", "one_thread"):
        with pytest.raises(ProtocolError, match=f"`{name}` is no switch of a process"):
            _switches.of_process(name)
    for name in ("no_copys", "one_cpu"):
        with pytest.raises(ProtocolError, match=f"`{name}` is no switch of a side"):
            _switches.of_arm(name)


def answers(module: str, *lines: Any) -> tuple[list[dict[str, Any]], int]:
    """What a process of the command answers to these lines, and its exit code."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    command = [sys.executable, "-P", "-m", f"raptors_trace.{module}"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return [json.loads(line) for line in io.StringIO(done.stdout)], done.returncode


def test_the_laboratory_says_that_a_switch_or_a_question_is_unknown_and_goes_on() -> None:
    case = MESSAGES["CaseSpec"]
    arm = {"arm": 0, "side": "a", "switches": ["no_copys"], "passes": None, "shape": [2, 2]}
    asked = {"do": "set_up", "arms": [arm], "placement": 0, "round_ns": 0}
    told, code = answers("_lab", {"process": [], "case": case}, asked, {"do": "seek"}, {"do": "drop", "arms": []})
    assert [list(answer) for answer in told] == [[], ["error", "detail"], ["error", "detail"], []]
    assert "`no_copys` is no switch of a side" in told[1]["error"]
    assert "`seek`" in told[2]["error"]
    assert code == 0
    told, _ = answers("_lab", {"process": ["two_cpus"], "case": case})
    assert "`two_cpus` is no switch of a process" in told[0]["error"]


def test_the_driver_says_that_its_spec_is_another_versions() -> None:
    told, code = answers("_driver", {**MESSAGES["Spec"], "colour": "green"})
    assert code == 3
    (failed,) = told
    assert (failed["event"], failed["kind"]) == ("error", "protocol")
    assert failed["text"].endswith("do not fit each other: Spec has the unknown field `colour`")
    assert "pip install" in failed["fix"]
