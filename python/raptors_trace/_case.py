"""One case: both sides set up, checked, warmed up, and their rounds of every kind.

Timing rounds run without any observer. Observed rounds, and rounds whose result memory is touched ahead, stand
between them, so that a drift of the machine meets all kinds alike.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from raptors_trace import _native
from raptors_trace import _protocol as protocol
from raptors_trace._compared import compared
from raptors_trace._names import names_of_a_setup
from raptors_trace._native import RoundKind
from raptors_trace._perf import Perf
from raptors_trace._process import Commands, Progress
from raptors_trace._rounds import Round, in_turn, operations, run_round
from raptors_trace._subject import SIDES, Subject, SubjectError, Timed, padding

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
UNIT_NS = 60_000_000
UNIT_ROUND_NS = 2_000_000
UNIT_OPS = 1_000
"""Operations of the first round on one element; at most twenty times as many fill a later one."""
TRACED_OPS = 10
UNIT_TRACED_OPS = 200
"""Operations of the rounds that a tracer watches: its counts are exact, however few."""
UNSAMPLED_EVERY = 4
"""Of the sampled rounds, one in so many runs without samples: what sampling costs is what they differ by."""

OBSERVING = {
    RoundKind.TIMED: None,
    RoundKind.OBSERVED: False,
    RoundKind.TOUCHED: True,
    RoundKind.UNIT_TIMED: None,
    RoundKind.UNIT_OBSERVED: False,
}


def document(of: protocol.Document) -> None:
    """Writes a document into the run file."""
    _native.document(of.key, protocol.line_of(of))


def value_bytes(value: Any, depth: int = 2) -> int:
    """Bytes of a result, as far as it says, and of what is in it."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return sum(value_bytes(each, depth - 1) for each in value) if depth else 0
    size = getattr(value, "nbytes", 0)
    return int(size) if isinstance(size, int | float) else 0


