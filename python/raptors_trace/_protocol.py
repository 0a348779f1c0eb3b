"""What the command and its processes say to each other, and what the driver writes into the run file.

Each message is a dataclass with the fields of its JSON object; ``src/model/protocol.rs`` has the same types, and a test
reads one file of examples on both sides. Nothing is skipped: an unknown name, a missing field or a value of another
type is a `ProtocolError` that names it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

Message = TypeVar("Message")

VERSION = 2
"""Of these messages, as the spec has it: one more whenever one of them changes, or run files would be misread."""


class ProtocolError(Exception):
    """A message does not fit its type: the command and this package are of different versions."""

    def __init__(self, text: str) -> None:
        super().__init__(f"the command and the package raptors_trace do not fit each other: {text}")


# What the driver and the laboratory are told.


@dataclass
class SideSpec:
    """One side of a case."""

    name: str
    setup: str
    statement: str


@dataclass
class CaseSpec:
    """One comparison of two statements."""

    name: str
    results: str
    dtype: str
    shape: list[int]
    in_place: bool
    seconds: float
    allow_different: bool
    only_if_different: bool
    sampled: bool
    a: SideSpec
    b: SideSpec

    def side(self, side: str) -> SideSpec:
        """Side `a` or `b`."""
        return self.a if side == "a" else self.b


@dataclass
class Wait:
    """A stop at the start barrier, for so many seconds at most."""

    seconds: float | None


@dataclass
class SamplingSpec:
    """How stacks are sampled: by `inprocess` or `perf`, so often a second of CPU time, so many seconds a case."""

    engine: str
    frequency: int
    seconds: float


@dataclass
class Spec:
    """Everything that the driver does."""

    key: ClassVar = "spec"
    protocol: int
    recording: str
    limit_bytes: int
    ahead_bytes: int
    cases: list[CaseSpec]
    engines: list[str]
    wait: Wait | None
    tracers: list[str]
    sampling: SamplingSpec | None
    command: list[str]
    machine: dict[str, Any]
    warnings: list[str]


@dataclass
class Go:
    """Whether to go on: at the barrier, or once a tracer was to be started."""

    go: bool


@dataclass
class Pipes:
    """The named pipes by which perf is switched."""

    control: str
    acknowledged: str


@dataclass
class PerfStarted:
    """perf is at work, or there is none."""

    pipes: Pipes | None


@dataclass
class Observed:
    """What a tracer saw, as the command describes it; the run file gets it as it is."""

    key: ClassVar = "engine"
    engine: str
    version: str
    armed: bool
    why_not: str | None
    probes: int
    marks: int
    sites: list[int]
    left_out: list[str]
    warnings: list[str]
    counts: list[dict[str, Any]]
    spent: list[dict[str, Any]]


@dataclass
class SampledSide:
    """How one side was sampled."""

    side: int
    samples: int
    dropped: int
    cpu_ns: int


@dataclass
class Sampler:
    """What a sampler saw; the record is of the crate flamegraphs. Where it saw nothing, why."""

    engine: str
    outside: int
    troubles: list[str]
    sides: list[SampledSide]
    record: dict[str, Any] | None
    why_not: str | None
    why_no_python: str | None


@dataclass
class PerfEnded:
    """What perf saw."""

    sampler: Sampler


@dataclass
class LabSpec:
    """What a laboratory is started with: the switches of its process, and the case."""

    process: list[str]
    case: CaseSpec


@dataclass
class Passes:
    """Passes over its result that a side makes in addition."""

    side: str
    count: int
    in_place: bool


@dataclass
class ArmSpec:
    """One side with some switches thrown."""

    arm: int
    side: str
    switches: list[str]
    passes: Passes | None
    shape: list[int]


@dataclass
class SetUp:
    """Set these arms up, in an order that changes with the placement; none is warmed up where `round_ns` is 0."""

    do: ClassVar = "set_up"
    arms: list[ArmSpec]
    placement: int
    round_ns: int


@dataclass
class RunRounds:
    """Run one round of each of these arms, in this order."""

    do: ClassVar = "rounds"
    arms: list[int]


@dataclass
class Survey:
    """Say what can be seen of an arm's side without running it much."""

    do: ClassVar = "survey"
    arm: int


@dataclass
class Same:
    """Say whether two arms give the same value, roundings aside."""

    do: ClassVar = "same"
    arm: int
    other: int


@dataclass
class Drop:
    """Give up arms."""

    do: ClassVar = "drop"
    arms: list[int]


Question = SetUp | RunRounds | Survey | Same | Drop

# What they answer.


@dataclass
class Started:
    """The driver runs, and arms its observers."""

    event: ClassVar = "started"


@dataclass
class At:
    """Where the driver is: the case, what is done of it, and of how many blocks how many are done."""

    event: ClassVar = "case"
    case: int
    stage: str
    block: float = 0.0
    blocks: float = 0.0


@dataclass
class Failed:
    """The driver cannot go on: a stable word, the sentence, a traceback or nothing, and a fix or nothing."""

    event: ClassVar = "error"
    kind: str
    text: str
    detail: str = ""
    fix: str = ""


@dataclass
class Waiting:
    """The driver waits at its start barrier."""

    event: ClassVar = "waiting"
    pid: int
    seconds: float | None


@dataclass
class Ready:
    """The driver waits for the tracer of that number to be started on it."""

    event: ClassVar = "ready"
    tracer: int
    pid: int


@dataclass
class Traced:
    """The driver has run the rounds for that tracer."""

    event: ClassVar = "traced"
    tracer: int


@dataclass
class Sampling:
    """The driver waits for perf to be started on it."""

    event: ClassVar = "sampling"
    pid: int


