"""The laboratory: a process in which ``raptors-trace explain`` runs rounds with a cause switched off, and without.

``python -m raptors_trace._lab`` reads a message of the module ``_protocol`` a line from standard input and answers each
with one on standard output. An *arm* is one side with some switches thrown; the command
says which arm runs when, so that arms of several processes can take turns. A statement's own output is sent to
standard error.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import signal
import sys
import time
from typing import Any, TextIO

from raptors_trace import _native, _switches
from raptors_trace import _protocol as protocol
from raptors_trace._addresses import kept_bytes
from raptors_trace._compared import compared
from raptors_trace._names import names_of_a_setup
from raptors_trace._process import leave, search_here_last, take_output
from raptors_trace._protocol import ProtocolError
from raptors_trace._rewriting import Code
from raptors_trace._rounds import Round, in_turn, operations
from raptors_trace._subject import Subject, SubjectError, Timed, padding

WARM_ROUNDS = 3
"""Rounds of an arm before its first that counts: enough for glibc's threshold of what it maps to have risen."""
ALLOCATOR_OPS = 8
"""Operations of a warm-up at least, where they are long: the memory of the first few results is new."""
LONG_ROUNDS = 2
"""Rounds from which on an operation is long: its results come from the system, whatever the allocator has learnt."""
FREQUENCY_ROUNDS = 7
"""Rounds after each of which the processor's frequency is measured."""


class Arm:
    """One side with some switches thrown, set up."""

    def __init__(self, case: protocol.CaseSpec, spec: protocol.ArmSpec, placement: int) -> None:
        given = case.side(spec.side)
        switches = {name: _switches.of_arm(name) for name in spec.switches}
        code = Code(spec.side, given.setup, given.statement, spec.passes)
        self.changed: dict[str, list[str]] = {}
        for name, switch in switches.items():
            if switch.code is not None:
                self.changed[name] = switch.code(code)
        namespace = names_of_a_setup(tuple(spec.shape), case.dtype, padding(placement, spec.side))
        self.subject = Subject(spec.side, given.name, code.setup, code.statement, namespace, case.in_place)
        self.subject.set_up()
        for name, switch in switches.items():
            if switch.data is not None:
                self.changed[name] = self.changed.get(name, []) + switch.data(namespace)
        self.rounds = [switch.round for switch in switches.values() if switch.round is not None]
        self.timed: Timed = self.subject.timed(keep=False)
        self.ops = 1
        self.is_long = False

    def round(self, ops: int) -> tuple[int, int, int]:
        """Runs operations: nanoseconds of wall time, of CPU time of all threads, and page faults.

        Where this thread never waited, what it was off the processor for was others': processes, or the host of this
        machine. That is left out of the wall time.
        """
        with contextlib.ExitStack() as stack:
            for enter in self.rounds:
                stack.enter_context(enter())
            # The first operations after another arm's run through cold code and other caches. Long ones do not feel it.
            if not self.is_long:
                self.timed(2 if self.subject.alternates else 1)
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            waits = waits_of_this_thread()
            cpu, own = time.process_time_ns(), time.thread_time_ns()
            wall, _ = self.timed(ops)
            own, cpu = time.thread_time_ns() - own, time.process_time_ns() - cpu
            waited = waits is None or waits_of_this_thread() != waits
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        return wall if waited else min(wall, own), cpu, faults

    def warm_up(self, round_ns: int) -> None:
        """Finds the operations that fill a round, and runs a few rounds."""
        done = 0
        for _ in range(WARM_ROUNDS + 1):
            wall, _, _ = self.round(self.ops)
            done += self.ops
            self.is_long = wall / self.ops >= LONG_ROUNDS * round_ns
            self.ops = operations(round_ns, Round(self.ops, wall, 0), pairs=self.subject.alternates)
            if self.is_long and done > 1:
                break
        if done < ALLOCATOR_OPS and not self.is_long:
            self.round(ALLOCATOR_OPS - done)


