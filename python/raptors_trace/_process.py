"""What a process that the command runs does at its begin and its end, and how it talks to the command."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import NoReturn, TextIO, TypeVar

from raptors_trace._protocol import Event, line_of, read

Message = TypeVar("Message")


def search_here_last() -> None:
    """Has modules looked for in the current directory, after all others.

    A module of the user's is found there, and a file that happens to be called `random.py` is not taken for the
    standard library's.
    """
    if not os.environ.get("PYTHONSAFEPATH"):
        sys.path.append(os.getcwd())


def take_output() -> TextIO:
    """A copy of standard output for what the command reads; what statements write goes to standard error since."""
    # What cannot be encoded (half a surrogate pair in somebody's message) may not cost the whole line.
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    sys.stdout.flush()
    os.dup2(2, 1)
    return stream


def leave(code: int) -> NoReturn:
    """Ends the process without waiting for threads that a setup has left running: all is said and recorded."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):
        ctypes.CDLL(None).fflush(None)  # what C code of a statement has printed
    os._exit(code)


class KeptAction:
    """The action of a signal, to be put back: C code's too, which the module `signal` neither knows nor sets."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number
        self._before = signal.getsignal(number)
        # Larger than a `struct sigaction` of any system.
        self._action = ctypes.create_string_buffer(256)
        ctypes.CDLL(None).sigaction(int(number), None, self._action)

    def put_back(self) -> None:
        """Sets it again."""
        handler = int.from_bytes(self._action.raw[: ctypes.sizeof(ctypes.c_void_p)], sys.byteorder)
        is_pythons = callable(self._before) or handler in (signal.SIG_DFL, signal.SIG_IGN)
        if self._before is not None and is_pythons:
            signal.signal(self._number, self._before)
        ctypes.CDLL(None).sigaction(int(self._number), self._action, None)


class Progress:
    """Tells the command where the run is, on a copy of standard output that statements cannot write to."""

    def __init__(self) -> None:
        self._stream = take_output()
        self.pid = os.getpid()

    def say(self, event: Event) -> None:
        """Says one thing."""
        if os.getpid() != self.pid:
            os._exit(0)  # a statement forked, and its child came back here: there is one driver
        try:
            self._stream.write(line_of(event) + "\n")
            self._stream.flush()
        except OSError:
            os._exit(1)  # the command is gone, and with it whoever would want to know


class Commands:
    """What the command tells the driver while it runs: a message a line, on standard input."""

    def __init__(self) -> None:
        self._stream = sys.stdin.buffer

    def fileno(self) -> int:
        """What can be waited for."""
        return self._stream.fileno()

    def next(self, kind: type[Message]) -> Message:
        """The next one, of this kind. KeyboardInterrupt where the command is gone: nobody is left to say go on."""
        line = self._stream.readline()
        if not line:
            raise KeyboardInterrupt
        return read(kind, line)
