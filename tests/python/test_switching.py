"""All observers on and off while eight threads compute: no crash, no wrong result, exact counts where they are on."""

import _imp
import collections
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import tiers
from test_observers import Run

from raptors_trace import _native, kernel
from raptors_trace._native import RoundKind

THREADS = 8
# Repetitions of the work of each thread in a marked window.
TIMES = 5
# Seconds of a thread's rest: without it, eight threads on two cores leave the one that switches hardly any time.
REST = 0.005
# Bytes of a recording: enough for its window, which comes first, and not for all that follows.
LIMIT = 8 << 20

# So large that the threads compute most of the time, not wait for the interpreter's lock.
LARGE = np.linspace(-1, 1, 1 << 17, dtype=np.float32)
SMALL = LARGE[::32].copy()
MATRIX = SMALL.reshape(64, 64)
SYSTEM = MATRIX.astype(np.float64) + 80 * np.eye(64)


def work() -> list[np.ndarray]:
    """Something of every observer: loops, routines, the kernel, and the memory of all results."""
    return [
        LARGE * 2.5,
        np.exp(LARGE),
        np.add.reduce(MATRIX),
        MATRIX @ MATRIX,
        np.linalg.solve(SYSTEM, SYSTEM[0]),
        kernel.scale(SMALL, 2.5),
    ]


def is_right(expected: list[np.ndarray]) -> bool:
    """Do the work once more, to the same bits. The comparison is observed, too."""
    return all(np.array_equal(*pair) for pair in zip(work(), expected, strict=True))


class Workers:
    """Threads that compute all the time, and in a window each `TIMES` times."""

    def __init__(self) -> None:
        self.expected = work()
        self.wrong = 0
        self.tids: set[int] = set()
        self.window, self.stop = threading.Event(), threading.Event()
        # The main thread is one more.
        self.barrier = threading.Barrier(THREADS + 1, timeout=120)
        self.threads = [threading.Thread(target=self.compute) for _ in range(THREADS)]

    def compute(self) -> None:
        self.tids.add(threading.get_native_id())
        while not self.stop.is_set():
            self.check()
            if self.window.is_set():
                self.barrier.wait()
                self.barrier.wait()
                for _ in range(TIMES):
                    self.check()
                self.barrier.wait()
                self.barrier.wait()
            time.sleep(REST)

    def check(self) -> None:
        self.wrong += not is_right(self.expected)

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.barrier.abort()
        for thread in self.threads:
            thread.join()

    def compute_in_a_window(self, path: Path) -> None:
        """All threads stop, a recording and a round begin, each works, the round ends, and all go on."""
        self.window.set()
        self.barrier.wait()
        self.window.clear()
        _native.start_recording(str(path), LIMIT, LIMIT)
        _native.begin_round(0, 0, RoundKind.OBSERVED, TIMES, 0)
        self.barrier.wait()
        self.barrier.wait()
        _native.end_round(0, 0, RoundKind.OBSERVED, TIMES, wall_ns=1, cpu_ns=1, faults=0, threads=THREADS)
        self.barrier.wait()


def counts(path: Path) -> dict[int, collections.Counter[tuple[str, str, int]]]:
    """What each thread recorded in the window: kind, name and depth of its calls. The file is removed."""
    run = Run.read(path)
    path.unlink()
    begin, end = (mark.start for mark in run.of("mark"))
    found: dict[int, collections.Counter[tuple[str, str, int]]] = collections.defaultdict(collections.Counter)
    for record in run.records:
        if record.kind != "mark" and begin <= record.start and record.start + record.duration <= end:
            found[record.tid][record.kind, record.name, record.depth] += 1
    return found


def alone(path: Path) -> collections.Counter[tuple[str, str, int]]:
    """What one thread records of its part of a window when nothing else happens."""
    results = work()
    _native.start_recording(str(path), LIMIT, LIMIT)
    _native.arm()
    _native.begin_round(0, 0, RoundKind.OBSERVED, TIMES, 0)
    for _ in range(TIMES):
        is_right(results)
    _native.end_round(0, 0, RoundKind.OBSERVED, TIMES, wall_ns=1, cpu_ns=1, faults=0, threads=1)
    _native.disarm()
    _native.finish_recording()
    (found,) = counts(path).values()
    return found


@pytest.fixture
def _all_off() -> Iterator[None]:
    """Whatever happens, nothing is observed afterwards."""
    yield
    _native.disarm()


def switch(touch: bool, within: Callable[[], None] = lambda: None) -> dict[str, int]:
    """All observers on and off; returns how much each observed."""
    on = _native.arm(touch=touch)
    within()
    off = _native.disarm()
    assert off["loops"]["restored"] == on["loops"]["armed"], off["loops"]["not_armed"]
    assert off["routines"]["restored"] >= on["routines"]["armed"]
    assert off["memory"]["restored"] == 4
    assert [entry for report in off.values() for entry in report["not_armed"]] == []
    return {name: report["armed"] for name, report in on.items()}


@pytest.mark.usefixtures("_all_off")
def test_all_observers_on_and_off_under_eight_threads(tmp_path: Path) -> None:
    times, each = tiers.count(quick=20, all=500, nightly=10_000), tiers.count(quick=10, all=50, nightly=50)
    hooks = (_imp.create_dynamic, _imp.exec_dynamic)
    path = tmp_path / "window.rtrace"
    # The first time some steps differ: names are registered, and the loader binds what it had not.
    alone(path)
    expected = alone(path)
    kinds = {kind for kind, _, _ in expected}
    assert kinds >= {"loop", "routine", "scale", "alloc", "free"}
    assert min(expected.values()) >= TIMES
    armed = []
    with Workers() as workers:
        for number in range(times // each):
            armed.append(switch(touch=False, within=lambda: workers.compute_in_a_window(path)))
            armed.extend(switch(touch=turn % 2 == 0) for turn in range(each - 1))
            _native.finish_recording()
            found = counts(path)
            assert found == dict.fromkeys(workers.tids, expected), f"window {number}"
    assert len(armed) == times
    assert not workers.wrong, "results differ while the observers are switched"
    assert all(one == armed[0] for one in armed)
    assert min(armed[0].values()) > 0
    assert (_imp.create_dynamic, _imp.exec_dynamic) == hooks
    assert alone(path) == expected
