"""Rounds: how many operations fill one, who comes first, and what one cost."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from raptors_trace import _facts, _native
from raptors_trace._native import RoundKind
from raptors_trace._subject import SIDES, Timed

MOST_OPS = 200_000
GROWTH = 16
"""A round has so many times the operations of the one before it at most: a short one says little."""

Item = TypeVar("Item")


@dataclass
class Round:
    """What one block of operations of one side cost."""

    ops: int
    wall_ns: int
    faults: int

    @property
    def ns_per_op(self) -> float:
        """Wall time of one operation."""
        return self.wall_ns / self.ops

    @property
    def faults_per_op(self) -> float:
        """Page faults of one operation."""
        return self.faults / self.ops


def operations(round_ns: int, done: Round, *, pairs: bool, most: int = MOST_OPS) -> int:
    """How many operations fill a round of this length, from what the last one cost.

    One, or an even count, because a statement in place alternates between two factors; with ``pairs`` two at least.
    """
    wanted = max(1, min(int(round_ns / max(done.ns_per_op, 1.0)), done.ops * GROWTH, most))
    return wanted + (wanted & 1) if wanted > 1 or pairs else 1


def in_turn(items: Sequence[Item], turn: int) -> list[Item]:
    """The items in their order, in every other turn the last one first: no side is to come first always."""
    return list(items if turn % 2 == 0 else reversed(items))


def run_round(case: int, side: str, kind: RoundKind, function: Timed, ops: int, placement: int = 0) -> Round:
    """Runs one round between two marks. Results that were kept die after the second mark."""
    # In timed rounds too, though nobody asks there: reading /proc leaves traces in the caches, and what precedes a
    # round has to be the same for those that are set against each other.
    count_threads = kind in (RoundKind.TIMED, RoundKind.OBSERVED, RoundKind.TOUCHED, RoundKind.CONTROL)
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
