"""The driver: one process that sets both sides up, checks, warms up and runs the rounds.

``python -m raptors_trace._driver`` reads one JSON document from standard input (``src/run/spec.rs`` is its other
end) and writes progress to standard output, one JSON object a line. What is measured goes into the run file only:
marks by this module, calls by the observers. A statement's own output is sent to standard error.

Timing rounds run without any observer. Observed rounds, and rounds whose result memory is touched ahead, stand
between them, so that a drift of the machine meets all kinds alike.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import statistics
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raptors_trace import _facts, _native
from raptors_trace._native import RoundKind
from raptors_trace._perf import Perf
from raptors_trace._process import leave, search_here_last, take_output
from raptors_trace._subject import (
    SEED,
    SIDES,
    Subject,
    SubjectError,
    Timed,
    first_difference,
    names_of_a_setup,
    padding,
)

WARMUP, TIMED, OBSERVED, TOUCHED = RoundKind.WARMUP, RoundKind.TIMED, RoundKind.OBSERVED, RoundKind.TOUCHED
UNIT_TIMED, UNIT_OBSERVED, CONTROL = RoundKind.UNIT_TIMED, RoundKind.UNIT_OBSERVED, RoundKind.CONTROL
TRACED, UNIT_TRACED = RoundKind.TRACED, RoundKind.UNIT_TRACED
SAMPLED, UNSAMPLED = RoundKind.SAMPLED, RoundKind.UNSAMPLED

ROUND_NS = 8_000_000
"""A round lasts about this long: long against a clock read, short against a drift of the machine."""
KEPT_BYTES = 256 << 20
"""Results kept alive at once."""
WARMUP_ROUNDS = (4, 60)
WARMUP_SHARE = 0.5
"""At least and at most so many, and no longer than this share of the case's time."""
PLACEMENTS = 12
"""Times that the sides are set up anew, at other addresses: how arrays lie to cache lines, pages and each other moves
times by more than any round does, and an interval that knows one placement only would not hold for the next run."""
SETUP_SHARE = 0.5
"""Of a case's time, what setting up anew may take; setups that are long are repeated less often."""
BLOCKS = 24
"""Blocks of timed rounds, over all placements, each with one observed round of each side after it, so that both kinds
meet the same state of the machine, the caches and the allocator."""
OBSERVED_OPS = 2_000
"""Operations of an observed round at most: enough for a median over the blocks, few enough for a small run file."""
LEAST_BLOCKS = 6
"""Enough for a median and its interval, where operations are so long that a block outlasts its time."""
COUNTED_ROUNDS = 5
COUNTERS = ("cycles", "instructions", "cache_misses", "tlb_misses")
UNIT_NS = 60_000_000
CONTROL_OPS = 3
TRACED_OPS = 10
UNIT_TRACED_OPS = 200
"""Operations of the rounds that a tracer watches: its counts are exact, however few."""
UNSAMPLED_EVERY = 4
"""Of the sampled rounds, one in so many runs without samples: what sampling costs is what they differ by."""

OBSERVING = {TIMED: None, OBSERVED: False, TOUCHED: True, UNIT_TIMED: None, UNIT_OBSERVED: False}


@dataclass
class Round:
    """What one block of operations of one side cost."""

    ops: int
    wall_ns: int
    faults: int

    @property
    def ns_per_op(self) -> float:
        return self.wall_ns / self.ops

    @property
    def faults_per_op(self) -> float:
        return self.faults / self.ops


class Progress:
    """Tells the command where the run is, on a copy of standard output that statements cannot write to."""

    def __init__(self) -> None:
        self._stream = take_output()
        self._pid = os.getpid()

    def say(self, event: str, **values: Any) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # a statement forked, and its child came back here: there is one driver
        try:
            self._stream.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")
            self._stream.flush()
        except OSError:
            os._exit(1)  # the command is gone, and with it whoever would want to know


def run_round(case: int, side: str, kind: RoundKind, function: Timed, ops: int, placement: int = 0) -> Round:
    """Runs one round between two marks. Results that were kept die after the second mark."""
    # In timed rounds too, though nobody asks there: reading /proc leaves traces in the caches, and what precedes a
    # round has to be the same for those that are set against each other.
    count_threads = kind in (TIMED, OBSERVED, TOUCHED, CONTROL)
    busy = _facts.thread_times() if count_threads else {}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = time.process_time_ns()
    _native.begin_round(case, SIDES[side], kind, ops, placement)
    wall, results = function(ops)
    cpu = time.process_time_ns() - cpu
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - usage.ru_minflt
    active = _facts.active_threads(busy, wall) if count_threads else 0
    _native.end_round(case, SIDES[side], kind, ops, wall_ns=wall, cpu_ns=cpu, faults=faults, threads=active)
    results.clear()
    return Round(ops, wall, faults)


