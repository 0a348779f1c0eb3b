"""The memory of results: kept for the next ones, given back, never grown; and stores past the caches."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from raptors_trace import kernel

MIB = 1 << 20


def in_new_process(code: str, **variables: str) -> str:
    """Run code in a process whose memory is its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | variables
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


REUSE = """
import numpy as np
from raptors_trace import kernel
r = kernel.from_numpy(np.ones(1 << 20, np.float32))
first = r.scale(2.0).to_numpy().ctypes.data
again = r.scale(3.0).to_numpy()
print(again.ctypes.data == first, float(again[-1]))
del again
print(kernel.trim() >> 20, kernel.trim())
"""


def test_a_results_memory_is_the_next_ones() -> None:
    assert in_new_process(REUSE) == "True 3.0\n4 0"
    assert in_new_process(REUSE, RAPTORS_BUFFER_CACHE="0").endswith(" 3.0\n0 0")


RESIDENT = """
import numpy as np
from raptors_trace import kernel
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
r = kernel.from_numpy(np.ones((4096, 4096), np.float32))
for _ in range(10):
    r.scale(2.5)
tenth = resident()
for _ in range(300):
    r.scale(2.5)
print(abs(resident() - tenth) >> 20)
before = resident()
kernel.trim()
print((before - resident()) >> 20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_and_is_given_back() -> None:
    grown, given = map(int, in_new_process(RESIDENT).split())
    assert grown <= 2
    assert given >= 63


def test_a_bad_limit_is_an_error_that_names_it() -> None:
    code = "import numpy as np; from raptors_trace import kernel; kernel.scale(np.ones(1 << 20), 2.0)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"RAPTORS_BUFFER_CACHE": "lots"},
    )
    assert done.returncode == 1
    assert "RAPTORS_BUFFER_CACHE" in done.stderr
    assert "256M" in done.stderr


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 1000, 3 * MIB + 5])
@pytest.mark.parametrize("threads", [1, 2])
def test_streaming_stores_give_the_same_bits(dtype: type, n: int, threads: int) -> None:
    a = np.random.default_rng(n).standard_normal(n).astype(dtype)
    for start in (0, min(1, n)):
        source = a[start:]
        expected = source * dtype(2.5)
        result = kernel.scale(source, 2.5, stores="stream", threads=threads)
        choice = kernel.last_choice()
        assert choice is not None
        assert choice.stores == "stream"
        assert result.tobytes() == expected.tobytes()
        out = np.empty_like(a)[start:]
        kernel.scale(source, 2.5, out=out, stores="stream", threads=threads)
        assert out.tobytes() == expected.tobytes()


def test_stores_that_are_none_are_refused() -> None:
    a = np.ones(4, np.float32)
    with pytest.raises(ValueError, match="plain and stream"):
        kernel.scale(a, 2.0, stores="wide")
    with pytest.raises(ValueError, match="scalar has no streaming stores"):
        kernel.scale(a, 2.0, backend="scalar", stores="stream")


def test_the_automatic_choice_streams_past_the_last_level_cache_only() -> None:
    small, large = np.ones(1 << 18, np.float32), np.ones(1 << 27, np.float32)
    kernel.scale(small, 2.0)
    choice = kernel.last_choice()
    assert choice is not None
    assert choice.stores == "plain"
    result = kernel.scale(large, 2.0)
    choice = kernel.last_choice()
    assert choice is not None
    assert "streaming past the last-level cache" in choice.reason or choice.stores == "plain"
    assert float(result[-1]) == 2.0
    kernel.from_numpy(large).scale_inplace(2.0)
    choice = kernel.last_choice()
    assert choice is not None
    assert choice.stores == "plain"


def test_eight_threads_at_once_get_right_results() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        a: NDArray[np.float32] = np.full(300_000, number, np.float32)
        for factor in range(1, 30):
            if not (kernel.scale(a, factor, threads=2) == number * factor).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