class Lab:
    """The arms of this process."""

    def __init__(self, case: protocol.CaseSpec) -> None:
        self.case = case
        self.arms: dict[int, Arm] = {}
        self.given_up: list[Arm] = []

    def answer(self, question: protocol.Question) -> protocol.Answer:
        """Does what is asked."""
        match question:
            case protocol.SetUp():
                return self.set_up(question)
            case protocol.RunRounds(arms):
                return protocol.RoundCosts([self.round(self.arms[arm]) for arm in arms])
            case protocol.Survey(arm):
                return self.survey(self.arms[arm])
            case protocol.Same(arm, other):
                return self.same(arm, other)
            case protocol.Drop(arms):
                self.drop(arms)
                return protocol.Done()

    def set_up(self, asked: protocol.SetUp) -> protocol.AllArmed:
        """Sets arms up. What is set up first takes the memory that was freed first: no arm is always first."""
        self.free()
        for spec in in_turn(asked.arms, asked.placement):
            self.drop([spec.arm])
            self.free()
            made = Arm(self.case, spec, asked.placement)
            if asked.round_ns:
                made.warm_up(asked.round_ns)
            self.arms[spec.arm] = made
        made_arms = (self.arms[spec.arm] for spec in asked.arms)
        armed = [protocol.Armed(made.changed, made.subject.sized) for made in made_arms]
        return protocol.AllArmed(armed, kept_bytes())

    def round(self, arm: Arm) -> protocol.RoundCost:
        """One round of an arm, per operation."""
        wall, cpu, faults = arm.round(arm.ops)
        return protocol.RoundCost(wall / arm.ops, cpu / arm.ops, faults / arm.ops)

    def survey(self, arm: Arm) -> protocol.Seen:
        """What can be seen of a side without running it much."""
        with _switches.started_threads() as started:
            arm.subject.once()
        others = len(sys._current_frames()) - 1
        frequencies = []
        for _ in range(FREQUENCY_ROUNDS):
            arm.round(arm.ops)
            frequencies.append(_native.clock_ghz())
        known = sorted(ghz for ghz in frequencies if ghz is not None)
        ghz = known[len(known) // 2] if known else None
        return protocol.Seen(_switches.denormals(arm.subject.namespace), len(started), others, ghz)

    def same(self, arm: int, other: int) -> protocol.Difference:
        """Whether two arms give the same value, roundings aside.

        That of their second operation, which finds what the first has left.
        """
        both = [self.arms[number].subject for number in (arm, other)]
        for subject in both:
            subject.once()
        return protocol.Difference(difference(*(subject.once() for subject in both)))

    def drop(self, arms: list[int]) -> None:
        """Gives arms up. Their memory stays until the next ones are set up, or until no arm is left.

        A library keeps the address that it was told last, and that may be an arm's that is given up.
        """
        self.given_up += [self.arms.pop(arm) for arm in arms if arm in self.arms]
        if not self.arms:
            self.free()

    def free(self) -> None:
        """Lets go of what arms have set up that were given up."""
        if self.given_up:
            for arm in self.given_up:
                arm.subject.tear_down()
            self.given_up.clear()
            gc.collect()


def waits_of_this_thread() -> int | None:
    """How often it has left the processor to wait for something; nothing where the system does not count that."""
    who = getattr(resource, "RUSAGE_THREAD", None)
    return None if who is None else int(resource.getrusage(who).ru_nvcsw)


def difference(a: Any, b: Any) -> str | None:
    """Where two values of a side differ by more than roundings do; nothing where they do not, or nobody can tell."""
    return compared(a, b, roundings=True, sides=("the side without it", "the side with it")).difference


def refusal(error: Exception) -> protocol.Refused:
    """What went wrong, as the answer."""
    match error:
        case SubjectError():
            return protocol.Refused(error.text, error.detail)
        case MemoryError():
            return protocol.Refused("the laboratory ran out of memory", "")
        case ProtocolError() | RuntimeError():
            return protocol.Refused(str(error), "")
    return protocol.Refused(f"{type(error).__name__}: {error}", "")


def start(spec: protocol.LabSpec) -> Lab:
    """Throws the switches of this process."""
    for name in spec.process:
        _switches.of_process(name)()
    import numpy as np  # noqa: F401  (after the switches, as it starts threads and takes memory)

    gc.disable()
    return Lab(spec.case)


def serve(answers: TextIO) -> None:
    """Answers until standard input ends. Whatever an answer raises becomes the answer."""

    def say(answer: protocol.Answer) -> None:
        answers.write(protocol.line_of(answer) + "\n")
        answers.flush()

    lines = sys.stdin.buffer
    try:
        lab = start(protocol.read(protocol.LabSpec, lines.readline()))
    except Exception as error:
        say(refusal(error))
        return
    say(protocol.Done())
    for line in lines:
        try:
            say(lab.answer(protocol.read_question(line)))
        except Exception as error:
            say(refusal(error))


def main() -> int:
    """Entry point of the process. The command ends it by closing its standard input."""
    search_here_last()
    # A side may crash with a switch thrown, which is an answer: it leaves no file in the user's directory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # A terminal's Ctrl-C is for the command, which ends this process when it has what it wants.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        serve(take_output())
    return 0


if __name__ == "__main__":
    leave(main())