def value_bytes(value: Any) -> int:
    """Bytes of a result, as far as it says."""
    return int(getattr(value, "nbytes", 0) or 0)


class Case:
    """One comparison of two statements at one dtype and shape, results dropped or kept."""

    def __init__(
        self,
        index: int,
        spec: dict[str, Any],
        progress: Progress,
        counting: bool,
        sampling: dict[str, Any] | None = None,
        commands: Commands | None = None,
    ) -> None:
        self.counting = counting
        self.sampling = sampling if spec.get("sampled", True) else None
        self.commands = commands
        self.index = index
        self.spec = spec
        self.progress = progress
        self.keep = spec["results"] == "kept"
        self.shape = tuple(spec["shape"])
        self.ops = {"a": 1, "b": 1}
        self.result_bytes = {"a": 0, "b": 0}
        self.alternating = {"a": False, "b": False}
        self.turns: Counter[int] = Counter()
        self.placement = 0
        self.setup_seconds = 0.0
        self.skipped = False
        lengths = " × ".join(map(str, self.shape))
        words = (spec["name"], spec["dtype"] if self.shape else "", lengths, "kept" if self.keep else "")
        # For who watches the rounds from outside: the run file has the names in its spec.
        _native.name_case(index, " ".join(filter(None, words)), spec["a"]["name"], spec["b"]["name"])

    def subjects(self, shape: tuple[int, ...]) -> dict[str, Subject]:
        """Both sides, each in a namespace of its own, with the same random numbers."""
        started = time.perf_counter()
        sides = self._set_up(shape)
        self.setup_seconds = time.perf_counter() - started
        return sides

    def _set_up(self, shape: tuple[int, ...]) -> dict[str, Subject]:
        sides = {}
        # What is set up first takes the memory that was freed first: neither side is to have it in every placement.
        for side in ("a", "b") if self.placement % 2 == 0 else ("b", "a"):
            given = self.spec[side]
            namespace = names_of_a_setup(shape, self.spec["dtype"], padding(self.placement, side))
            sides[side] = Subject(side, given["name"], given["setup"], given["statement"], namespace)
            sides[side].set_up()
        return {side: sides[side] for side in ("a", "b")}

    def check(self) -> None:
        """Both statements give the same value, or the run stops with the first difference."""
        subjects = self.subjects(self.shape)
        values = {side: subject.once() for side, subject in subjects.items()}
        self.result_bytes = {side: value_bytes(value) for side, value in values.items()}
        difference = first_difference(values["a"], values["b"])
        if difference is None:
            return
        where = f" at {self.spec['dtype']} {' × '.join(map(str, self.shape))}" if self.shape else ""
        if not self.spec["allow_different"]:
            raise SubjectError("different", "both", f"the sides give different values{where}: {difference}")
        note("warning", f"the sides give different values{where} (allowed by --allow-different): {difference}")

    def run(self, seconds: float, before: dict[str, float]) -> dict[str, float]:
        """The whole case: check, warm-up, rounds of every kind, and the same statements at size 1.

        ``before`` is what this returned for the case before: the page faults of an operation once they had settled.
        """
        self.say("checking")
        if not self.keep:
            self.check()
        subjects = self.subjects(self.shape)
        self.alternating = {side: subject.alternates for side, subject in subjects.items()}
        timed = {side: subject.timed(self.keep) for side, subject in subjects.items()}
        if self.keep:
            self.result_bytes = {side: value_bytes(subject.once()) for side, subject in subjects.items()}
        self.say("warming up")
        faults = self.warm_up(timed, seconds * WARMUP_SHARE)
        if self.keep and self.spec.get("only_if_different") and not differ(before, faults):
            _native.document("case", json.dumps({"index": self.index, "skipped": "same page faults as dropped"}))
            self.skipped = True
            self.say("skipped")
            return faults
        placements = self.placements(seconds)
        for self.placement in range(placements):
            if self.placement > 0:
                timed.clear()
                for subject in subjects.values():
                    subject.tear_down()
                subjects = self.subjects(self.shape)
                timed = {side: subject.timed(self.keep) for side, subject in subjects.items()}
                for side in ("a", "b"):
                    run_round(self.index, side, WARMUP, timed[side], self.ops[side])
            self.measure(timed, seconds, placements, faults)
        if self.counting:
            self.count(timed)
        if self.sampling is not None:
            self.sample(timed, self.sampling)
        timed.clear()
        for subject in subjects.values():
            subject.tear_down()
        self.unit()
        _native.document("case", json.dumps({"index": self.index, "done": True}))
        self.say("done")
        return faults

    def trace(self, number: int) -> None:
        """Rounds that a tracer watches from outside, at full size and on one element."""
        unit = (1,) * len(self.shape)
        for shape, kind, ops in ((self.shape, TRACED, TRACED_OPS), (unit, UNIT_TRACED, UNIT_TRACED_OPS)):
            subjects = self.subjects(shape)
            if kind == UNIT_TRACED and not all(subject.sized for subject in subjects.values()):
                return
            if self.keep:
                ops = max(2, min(ops, KEPT_BYTES // max(*self.result_bytes.values(), 1)))
            for side, subject in subjects.items():
                function = subject.timed(self.keep)
                run_round(self.index, side, WARMUP, function, 2)
                run_round(self.index, side, kind, function, ops, number)
                subject.tear_down()

    def say(self, stage: str, **values: Any) -> None:
        self.progress.say("case", case=self.index, stage=stage, **values)

    def warm_up(self, timed: dict[str, Timed], seconds: float) -> dict[str, float]:
        """Runs rounds until page faults and times settle; finds the operations that fill a round."""
        least, most = WARMUP_ROUNDS
        history: dict[str, list[Round]] = {"a": [], "b": []}
        deadline = time.perf_counter() + seconds
        rounds, settled = 0, False
        while rounds < most and not settled:
            for side in ("a", "b"):
                done = run_round(self.index, side, WARMUP, timed[side], self.ops[side])
                self.resize(side, done)
                history[side].append(done)
            rounds += 1
            settled = rounds >= least and all(settles(history[side]) for side in history)
            if rounds >= least and time.perf_counter() > deadline:
                break
        faults = {side: statistics.median(r.faults_per_op for r in history[side][-3:]) for side in history}
        document = {"case": self.index, "rounds": rounds, "settled": settled, "ops": self.ops}
        _native.document("warmup", json.dumps(document))
        return faults

    def resize(self, side: str, done: Round) -> None:
        """Grows or shrinks a round towards ROUND_NS, within the memory that kept results may take."""
        wanted = max(1, min(int(ROUND_NS / max(done.ns_per_op, 1.0)), done.ops * 16, 200_000))
        if self.keep:
            wanted = min(wanted, max(2, KEPT_BYTES // max(self.result_bytes[side], 1)))
        # An even count, because a statement in place alternates between two factors.
        self.ops[side] = wanted + (wanted & 1) if wanted > 1 or self.keep else 1
        if wanted == 1 and self.alternating[side]:
            self.ops[side] = 2

    def placements(self, seconds: float) -> int:
        """How often the sides are set up: once where a setup takes long."""
        affordable = SETUP_SHARE * seconds / max(self.setup_seconds, 1e-6)
        count = max(1, min(PLACEMENTS, int(affordable)))
        document = {"case": self.index, "placements": count}
        _native.document("warmup", json.dumps(document))
        return count

    def measure(self, timed: dict[str, Timed], seconds: float, placements: int, faults: dict[str, float]) -> None:
        """One placement's blocks: timed rounds with observed rounds between, touched ones where there are faults."""
        faulting = any(value >= 1.0 for value in faults.values())
        few = {side: min(self.ops[side], OBSERVED_OPS) for side in self.ops}
        blocks = max(1, BLOCKS // placements)
        deadline = time.perf_counter() + seconds / placements * (2.0 + faulting)
        for block in range(blocks):
            self.say("measuring", block=self.placement * blocks + block, blocks=placements * blocks)
            self.rounds(TIMED, timed, self.ops, seconds / placements / blocks, 1_000)
            self.rounds(OBSERVED, timed, few, 0.0, 1)
            if faulting:
                self.rounds(TOUCHED, timed, few, 0.0, 1)
            if time.perf_counter() > deadline and (placements > 1 or block >= LEAST_BLOCKS):
                break

    def rounds(self, kind: RoundKind, timed: dict[str, Timed], ops: dict[str, int], seconds: float, most: int) -> None:
        """Rounds of one kind, sides in turn, the first side changing from round to round: at least one of each side."""
        observing = OBSERVING[kind]
        if observing is not None:
            _native.arm(touch=observing)
        try:
            # The first round after a switch of the observers runs through cold code: it is not counted.
            for side in ("a", "b"):
                run_round(self.index, side, WARMUP, timed[side], min(ops[side], 2))
            deadline = time.perf_counter() + seconds
            for _ in range(most):
                self.turns[kind] += 1
                for side in ("a", "b") if self.turns[kind] % 2 else ("b", "a"):
                    run_round(self.index, side, kind, timed[side], ops[side], self.placement)
                if time.perf_counter() > deadline:
                    break
        finally:
            if observing is not None:
                _native.disarm()

    def count(self, timed: dict[str, Timed]) -> None:
        """Unobserved rounds between two readings of the hardware counters."""
        for side in ("a", "b"):
            before = _native.read_counters()
            for _ in range(COUNTED_ROUNDS):
                run_round(self.index, side, WARMUP, timed[side], self.ops[side])
            operations = COUNTED_ROUNDS * self.ops[side]
            per_op = {
                name: (after - first) / operations
                for name, first, after in zip(COUNTERS, before, _native.read_counters(), strict=True)
                if first is not None and after is not None
            }
            document = {"case": self.index, "side": SIDES[side], "per_op": per_op}
            _native.document("counters", json.dumps(document))

    def sample(self, timed: dict[str, Timed], sampling: dict[str, Any]) -> None:
        """Rounds of both sides in turn under one sampler; what it saw goes into the run file, or why it saw nothing."""
        self.say("sampling")
        try:
            if sampling["engine"] == "perf" and self.commands is not None:
                rounds, document = self.sampled_by_perf(timed, sampling["seconds"], self.commands)
            else:
                _native.start_sampling(sampling["frequency"])
                rounds = self.sampled(timed, sampling["seconds"], under_sampler)
                document = json.loads(_native.finish_sampling())
        except RuntimeError as error:
            rounds, document = 0, {"why_not": str(error)}
        _native.document("samples", json.dumps({"case": self.index, "rounds": rounds, **document}))

    def sampled_by_perf(
        self, timed: dict[str, Timed], seconds: float, commands: Commands
    ) -> tuple[int, dict[str, Any]]:
        """The rounds under perf, which the command runs: ready, go, rounds, done; how many, and what perf saw."""
        self.progress.say("sampling", pid=os.getpid())
        answer = commands.next()
        rounds, blocks, why_not = 0, [], None
        if answer.get("go"):
            perf = Perf(answer["control"], answer["acknowledged"])
            blocks = perf.blocks
            try:
                rounds = self.sampled(timed, seconds, perf.timed, perf.switch)
            except RuntimeError as error:
                why_not = str(error)
            finally:
                perf.close()
        # Said in any case: the command waits for it, and ends perf.
        self.progress.say("sampled", blocks=blocks)
        document = dict(commands.next()["document"])
        return rounds, document if why_not is None else {"why_not": why_not}

    def sampled(
        self,
        timed: dict[str, Timed],
        seconds: float,
        under: Callable[[Timed, str], Timed],
        switch: Callable[[bool], None] | None = None,
    ) -> int:
        """Runs the rounds while the sampler is on; how many of each side.

        ``under`` gives the samples that are taken while a function runs to a side; ``switch`` turns the sampler off and
        on, where it does not go with ``under``.
        """
        deadline = time.perf_counter() + seconds
        started = time.perf_counter()
        rounds = 0
        while rounds < UNSAMPLED_EVERY or time.perf_counter() < deadline:
            rounds += 1
            kind = SAMPLED if rounds % UNSAMPLED_EVERY else UNSAMPLED
            if kind == UNSAMPLED and switch is not None:
                switch(False)
            # An unsampled round has the order of the sampled one before it: what a side finds in the caches is what the
            # side before has left there.
            for side in ("a", "b") if (rounds - 1) // UNSAMPLED_EVERY % 2 else ("b", "a"):
                function = under(timed[side], side) if kind == SAMPLED else timed[side]
                run_round(self.index, side, kind, function, self.ops[side])
            if kind == UNSAMPLED and switch is not None:
                switch(True)
            if rounds % 64 == 0:
                self.say("sampling", block=time.perf_counter() - started, blocks=seconds)
        return rounds

    def unit(self) -> None:
        """The same statements on one element: what is left there of an operation is its dispatch."""
        subjects = None
        try:
            subjects = self.subjects((1,) * len(self.shape))
            if not all(subject.sized for subject in subjects.values()):
                raise SubjectError("unsized", "both", "the setup does not use `shape` or `size`")
            timed = {side: subject.timed(self.keep) for side, subject in subjects.items()}
            ops = {"a": 1_000, "b": 1_000}
            for side in ("a", "b"):
                done = run_round(self.index, side, WARMUP, timed[side], ops[side])
                ops[side] = max(2, min(int(2_000_000 / max(done.ns_per_op, 1.0)) & ~1, 20_000))
        except SubjectError as error:
            why = f"dispatch was not measured for {self.spec['name']}: {error.text}"
            _native.document("warmup", json.dumps({"case": self.index, "no_unit": why}))
            return
        self.say("dispatch")
        for _ in range(2):
            self.rounds(UNIT_TIMED, timed, ops, UNIT_NS / 1e9, 15)
            few = {side: min(ops[side], 500) for side in ops}
            self.rounds(UNIT_OBSERVED, timed, few, UNIT_NS / 1e9, 10)


def under_sampler(function: Timed, side: str) -> Timed:
    """Gives the samples that are taken while ``function`` runs to this side."""

    def timed(ops: int) -> tuple[int, list[Any]]:
        _native.sample(SIDES[side])
        try:
            return function(ops)
        finally:
            _native.sample(None)

    return timed


def differ(dropped: dict[str, float], kept: dict[str, float]) -> bool:
    """Whether keeping the results changes the page faults of an operation on either side."""
    return any(abs(kept[side] - dropped.get(side, 0.0)) > 1.0 for side in kept)


def settles(rounds: list[Round]) -> bool:
    """The last three rounds fault alike and take about the time of the three before."""
    if len(rounds) < 6 or rounds[-1].ops != rounds[-3].ops:
        return False
    late, early = rounds[-3:], rounds[-6:-3]
    faults = [r.faults_per_op for r in late]
    alike = max(faults) - min(faults) <= max(1.0, 0.02 * max(faults))
    times = statistics.median(r.ns_per_op for r in late), statistics.median(r.ns_per_op for r in early)
    return alike and abs(times[0] - times[1]) <= 0.05 * times[1]


def complain(reports: dict[str, Any]) -> None:
    """Warns of observers that could not be armed at all; single call sites are in the document `hooks`."""
    for hook, report in reports.items():
        if "error" in report:
            note("warning", f"the observer of {hook} could not be armed: {report['error']}")


def note(key: str, text: str) -> None:
    """A warning or an error that the command shows."""
    _native.document(key, json.dumps({"text": text}))


class Commands:
    """What the command tells the driver while it runs: a JSON object a line, on standard input."""

    def __init__(self) -> None:
        self._stream = sys.stdin.buffer

    def fileno(self) -> int:
        """What can be waited for."""
        return self._stream.fileno()

    def next(self) -> dict[str, Any]:
        """The next one. KeyboardInterrupt where the command is gone: nobody is left to say when to go on."""
        line = self._stream.readline()
        if not line:
            raise KeyboardInterrupt
        return dict(json.loads(line))


def barrier(cases: list[Case], wait: dict[str, Any], progress: Progress, commands: Commands) -> None:
    """Stops after imports and warm-up, until somebody who wanted to attach a tool says that it is time.

    That is the command (Enter), SIGUSR1, or the end of ``wait["seconds"]`` where that is a number.
    """
    for case in cases:
        for side, subject in case.subjects(case.shape).items():
            run_round(case.index, side, WARMUP, subject.timed(keep=False), 2)
            subject.tear_down()
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    bell = signal.set_wakeup_fd(woken)
    try:
        progress.say("waiting", pid=os.getpid(), seconds=wait["seconds"])
        deadline = None if wait["seconds"] is None else time.monotonic() + wait["seconds"]
        while deadline is None or time.monotonic() < deadline:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            both: list[Any] = [commands, wake]
            ready, _, _ = select.select(both, [], [], left)
            if commands in ready:
                commands.next()
                break
            if wake in ready and signal.SIGUSR1 in os.read(wake, 64):
                break
    finally:
        signal.set_wakeup_fd(bell)
        signal.signal(signal.SIGUSR1, before)
        os.close(wake)
        os.close(woken)


def traced(cases: list[Case], number: int, progress: Progress, commands: Commands) -> None:
    """Rounds for the tracer of that number: ready, go, rounds of every case and of the control, done.

    The tracer tells the rounds apart by the probes that `run_round` fires, so setting up and warming up may go on under
    it unseen. What it saw comes back as a document, which belongs into the run file.
    """
    progress.say("ready", tracer=number, pid=os.getpid())
    if commands.next().get("go"):
        for case in cases:
            if not case.skipped:
                case.trace(number)
        # Once unseen, so that OpenBLAS's own start is not counted.
        subject = control_subject().timed(keep=False)
        run_round(len(cases), "a", WARMUP, subject, 1)
        run_round(len(cases), "a", TRACED, subject, CONTROL_OPS, number)
    progress.say("traced", tracer=number)
    _native.document("engine", json.dumps(commands.next()["document"]))


def control_subject() -> Subject:
    """What the positive control runs."""
    import numpy as np

    a = np.random.default_rng(SEED).random((64, 64), dtype=np.float32)
    namespace = {"a": a, "__name__": "__raptors_trace__"}
    return Subject("a", "control", "", "a @ a", namespace)


def control(index: int) -> dict[str, Any]:
    """Runs the positive control: the observers must see the BLAS call of ``a @ a``.

    Returns what arming them reported.
    """
    subject = control_subject()
    reports = _native.arm(touch=False)
    try:
        run_round(index, "a", CONTROL, subject.timed(keep=False), CONTROL_OPS)
    finally:
        _native.disarm()
    return reports


def run(spec: dict[str, Any], progress: Progress, commands: Commands) -> None:
    """Everything, in order; the run file is whole when this returns."""
    _native.start_recording(spec["recording"], spec["limit_bytes"], spec["ahead_bytes"])
    try:
        _native.document("spec", json.dumps(spec))
        for text in spec.get("warnings", []):
            note("warning", text)
        # Before NumPy: the threads that OpenBLAS starts when it is loaded are counted only if they are born later.
        why_no_counters = _native.open_counters()
        import numpy as np  # noqa: F401  (a missing NumPy was reported before the driver was started)

        progress.say("started", pid=os.getpid(), cases=len(spec["cases"]))
        _native.document("clock", json.dumps({"read_ns": _native.clock_read_ns()}))
        gc.disable()
        reports = control(len(spec["cases"]))
        _native.document("hooks", json.dumps(reports))
        complain(reports)
        facts = _facts.software(reports.get("routines", {}).get("objects", []))
        _native.document("facts", json.dumps({**facts, "counters_why_not": why_no_counters}))
        faults: dict[str, float] = {}
        counting = why_no_counters is None
        sampling = spec.get("sampling")
        cases = [Case(index, case, progress, counting, sampling, commands) for index, case in enumerate(spec["cases"])]
        if spec.get("wait") is not None:
            barrier(cases, spec["wait"], progress, commands)
        for case in cases:
            gc.collect()
            faults = case.run(case.spec["seconds"], faults)
        for number in range(len(spec.get("tracers", []))):
            traced(cases, number, progress, commands)
    finally:
        gc.enable()
        _native.finish_recording()


def attempt(progress: Progress) -> int:
    """Runs what standard input asks for and says how that went; the exit code. An interruption is the caller's."""
    commands = Commands()
    spec = commands.next()
    try:
        run(spec, progress, commands)
    except SubjectError as error:
        progress.say("error", kind=error.kind, side=error.side, text=error.text, detail=error.detail)
        return 3
    except MemoryError:
        progress.say("error", kind="memory", side="both", text="the driver ran out of memory")
        return 3
    except OSError as error:
        # The recorder's fix is a note of its exception.
        help = "; ".join(getattr(error, "__notes__", []))
        text = f"the run could not be recorded: {error}"
        progress.say("error", kind="recording", side="both", text=text, help=help)
        return 3
    except Exception as error:
        text = f"the driver failed, which is a fault of raptors-trace: {type(error).__name__}: {error}"
        progress.say("error", kind="driver", side="both", text=text, detail=traceback.format_exc())
        return 3
    progress.say("finished", lost=_native.lost())
    return 0


def interrupt_once(*_: object) -> None:
    """Handles SIGINT: a terminal sends one to the driver, and the command another, which must not disturb the end."""
    signal.signal(signal.SIGINT, lambda *_: None)
    raise KeyboardInterrupt


def main() -> int:
    """Entry point of the process.

    Exit code 0: done; 3: a side could not be run, the reason was said; 130: interrupted.
    """
    search_here_last()
    progress = Progress()
    try:
        signal.signal(signal.SIGINT, interrupt_once)
        # The command has it wait until somebody is here to handle it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return attempt(progress)
    except KeyboardInterrupt:
        progress.say("interrupted")
        return 130


if __name__ == "__main__":
    leave(main())
