"""Rounds that perf samples from outside: switched on and off by two named pipes, told apart by their times."""

from __future__ import annotations

import os
import select
import time
from typing import Any

from raptors_trace._subject import SIDES, Timed

PATIENCE = 30.0
"""Seconds in which perf has to answer; it does so in milliseconds, on a busy machine in a second."""


class Perf:
    """perf as the command has started it on this process, switched on."""

    def __init__(self, control: str, acknowledged: str) -> None:
        # Open for both directions: perf's own ends are open already, and nothing may wait here.
        self._control = os.open(control, os.O_RDWR | os.O_NONBLOCK)
        self._acknowledged = os.open(acknowledged, os.O_RDWR | os.O_NONBLOCK)
        self.blocks: list[list[int]] = []
        """When each sampled round began and ended, in nanoseconds of the monotonic clock, and its side."""

    def switch(self, on: bool) -> None:
        """Switches it on or off, and waits until it is. RuntimeError where it does not answer."""
        os.write(self._control, b"enable\n" if on else b"disable\n")
        ready, _, _ = select.select([self._acknowledged], [], [], PATIENCE)
        if not ready:
            raise RuntimeError(f"perf did not answer within {PATIENCE:.0f} s")
        os.read(self._acknowledged, 64)

    def timed(self, function: Timed, side: str) -> Timed:
        """``function``, whose time is noted as this side's."""

        def timed(ops: int) -> tuple[int, list[Any]]:
            # The clock that perf was told to use.
            begin = time.monotonic_ns()
            result = function(ops)
            self.blocks.append([begin, time.monotonic_ns(), SIDES[side]])
            return result

        return timed

    def close(self) -> None:
        """Lets go of the pipes."""
        os.close(self._control)
        os.close(self._acknowledged)