class Case:
    """One comparison of two statements at one dtype and shape, results dropped or kept."""

    def __init__(
        self,
        index: int,
        spec: protocol.CaseSpec,
        progress: Progress,
        counting: bool,
        sampling: protocol.SamplingSpec | None = None,
        commands: Commands | None = None,
    ) -> None:
        self.counting = counting
        self.sampling = sampling if spec.sampled else None
        self.commands = commands
        self.index = index
        self.spec = spec
        self.progress = progress
        self.keep = spec.results == "kept"
        self.shape = tuple(spec.shape)
        self.ops = {"a": 1, "b": 1}
        self.result_bytes = {"a": 0, "b": 0}
        self.alternating = {"a": False, "b": False}
        self.turns: Counter[int] = Counter()
        self.placement = 0
        self.setup_seconds = 0.0
        self.skipped = False
        lengths = " × ".join(map(str, self.shape))
        words = (spec.name, spec.dtype if self.shape else "", lengths, "kept" if self.keep else "")
        # For who watches the rounds from outside: the run file has the names in its spec.
        _native.name_case(index, " ".join(filter(None, words)), spec.a.name, spec.b.name)

    def subjects(self, shape: tuple[int, ...]) -> dict[str, Subject]:
        """Both sides, each in a namespace of its own, with the same random numbers."""
        started = time.perf_counter()
        sides = {}
        # What is set up first takes the memory that was freed first: neither side is to have it in every placement.
        for side in in_turn(tuple(SIDES), self.placement):
            given = self.spec.side(side)
            namespace = names_of_a_setup(shape, self.spec.dtype, padding(self.placement, side))
            sides[side] = Subject(side, given.name, given.setup, given.statement, namespace, self.spec.in_place)
            sides[side].set_up()
        self.setup_seconds = time.perf_counter() - started
        return {side: sides[side] for side in SIDES}

    def timed(self, subjects: dict[str, Subject]) -> dict[str, Timed]:
        """What runs operations of each side."""
        return {side: subject.timed(self.keep) for side, subject in subjects.items()}

    def check(self) -> None:
        """Both statements give the same value, or the run stops at the first difference; it says what is unknown."""
        subjects = self.subjects(self.shape)
        values = {side: subject.once() for side, subject in subjects.items()}
        self.result_bytes = {side: value_bytes(value) for side, value in values.items()}
        found = compared(values["a"], values["b"])
        where = f" at {self.spec.dtype} {' × '.join(map(str, self.shape))}" if self.shape else ""
        if found.difference is not None:
            text = f"the sides give different values{where}"
            if not self.spec.allow_different:
                raise SubjectError("different", "both", f"{text}: {found.difference}")
            document(protocol.Note(f"{text} (allowed by --allow-different): {found.difference}"))
        elif found.unknown is not None and not self.spec.allow_different:
            text = f"whether the sides give the same values{where} is unknown: {found.unknown}"
            document(protocol.Note(f"{text}; the run went on as with --allow-different"))

    def run(self, seconds: float, before: dict[str, float]) -> dict[str, float]:
        """The whole case: check, warm-up, rounds of every kind, and the same statements at size 1.

        ``before`` is what this returned for the case before: the page faults of an operation once they had settled.
        """
        self.say("checking")
        if not self.keep:
            self.check()
        subjects = self.subjects(self.shape)
        self.alternating = {side: subject.alternates for side, subject in subjects.items()}
        timed = self.timed(subjects)
        if self.keep:
            self.result_bytes = {side: value_bytes(subject.once()) for side, subject in subjects.items()}
        self.say("warming up")
        rounds, settled, faults = self.warm_up(timed, seconds * WARMUP_SHARE)
        if self.keep and self.spec.only_if_different and not differ(before, faults):
            document(protocol.CaseEnd(self.index, skipped="same page faults as dropped"))
            self.skipped = True
            self.say("skipped")
            return faults
        placements = self.placements(seconds)
        document(protocol.Warmup(self.index, rounds, settled, placements))
        self.measure_everywhere(subjects, timed, seconds, placements, faults)
        document(protocol.CaseEnd(self.index, no_unit=self.unit()))
        self.say("done")
        return faults

    def measure_everywhere(
        self,
        subjects: dict[str, Subject],
        timed: dict[str, Timed],
        seconds: float,
        placements: int,
        faults: dict[str, float],
    ) -> None:
        """Rounds in every placement; in the last one, also those for the counters and the sampler."""
        for self.placement in range(placements):
            if self.placement > 0:
                release(subjects, timed)
                subjects = self.subjects(self.shape)
                timed = self.timed(subjects)
                for side in SIDES:
                    run_round(self.index, side, RoundKind.WARMUP, timed[side], self.ops[side])
            self.measure(timed, seconds, placements, faults)
        if self.counting:
            self.count(timed)
        if self.sampling is not None:
            self.sample(timed, self.sampling)
        release(subjects, timed)

    def trace(self, number: int) -> None:
        """Rounds that a tracer watches from outside, at full size and on one element."""
        unit = (1,) * len(self.shape)
        for shape, kind, ops in (
            (self.shape, RoundKind.TRACED, TRACED_OPS),
            (unit, RoundKind.UNIT_TRACED, UNIT_TRACED_OPS),
        ):
            subjects = self.subjects(shape)
            if kind == RoundKind.UNIT_TRACED and not all(subject.sized for subject in subjects.values()):
                return
            if self.keep:
                ops = max(2, min(ops, KEPT_BYTES // max(*self.result_bytes.values(), 1)))
            timed = self.timed(subjects)
            for side, function in timed.items():
                run_round(self.index, side, RoundKind.WARMUP, function, 2)
                run_round(self.index, side, kind, function, ops, number)
            release(subjects, timed)

    def say(self, stage: str, block: float = 0.0, blocks: float = 0.0) -> None:
        """Tells the command where the case is."""
        self.progress.say(protocol.At(self.index, stage, block, blocks))

    def warm_up(self, timed: dict[str, Timed], seconds: float) -> tuple[int, bool, dict[str, float]]:
        """Runs rounds until page faults and times settle; finds the operations that fill a round.

        Returns how many rounds, whether they settled, and the page faults of an operation.
        """
        least, most = WARMUP_ROUNDS
        history: dict[str, list[Round]] = {"a": [], "b": []}
        deadline = time.perf_counter() + seconds
        rounds, settled = 0, False
        while rounds < most and not settled:
            for side in SIDES:
                done = run_round(self.index, side, RoundKind.WARMUP, timed[side], self.ops[side])
                self.resize(side, done)
                history[side].append(done)
            rounds += 1
            settled = rounds >= least and all(settles(history[side]) for side in history)
            if rounds >= least and time.perf_counter() > deadline:
                break
        faults = {side: statistics.median(r.faults_per_op for r in history[side][-3:]) for side in history}
        return rounds, settled, faults

    def resize(self, side: str, done: Round) -> None:
        """Grows or shrinks a round towards ROUND_NS, within the memory that kept results may take."""
        most = {"most": max(2, KEPT_BYTES // max(self.result_bytes[side], 1))} if self.keep else {}
        self.ops[side] = operations(ROUND_NS, done, pairs=self.keep or self.alternating[side], **most)

    def placements(self, seconds: float) -> int:
        """How often the sides are set up: once where a setup takes long."""
        affordable = SETUP_SHARE * seconds / max(self.setup_seconds, 1e-6)
        return max(1, min(PLACEMENTS, int(affordable)))

    def measure(self, timed: dict[str, Timed], seconds: float, placements: int, faults: dict[str, float]) -> None:
        """One placement's blocks: timed rounds with observed rounds between, touched ones where there are faults."""
        faulting = any(value >= 1.0 for value in faults.values())
        few = {side: min(self.ops[side], OBSERVED_OPS) for side in self.ops}
        blocks = max(1, BLOCKS // placements)
        deadline = time.perf_counter() + seconds / placements * (2.0 + faulting)
        for block in range(blocks):
            self.say("measuring", self.placement * blocks + block, placements * blocks)
            self.rounds(RoundKind.TIMED, timed, self.ops, seconds / placements / blocks, 1_000)
            self.rounds(RoundKind.OBSERVED, timed, few, 0.0, 1)
            if faulting:
                self.rounds(RoundKind.TOUCHED, timed, few, 0.0, 1)
            if time.perf_counter() > deadline and (placements > 1 or block >= LEAST_BLOCKS):
                break

    def rounds(self, kind: RoundKind, timed: dict[str, Timed], ops: dict[str, int], seconds: float, most: int) -> None:
        """Rounds of one kind, sides in turn, the first side changing from round to round: at least one of each side."""
        observing = OBSERVING[kind]
        if observing is not None:
            _native.arm(touch=observing)
        try:
            # The first round after a switch of the observers runs through cold code: it is not counted.
            for side in SIDES:
                run_round(self.index, side, RoundKind.WARMUP, timed[side], min(ops[side], 2))
            deadline = time.perf_counter() + seconds
            for _ in range(most):
                for side in in_turn(tuple(SIDES), self.turns[kind]):
                    run_round(self.index, side, kind, timed[side], ops[side], self.placement)
                self.turns[kind] += 1
                if time.perf_counter() > deadline:
                    break
        finally:
            if observing is not None:
                _native.disarm()

    def count(self, timed: dict[str, Timed]) -> None:
        """Unobserved rounds between two readings of the hardware counters."""
        for side in SIDES:
            before = _native.read_counters()
            for _ in range(COUNTED_ROUNDS):
                run_round(self.index, side, RoundKind.WARMUP, timed[side], self.ops[side])
            ops = COUNTED_ROUNDS * self.ops[side]
            both = zip(before, _native.read_counters(), strict=True)
            per_op = (None if first is None or last is None else (last - first) / ops for first, last in both)
            document(protocol.Counters(self.index, SIDES[side], protocol.PerOperation(*per_op)))

    def sample(self, timed: dict[str, Timed], sampling: protocol.SamplingSpec) -> None:
        """Rounds of both sides in turn under one sampler; what it saw goes into the run file, or why it saw nothing."""
        self.say("sampling")
        try:
            if sampling.engine == "perf" and self.commands is not None:
                sampler = self.sampled_by_perf(timed, sampling.seconds, self.commands)
            else:
                _native.start_sampling(sampling.frequency)
                self.sampled(timed, sampling.seconds, under_sampler)
                sampler = protocol.read(protocol.Sampler, _native.finish_sampling())
        except RuntimeError as error:
            sampler = protocol.Sampler(sampling.engine, 0, [], [], None, str(error), None)
        document(protocol.Samples(self.index, sampler))

    def sampled_by_perf(self, timed: dict[str, Timed], seconds: float, commands: Commands) -> protocol.Sampler:
        """The rounds under perf, which the command runs: ready, go, rounds, done."""
        self.progress.say(protocol.Sampling(self.progress.pid))
        pipes = commands.next(protocol.PerfStarted).pipes
        perf = None if pipes is None else Perf(pipes.control, pipes.acknowledged)
        failure = None
        if perf is not None:
            try:
                self.sampled(timed, seconds, perf.timed, perf.switch)
            except RuntimeError as error:
                failure = error
            finally:
                perf.close()
        # Said in any case: the command waits for it, and ends perf.
        self.progress.say(protocol.Sampled([] if perf is None else perf.blocks))
        sampler = commands.next(protocol.PerfEnded).sampler
        if failure is not None:
            raise failure
        return sampler

    def sampled(
        self,
        timed: dict[str, Timed],
        seconds: float,
        under: Callable[[Timed, str], Timed],
        switch: Callable[[bool], None] | None = None,
    ) -> None:
        """Runs the rounds while the sampler is on.

        ``under`` gives the samples that are taken while a function runs to a side; ``switch`` turns the sampler off and
        on, where it does not go with ``under``.
        """
        deadline = time.perf_counter() + seconds
        started = time.perf_counter()
        rounds = 0
        while rounds < UNSAMPLED_EVERY or time.perf_counter() < deadline:
            # An unsampled round has the order of the sampled one before it: what a side finds in the caches is what the
            # side before has left there.
            sides = in_turn(tuple(SIDES), rounds // UNSAMPLED_EVERY + 1)
            rounds += 1
            kind = RoundKind.SAMPLED if rounds % UNSAMPLED_EVERY else RoundKind.UNSAMPLED
            if kind == RoundKind.UNSAMPLED and switch is not None:
                switch(False)
            for side in sides:
                function = under(timed[side], side) if kind == RoundKind.SAMPLED else timed[side]
                run_round(self.index, side, kind, function, self.ops[side])
            if kind == RoundKind.UNSAMPLED and switch is not None:
                switch(True)
            if rounds % 64 == 0:
                self.say("sampling", time.perf_counter() - started, seconds)

    def unit(self) -> str | None:
        """The same statements on one element: what is left there of an operation is its dispatch.

        Returns why it was not measured, where it was not.
        """
        try:
            subjects = self.subjects((1,) * len(self.shape))
            if not all(subject.sized for subject in subjects.values()):
                raise SubjectError("unsized", "both", "the setup does not use `shape` or `size`")
            timed = self.timed(subjects)
            ops = {}
            for side in SIDES:
                done = run_round(self.index, side, RoundKind.WARMUP, timed[side], UNIT_OPS)
                ops[side] = operations(UNIT_ROUND_NS, done, pairs=True, most=20 * UNIT_OPS)
        except SubjectError as error:
            return f"dispatch was not measured for {self.spec.name}: {error.text}"
        self.say("dispatch")
        for _ in range(2):
            self.rounds(RoundKind.UNIT_TIMED, timed, ops, UNIT_NS / 1e9, 15)
            few = {side: min(ops[side], 500) for side in ops}
            self.rounds(RoundKind.UNIT_OBSERVED, timed, few, UNIT_NS / 1e9, 10)
        return None


def release(subjects: dict[str, Subject], timed: dict[str, Timed]) -> None:
    """Lets go of what both sides have set up.

    Of both at once: a library may keep the address that it was told last, whichever side has told it.
    """
    timed.clear()
    for subject in subjects.values():
        subject.tear_down()


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
