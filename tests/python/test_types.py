"""The stubs: what they promise is what is there, and a strict type checker accepts ordinary use."""

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("mypy", reason="mypy is not installed")

GOOD = """
    from typing import assert_type

    import numpy as np
    from numpy.typing import NDArray

    from raptors_trace import kernel

    a: NDArray[np.float32] = np.ones((2, 3), dtype=np.float32)
    r = kernel.from_numpy(a)
    assert_type(r, kernel.Array[np.float32])
    assert_type(r.scale(2.5), kernel.Array[np.float32])
    assert_type(r.scale(np.float32(2)), kernel.Array[np.float32])
    assert_type(r.scale(2, out=r), kernel.Array[np.float32])
    assert_type(r.scale(2, out=a), NDArray[np.float32])
    assert_type(r.to_numpy(), NDArray[np.float32])
    assert_type(kernel.scale(a, 2.5), NDArray[np.float32])
    assert_type(kernel.scale(r, 2.5, backend="simd", threads=1), kernel.Array[np.float32])
    assert_type(kernel.from_numpy(np.ones(3)).dtype, np.dtype[np.float64])
    assert_type((r.shape, r.size, r.copied, r.reason), tuple[tuple[int, ...], int, bool, str])
    choice = kernel.last_choice()
    if choice is not None:
        assert_type((choice.backend, choice.threads), tuple[str, int])
    np.asarray(r)
    r.scale_inplace(2.5)
"""

BAD = """
    import numpy as np

    from raptors_trace import kernel

    r = kernel.from_numpy(np.ones(3))
    other = np.ones(3, dtype=np.float32)
    kernel.from_numpy(np.ones(3, dtype=np.int64))
    kernel.from_numpy([1.0])
    r.scale("2")
    r.scale(2, out=other)
    r.scale(2.5, np.ones(3))
    r.copied = True
    kernel.last_choice().backend
"""


def mypy(code, tmp_path):
    path = tmp_path / "use.py"
    path.write_text(textwrap.dedent(code))
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={tmp_path}", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ordinary_use_passes_a_strict_check(tmp_path):
    done = mypy(GOOD, tmp_path)
    assert done.returncode == 0, done.stdout


def test_each_mistake_is_an_error_of_its_own(tmp_path):
    lines = {int(line.split(":")[1]) for line in mypy(BAD, tmp_path).stdout.splitlines() if ": error:" in line}
    first = BAD.splitlines().index("    kernel.from_numpy(np.ones(3, dtype=np.int64))") + 1
    assert lines == set(range(first, len(BAD.splitlines()) + 1))


def test_the_stubs_and_the_extension_agree(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "raptors_trace._native"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
