"""What a process that the command runs does at its begin and its end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import NoReturn, TextIO


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
