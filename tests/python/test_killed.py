"""A driver that is killed at any moment: the run file opens, and holds every call that was acknowledged before."""

import contextlib
import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND
from tiers import count

from raptors_trace import _native
from raptors_trace._native import RoundKind

ELEMENTS = 37
"""The length of the arrays whose multiplications are counted: nothing else in the driver has it."""
OBSERVED = [kind.name.lower().replace("_", "-") for kind in (RoundKind.OBSERVED, RoundKind.TOUCHED)]

# Runs in the driver. Three words of a shared file: marks acknowledged, whether an observed round is under way, calls
# acknowledged in observed rounds. A word rises once the driver's own recording has returned.
SETUP = """
import mmap, os
from raptors_trace import _native

if not hasattr(_native, "acknowledged"):
    file = os.open(os.environ["ACKNOWLEDGED"], os.O_RDWR)
    shared = memoryview(mmap.mmap(file, mmap.PAGESIZE)).cast("Q")
    os.close(file)
    begin_round, end_round = _native.begin_round, _native.end_round

    def begin(case, side, kind, ops, placement):
        begin_round(case, side, kind, ops, placement)
        shared[0] += 1
        shared[1] = kind in (_native.RoundKind.OBSERVED, _native.RoundKind.TOUCHED)

    def end(*arguments, **more):
        shared[1] = 0
        end_round(*arguments, **more)
        shared[0] += 1

    _native.begin_round, _native.end_round, _native.acknowledged = begin, end, shared

shared = _native.acknowledged
x = np.ones(37)
o = np.empty(37)

def call():
    np.multiply(x, 2.5, out=o)
    if shared[1]:
        shared[2] += 1
"""


@contextlib.contextmanager
def driver(directory: Path) -> Iterator[tuple[subprocess.Popen[str], Path, memoryview]]:
    """A run, the file that it is recorded to (under a name that stays), and the shared words."""
    words, path, held = directory / "words", directory / "run.rtrace", directory / "held.rtrace"
    words.write_bytes(bytes(mmap.PAGESIZE))
    sides = ("--setup", SETUP, "--a", "call()", "--b", "call()")
    command = [COMMAND, "compare", "--time", "0.6", "--python", sys.executable, "--save", str(path), *sides]
    environment = {**os.environ, "ACKNOWLEDGED": str(words)}
    pipe = subprocess.PIPE
    with (
        words.open("r+b") as file,
        mmap.mmap(file.fileno(), mmap.PAGESIZE) as memory,
        subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True) as run,
    ):
        try:
            partial = path.with_name(f".{path.name}.partial-{run.pid}")
            while not partial.exists() or partial.stat().st_size < 65536:
                assert run.poll() is None, run.communicate()
                time.sleep(0.001)
            os.link(partial, held)
            with memoryview(memory).cast("Q") as shared:
                yield run, held, shared
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)


def counted(records: list[Any], sites: dict[int, str]) -> tuple[int, int]:
    """Marks, and the counted calls in observed rounds."""
    marks = calls = 0
    observed = False
    for _, kind, _, site, _, _, fields in records:
        if kind == "mark":
            marks += 1
            observed = "begin" in fields and fields["kind"] in OBSERVED
        elif kind == "loop" and observed:
            calls += fields["n"] == ELEMENTS and sites[site].startswith("np.multiply")
    return marks, calls


def check(held: Path, marks: int, calls: int) -> bool:
    """Hold the file against what was acknowledged; True if an observed round had begun."""
    run = _native.read_recording(held)
    assert not run["complete"]
    assert run["lost"] == 0
    sites = {site["id"]: site["name"] for site in (json.loads(text) for key, text in run["documents"] if key == "site")}
    found_marks, found_calls = counted(run["records"], sites)
    assert found_marks >= marks
    # One more: the process was killed between its recording and its acknowledgement.
    assert calls <= found_calls <= calls + 1
    return calls > 0


@pytest.mark.skipif(sys.platform != "linux", reason="ends the driver that the run file names, as only Linux does here")
def test_a_driver_killed_at_any_moment_leaves_every_acknowledged_call(tmp_path: Path) -> None:
    killed = observed = 0
    for number in range(count(3, 20, 200)):
        # The file of a killed recording has all the room that was made for it: some 100 MiB, so only one is kept.
        directory = tmp_path / str(number)
        shutil.rmtree(tmp_path / str(number - 1), ignore_errors=True)
        directory.mkdir()
        with driver(directory) as (run, held, shared):
            with held.open("rb") as file:
                pid = int.from_bytes(file.read(28)[24:], "little")
            # The first kill comes once observed rounds are under way; the others anywhere, also before the first round.
            until = time.monotonic() + (60 if number == 0 else random.uniform(0, 2.5))
            while time.monotonic() < until and run.poll() is None and not (number == 0 and shared[2] > 100):
                time.sleep(random.uniform(0, 0.002))
            finished = run.poll() is not None or _native.read_recording(held)["complete"]
            if not finished:
                # It may end by itself in between.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _, err = run.communicate(timeout=60)
            marks, calls = shared[0], shared[2]
        if finished or _native.read_recording(held)["complete"]:
            continue
        killed += 1
        assert run.returncode == 1, err
        assert "signal: 9" in err, err
        observed += check(held, marks, calls)
        shown = subprocess.run([COMMAND, "show", str(held)], capture_output=True, text=True, check=False)
        said = shown.stdout + shown.stderr
        assert shown.returncode in (0, 1, 3), said
        assert "cut short" in said or "cut off" in said or "no complete round" in said or "control" in said, said
    print(f"{killed} drivers were killed, {observed} of them once calls had been acknowledged")
    assert observed > 0
