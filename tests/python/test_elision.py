"""The observers do not change how many results NumPy allocates.

NumPy computes an unnamed intermediate of 256 KiB or more in place. Whether that is allowed it decides by walking the C
stack: a frame that is neither its own nor the interpreter's switches it off, without any other sign than the memory.
"""

import platform
from pathlib import Path

import pytest
from command import run_python

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="NumPy walks the C stack with glibc's means")

PROGRAM = """
import json, time, tracemalloc
import numpy as np
from raptors_trace import _native

a1, a2, a3, a4 = (np.full(1_000_000, value) for value in (1.0, 2.0, 3.0, 4.0))

def unnamed():
    return a1 + a2 + a3 + a4

def named():
    first = a1 + a2
    second = first + a3
    return second + a4

def results(function):
    # The most memory at one time, in results. NumPy tells tracemalloc after it has allocated, from outside the frames
    # that it looks at.
    tracemalloc.start()
    result = function()
    most = tracemalloc.get_traced_memory()[1] // result.nbytes
    tracemalloc.stop()
    assert (result == 10.0).all()
    return most

def recorded():
    # What the observer of the memory itself has seen of one operation.
    records = _native.read_recording(path)["records"]
    return sum(kind == "alloc" and event["bytes"] == a1.nbytes for _, kind, *_, event in records)

path = PATH
answer = {"off": [results(unnamed), results(named)]}
_native.start_recording(path, 256 << 20, 8 << 20)
_native.start_sampling(997)
reports = _native.arm(touch=True)
assert all(report["armed"] > 0 for report in reports.values()), reports
_native.sample(0)
unnamed()
answer["recorded"] = recorded()
answer["on"] = [results(unnamed), results(named)]
until = time.process_time() + 0.1
while time.process_time() < until:
    unnamed()
answer["sampled"] = [results(unnamed), results(named)]
_native.sample(None)
_native.disarm()
_native.finish_recording()
print(json.dumps(answer))
"""


def test_an_unnamed_intermediate_is_reused_with_every_observer_and_the_sampler_on(tmp_path: Path) -> None:
    answer = run_python(PROGRAM.replace("PATH", repr(str(tmp_path / "run.rtrace"))))
    # One result for all, and one for each name: the count tells the two apart.
    assert answer == {"off": [1, 3], "recorded": 1, "on": [1, 3], "sampled": [1, 3]}
