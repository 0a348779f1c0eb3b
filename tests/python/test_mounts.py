"""A process with mounts of its own: what it has loaded may be another file than the one of that name here."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tracers
from command import run

pytestmark = [pytest.mark.tracers, pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")]

# The same routine, in one file a page further than in the other.
SOURCE = """
%s
float cblas_sdot(int n, const float *x, int incx, const float *y, int incy) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += x[i * incx] * y[i * incy];
    return sum;
}
"""
PADDING = "\n".join(f"int padding_{i}(int a, int b) {{ return a * {i} + b / (a + {i}); }}" for i in range(400))
WORK = """
import ctypes, sys, time
blas, data = ctypes.CDLL(sys.argv[1]), (ctypes.c_float * 64)()
print("ready", flush=True)
while True:
    blas.cblas_sdot(64, data, 1, data, 1)
    time.sleep(0.001)
"""


def library(path: Path, before: str) -> Path:
    source = path.with_suffix(".c")
    source.write_text(SOURCE % before)
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    return path


@contextlib.contextmanager
def with_mounts(file: Path, other: Path) -> Iterator[int]:
    """A process that has loaded `other` under the name of `file`."""
    script = 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$2"'
    command = ["unshare", "-m", "sh", "-c", script, "-", str(other), str(file), sys.executable, WORK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            pytest.skip("this system lets root mount nothing")
        yield process.pid
        process.kill()


def test_a_file_of_another_mount_namespace_is_watched_and_ours_is_not(tmp_path: Path) -> None:
    tracers.bpftrace()
    if shutil.which("gcc") is None or shutil.which("unshare") is None:
        pytest.skip("gcc and unshare are needed")
    here = library(tmp_path / "libblas_here.so", "")
    other = library(tmp_path / "other.so", PADDING)
    with with_mounts(here, other) as pid:
        script = run("script", "compare_call_patterns.bt", "--pid", str(pid)).stdout
        assert f"/proc/{pid}/root{here}" in script
        assert f'"{here}"' not in script
        assert f":{here}:" not in script
        live = json.loads(run("calls", "--pid", str(pid), "--duration", "1", "--engine", "bpftrace", "--json").stdout)
        [call] = [call for call in live["calls"] if call["name"] == "cblas_sdot"]
        # The breakpoint of the file here would be inside of another function, and see nothing.
        assert call["calls"] > 10
        assert set(call["n"]) == {"64"}
        tracers.dtrace()
        done = run("calls", "--pid", str(pid), "--duration", "1", "--engine", "dtrace", expected=3)
        assert "the process has its own mounts" in done.stderr