@dataclass
class Sampled:
    """The driver has run the rounds for perf: begin and end in nanoseconds of the monotonic clock, and the side."""

    event: ClassVar = "sampled"
    blocks: list[list[int]]


@dataclass
class Interrupted:
    """The driver was interrupted and has ended its recording."""

    event: ClassVar = "interrupted"


@dataclass
class Finished:
    """The driver has ended its recording, which is whole."""

    event: ClassVar = "finished"


Event = Started | At | Failed | Waiting | Ready | Traced | Sampling | Sampled | Interrupted | Finished


@dataclass
class Done:
    """The laboratory has done what it was asked."""


@dataclass
class Armed:
    """An arm was set up: what each of its code and data switches changed, in words."""

    changed: dict[str, list[str]]
    sized: bool


@dataclass
class AllArmed:
    """The arms that were set up, in the order of the question, and the bytes that switches have replaced so far."""

    arms: list[Armed]
    kept_bytes: int


@dataclass
class RoundCost:
    """One round, per operation: nanoseconds of wall time and of CPU time, page faults."""

    ns: float
    cpu_ns: float
    faults: float


@dataclass
class RoundCosts:
    """The rounds, in the order of the question."""

    rounds: list[RoundCost]


@dataclass
class Seen:
    """What can be seen of a side."""

    denormals: list[str]
    threads_started: int
    python_threads: int
    ghz: float | None


@dataclass
class Difference:
    """How the values of two arms differ; nothing where they are the same."""

    difference: str | None


@dataclass
class Refused:
    """The laboratory could not do what it was asked: a sentence, and a traceback or nothing."""

    error: str
    detail: str


Answer = Done | AllArmed | RoundCosts | Seen | Difference | Refused

# What the driver writes into the run file.


@dataclass
class Clock:
    """Nanoseconds between two readings of the observers' clock with nothing between them."""

    key: ClassVar = "clock"
    read_ns: float


@dataclass
class NotArmed:
    """Something that an observer could not be armed for, and why."""

    what: str
    why: str


@dataclass
class Hooks:
    """How arming the observers went."""

    key: ClassVar = "hooks"
    not_armed: list[NotArmed]


@dataclass
class Blas:
    """A BLAS library, the extensions that import from it, and the threads that it would use."""

    library: str
    file: str
    linked_by: list[str]
    threads: int | None


@dataclass
class Facts:
    """The software."""

    key: ClassVar = "facts"
    python: str
    python_path: str | None
    numpy: str
    numpy_cpu_targets: list[str]
    raptors: str | None
    extension: str | None
    blas: list[Blas]
    allocator: str | None
    counters_why_not: str | None


@dataclass
class Warmup:
    """How a case's warm-up went, and how often its sides will be set up."""

    key: ClassVar = "warmup"
    case: int
    rounds: int
    settled: bool
    placements: int


@dataclass
class CaseEnd:
    """A case was run to its end, or left out; `no_unit`: why dispatch could not be measured."""

    key: ClassVar = "case"
    index: int
    skipped: str | None = None
    no_unit: str | None = None


@dataclass
class PerOperation:
    """Hardware counts of an operation."""

    cycles: float | None
    instructions: float | None
    cache_misses: float | None
    tlb_misses: float | None


@dataclass
class Counters:
    """Hardware counts of a case's side."""

    key: ClassVar = "counters"
    case: int
    side: int
    per_op: PerOperation


@dataclass
class Samples:
    """The stacks of a case."""

    key: ClassVar = "samples"
    case: int
    sampler: Sampler


@dataclass
class Note:
    """A warning that the command shows."""

    key: ClassVar = "warning"
    text: str


Document = Spec | Observed | Clock | Hooks | Facts | Warmup | CaseEnd | Counters | Samples | Note

# How they are read and written.


def line_of(message: Event | Answer | Document) -> str:
    """A message as one line of JSON."""
    tag = {"event": message.event} if hasattr(message, "event") else {}
    return json.dumps({**tag, **vars(message)}, default=vars, ensure_ascii=False)


def read(kind: type[Message], line: str | bytes) -> Message:
    """The message of this kind in a line of JSON."""
    message: Message = _value(kind, _object(line), kind.__name__)
    return message


def read_question(line: str | bytes) -> Question:
    """A question to the laboratory."""
    value = _object(line)
    do = value.pop("do", None)
    for kind in get_args(Question):
        if kind.do == do:
            question: Question = _value(kind, value, str(do))
            return question
    raise ProtocolError(f"the laboratory is asked to `{do}`, which it does not know")


def _object(line: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ProtocolError(f"a message is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ProtocolError(f"a message is {_named(type(value))} instead of an object")
    return value


def _value(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the type ``hint`` has it."""
    of = get_args(hint)
    if hint is Any or (get_origin(hint) is UnionType and value is None and NoneType in of):
        return value
    if get_origin(hint) is UnionType:
        return _value(of[0], value, where)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return _message(hint, value, where)
    expected = get_origin(hint) or hint
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise ProtocolError(f"{where} is {_named(type(value))} instead of {_named(expected)}")
    if expected is list:
        return [_value(of[0], item, f"{where}[{index}]") for index, item in enumerate(value)]
    if expected is dict:
        return {name: _value(of[1], item, f"{where}.{name}") for name, item in value.items()}
    return value


def _message(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints = _fields(kind)
    for name in value:
        if name not in hints:
            raise ProtocolError(f"{where} has the unknown field `{name}`")
    for name in hints:
        if name not in value:
            raise ProtocolError(f"{where} is without its field `{name}`")
    return kind(**{name: _value(hint, value[name], f"{where}.{name}") for name, hint in hints.items()})


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _named(kind: type) -> str:
    if dataclasses.is_dataclass(kind):
        return "an object"
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", NoneType: "null"}
    return names.get(kind, "a whole number" if kind is int else "a number")
