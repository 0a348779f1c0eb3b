"""A saved run keeps the names of its code: a library that is rebuilt, removed or replaced does not change them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import command
import pytest

SOURCE = """
__attribute__((noinline)) double %s(double *x, long n) {
    double sum = 0;
    for (long i = 0; i < n; i++) sum += x[i] * x[i];
    return sum;
}
double work(double *x, long n) { return %s(x, n) + 1; }
"""


def build(library: Path, function: str) -> None:
    """Compile the library with this name of its function."""
    source = library.with_suffix(".c")
    source.write_text(SOURCE % (function, function))
    made = library.with_suffix(".new")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    made.replace(library)


def names(run: Path) -> str:
    """The stacks of the saved run, as they are shown now."""
    return command.run("export", str(run), "--format", "folded").stdout


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc compiles the library, and it is not here")
def test_a_saved_run_shows_the_names_that_it_was_made_with(tmp_path: Path) -> None:
    library, run = tmp_path / "libwork.so", tmp_path / "run.rtrace"
    build(library, "first_name")
    setup = f"""
import ctypes
work = ctypes.CDLL({str(library)!r}).work
work.restype = ctypes.c_double
x = (ctypes.c_double * 100_000)()
"""
    times = ("--time", "0.2", "--sample-time", "1", "--python", sys.executable)
    sides = command.statements("work(x, 100_000)", "work(x, 50_000)", setup)
    command.run("flamegraph", *times, *sides, "--save", str(run), "-o", str(tmp_path / "pictures"))
    before = names(run)
    assert ";first_name " in before
    build(library, "other_name")
    assert names(run) == before
    library.unlink()
    assert names(run) == before
    os.mkfifo(library)
    assert names(run) == before
    command.run("show", str(run), "--html", str(tmp_path / "page.html"))
    assert "first_name" in (tmp_path / "page.html").read_text()
