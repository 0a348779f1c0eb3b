"""The laboratory: a process in which ``raptors-trace explain`` runs rounds with a cause switched off, and without.

``python -m raptors_trace._lab`` reads one JSON object a line from standard input and answers each with one on
standard output (``src/explain/lab.rs`` is the other end). An *arm* is one side with some switches thrown; the command
says which arm runs when, so that arms of several processes can take turns. A statement's own output is sent to
standard error.
"""

from __future__ import annotations

import contextlib
import gc
import json
import resource
import signal
import sys
import time
from typing import Any, TextIO

from raptors_trace import _native, _rewriting, _switches
from raptors_trace._process import leave, search_here_last, take_output
from raptors_trace._subject import Subject, SubjectError, Timed, first_difference, names_of_a_setup, padding

WARM_ROUNDS = 3
"""Rounds of an arm before its first that counts: enough for glibc's threshold of what it maps to have risen."""
MOST_OPS = 200_000
ALLOCATOR_OPS = 8
"""Operations of a warm-up at least, where they are long: the memory of the first few results is new."""
LONG_ROUNDS = 2
"""Rounds from which on an operation is long: its results come from the system, whatever the allocator has learnt."""
FREQUENCY_ROUNDS = 7
"""Rounds after each of which the processor's frequency is measured."""
RELATIVE_TOLERANCE = {2: 1e-2, 4: 1e-5, 8: 1e-13}
"""What results may differ by for switching a conversion off, by bytes of an element: another order of roundings."""


class Arm:
    """One side with some switches thrown, set up."""

    def __init__(self, side: str, spec: dict[str, Any], switches: list[str], placement: int, shape: list[int]) -> None:
        given = spec[side]
        setup, statement, changed = _rewriting.rewritten(switches, side, given["setup"], given["statement"])
        namespace = names_of_a_setup(tuple(shape), spec["dtype"], padding(placement, side))
        self.subject = Subject(side, given["name"], setup, statement, namespace)
        self.subject.set_up()
        self.changed = changed
        for name, what in _switches.throw(switches, namespace).items():
            self.changed[name] = self.changed.get(name, []) + what
        self.rounds = [_switches.ROUND[name] for name in switches if name in _switches.ROUND]
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
            each = max(wall / self.ops, 1.0)
            wanted = max(1, min(int(round_ns / each), self.ops * 64, MOST_OPS))
            self.ops = wanted + (wanted & 1) if wanted > 1 or self.subject.alternates else 1
            self.is_long = each >= LONG_ROUNDS * round_ns
            if self.is_long and done > 1:
                break
        if done < ALLOCATOR_OPS and not self.is_long:
            self.round(ALLOCATOR_OPS - done)


class Lab:
    """The arms of this process."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.arms: dict[int, Arm] = {}

    def set_up(self, arm: int, side: str, switches: list[str], placement: int, shape: list[int], round_ns: int) -> Any:
        self.drop([arm])
        made = Arm(side, self.spec, switches, placement, shape)
        if round_ns:
            made.warm_up(round_ns)
        self.arms[arm] = made
        return {"changed": made.changed, "sized": made.subject.sized}

    def rounds(self, arms: list[int]) -> Any:
        """One round of each of these arms, in this order."""
        done = []
        for number in arms:
            arm = self.arms[number]
            wall, cpu, faults = arm.round(arm.ops)
            done.append({"ns": wall / arm.ops, "cpu_ns": cpu / arm.ops, "faults": faults / arm.ops})
        return {"rounds": done}

    def survey(self, arm: int) -> Any:
        """What can be seen of a side without running it much."""
        made = self.arms[arm]
        with _switches.started_threads() as started:
            made.subject.once()
        others = len(sys._current_frames()) - 1
        frequencies = []
        for _ in range(FREQUENCY_ROUNDS):
            made.round(made.ops)
            frequencies.append(_native.clock_ghz())
        known = sorted(ghz for ghz in frequencies if ghz is not None)
        return {
            "denormals": _switches.denormals(made.subject.namespace),
            "threads_started": len(started),
            "python_threads": others,
            "ghz": known[len(known) // 2] if known else None,
        }

    def same(self, arm: int, other: int) -> Any:
        """Whether two arms give the same value, roundings aside.

        That of their second operation, which finds what the first has left.
        """
        both = [self.arms[number].subject for number in (arm, other)]
        for subject in both:
            subject.once()
        return {"difference": difference(*(subject.once() for subject in both))}

    def drop(self, arms: list[int]) -> Any:
        dropped = [self.arms.pop(arm) for arm in arms if arm in self.arms]
        for arm in dropped:
            arm.subject.tear_down()
        if dropped:
            gc.collect()
        return {}


def waits_of_this_thread() -> int | None:
    """How often it has left the processor to wait for something; nothing where the system does not count that."""
    who = getattr(resource, "RUSAGE_THREAD", None)
    return None if who is None else int(resource.getrusage(who).ru_nvcsw)


def difference(a: Any, b: Any) -> str | None:
    """Where two values differ by more than roundings do; nothing where they do not."""
    found = first_difference(a, b)
    if found is None:
        return None
    np = sys.modules["numpy"]
    with contextlib.suppress(Exception):
        x, y = np.asarray(a), np.asarray(b)
        if x.shape == y.shape and x.dtype == y.dtype and x.dtype.kind in "fc":
            tolerance = RELATIVE_TOLERANCE.get(np.finfo(x.dtype).dtype.itemsize, 1e-13)
            if np.allclose(x, y, rtol=tolerance, atol=np.finfo(x.dtype).tiny, equal_nan=True):
                return None
    return found


def serve(answers: TextIO) -> None:
    """Answers until standard input ends. Whatever an answer raises becomes the answer."""

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer, ensure_ascii=False) + "\n")
        answers.flush()

    lines = sys.stdin.buffer
    spec = json.loads(lines.readline())
    try:
        for name in spec["process"]:
            _switches.PROCESS[name]()
        import numpy as np  # noqa: F401  (after the switches, as it starts threads and takes memory)
    except Exception as error:
        say({"error": str(error)})
        return
    gc.disable()
    lab = Lab(spec["case"])
    say({})
    for line in lines:
        asked = json.loads(line)
        do = asked.pop("do")
        try:
            say(getattr(lab, do)(**asked))
        except SubjectError as error:
            say({"error": error.text, "detail": error.detail})
        except MemoryError:
            say({"error": "the laboratory ran out of memory"})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})


def main() -> int:
    """Entry point of the process. The command ends it by closing its standard input."""
    search_here_last()
    # A terminal's Ctrl-C is for the command, which ends this process when it has what it wants.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        serve(take_output())
    return 0


if __name__ == "__main__":
    leave(main())
