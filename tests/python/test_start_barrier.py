"""`--wait`: the driver stops at its start, until Enter, a signal or a while, so that a tracer can attach."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import COMMAND, run

WAIT = ("compare", "--time", "0.2", "--size", "8", "--python", sys.executable, "--quiet", "--json", "--wait")


@contextlib.contextmanager
def at_the_barrier(*more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a comparison that waits; yields it with the driver's number."""
    pipe = subprocess.PIPE
    with subprocess.Popen([COMMAND, *WAIT, *more], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as waiting:
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        found = re.search(r"the driver is process (\d+); it waits at its start", said)
        assert found, said
        yield waiting, int(found[1])
        if waiting.poll() is None:
            waiting.kill()


def test_the_driver_waits_for_enter() -> None:
    with at_the_barrier() as (waiting, pid):
        time.sleep(1)
        assert waiting.poll() is None
        # Imported and warm: a tool that attaches now finds every library.
        assert "_multiarray_umath" in Path(f"/proc/{pid}/maps").read_text()
        output, errors = waiting.communicate("\n", timeout=60)
    assert waiting.returncode == 0, errors
    assert json.loads(output)["cases"]


def test_the_driver_starts_at_a_signal() -> None:
    with at_the_barrier() as (waiting, pid):
        os.kill(pid, signal.SIGUSR1)
        assert waiting.stdout is not None
        output = waiting.stdout.read()
        assert waiting.wait(60) == 0
    assert json.loads(output)["cases"]


def test_the_driver_starts_after_a_while() -> None:
    with at_the_barrier("--start-after", "0.5") as (waiting, _):
        assert waiting.stdout is not None
        output = waiting.stdout.read()
        assert waiting.wait(60) == 0
    assert json.loads(output)["cases"]


SIGNALLED = """
import ctypes, os, signal
system = ctypes.CDLL(None)
system.signal(int(signal.SIGUSR1), system.abs)
def raised():
    os.kill(os.getpid(), signal.SIGUSR1)
"""
"""A module whose statement raises a signal that C code handles; Python does not know of its handler."""


def test_a_handler_in_c_has_its_signal_again_after_the_barrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "signalled.py").write_text(SIGNALLED)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])))
    statements = ("--setup", "from signalled import raised", "--a", "raised()", "--b", "raised()")
    with at_the_barrier("--start-after", "0.2", *statements) as (waiting, _):
        output, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, errors
    assert json.loads(output)["cases"]


def test_the_driver_ends_at_ctrl_c_while_it_waits() -> None:
    with at_the_barrier() as (waiting, pid):
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == 1
        assert not Path(f"/proc/{pid}").exists()


def test_starting_after_a_while_needs_the_barrier() -> None:
    assert "--wait" in run("compare", "--start-after", "1", expected=2).stderr
