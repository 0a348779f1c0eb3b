"""Sides as users write them: their own names, results that are no arrays, C kernels that are given addresses."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import command
import pytest

from raptors_trace._names import FACTOR, names_of_a_setup

KERNEL = """
static const double *kept;
static long kept_count;

/* One element a page, so many times; no pass at all is a crash. */
double total(const double *x, long n, int passes) {
    double sum = *(volatile double *)(passes ? x : 0);
    for (int pass = 0; pass < passes; pass++) {
        sum = 0;
        for (long i = 0; i < n; i += 512)
            sum += ((volatile const double *)x)[i];
    }
    return sum;
}

/* Keeps an address that nobody else knows. */
void keep(const double *x, long n) {
    kept = x;
    kept_count = n;
}

double of_kept(int passes) {
    return total(kept, kept_count, passes);
}
"""
BIG = 5 << 20
"""Numbers of an array whose memory goes back to the system at once: above the largest threshold of glibc's."""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Python that loads a real library, written in C, as `lib`."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("skipped: there is no C compiler", file=sys.stderr)
        pytest.skip("there is no C compiler")
    directory = tmp_path_factory.mktemp("kernel")
    (directory / "kernel.c").write_text(KERNEL)
    library = directory / "kernel.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, directory / "kernel.c"], check=True)
    return (
        f"import ctypes, threading\nlib = ctypes.CDLL({str(library)!r})\n"
        "lib.total.restype = lib.of_kept.restype = ctypes.c_double\n"
        "lib.total.argtypes = (ctypes.c_void_p, ctypes.c_long, ctypes.c_int)\n"
        "lib.keep.argtypes = (ctypes.c_void_p, ctypes.c_long)\n"
    )


def explain(*arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    """Explain, with some tenths of a second for an experiment."""
    return command.run("explain", "--time", "2", "--json", "--quiet", *arguments, expected=expected)


# Addresses.


def test_a_kernel_that_was_given_addresses_survives_the_experiments_and_a_crash_costs_one(kernel: str) -> None:
    setup = (
        f"{kernel}lock, kind = threading.Lock(), type(threading.Lock())\n"
        "x = rng.random(1 << 16)[1:]\np, n = x.ctypes.data, x.size\n"
        f"y = np.zeros({BIG})[3:]\nlib.keep(y.ctypes.data, 1 << 16)"
    )
    a = "lib.total(p, n, 1) + lib.of_kept(1)"
    b = "lib.total(p, n, 30 if isinstance(lock, kind) else 0) + lib.of_kept(30)"
    document = json.loads(explain("--setup", setup, "--a", a, "--b", b).stdout)
    (case,) = document["explained"]
    assert case["gap"]
    assert case["complete"]
    reasons = {entry["cause"]: entry["why"] for entry in case["not_tried"]}
    assert reasons["a lock"] == "not possible: the side crashed with it (signal: 11 (SIGSEGV))"
    # Only the array whose address nobody is seen to hold was moved; where it was before, the library still reads.
    (alignment,) = (finding for finding in document["findings"] if finding["cause"].startswith("alignment"))
    assert "`y`" in alignment["evidence"][0]
    assert "`x`" not in alignment["evidence"][0]


def test_a_side_that_crashes_without_an_experiment_is_reported_with_its_signal(kernel: str) -> None:
    # In the process of the experiments only: the comparison before them is to go well.
    setup = f"{kernel}import sys\nlab = sys.argv[0].endswith('_lab.py')\nx = rng.random(999)\np, n = x.ctypes.data, 999"
    both = ("--a", "lib.total(p, n, 1)", "--b", "lib.total(p, n, 0 if lab else 900)")
    done = explain("--setup", setup, *both, expected=1)
    assert "error: `B` crashed without any experiment (signal: 11 (SIGSEGV))" in done.stderr
    assert "under a debugger" in done.stderr
    document = json.loads(done.stdout)
    assert document["cases"]
    done = command.compare("--setup", setup, "--a", "lib.total(p, n, 1)", "--b", "lib.total(p, n, 0)", expected=1)
    assert "signal: 11 (SIGSEGV)" in done.stderr


# Names.


def test_help_lists_every_name_that_is_provided() -> None:
    shown = " ".join(command.run("compare", "--help").stdout.split())
    provided = [name for name in names_of_a_setup((1,), "float32", 0) if not name.startswith("__")]
    listed = re.search(r"Provided are (.*?); a name that the setup defines replaces the provided one", shown)
    assert listed is not None
    assert re.split(r", | and ", listed[1]) == provided
    assert f"Provides `{FACTOR}`, unless the setup defines it" in shown


@pytest.mark.parametrize("subcommand", ["compare", "calls", "flamegraph", "explain"])
def test_a_setups_own_names_are_used_wherever_a_setup_runs(subcommand: str, tmp_path: Path) -> None:
    setup = "from math import sqrt as s\nsize = 4\nrange = np = 2.0\ndef kernel(x): return s(x) * np + range"
    arguments = [subcommand, "--time", "0.3", "--setup", setup, "--a", "kernel(s(size))", "--b", "kernel(s(size))"]
    if subcommand == "flamegraph":
        arguments += ["--output", str(tmp_path), "--sample-time", "0.3"]
    command.run(*arguments)


def test_the_factor_needs_in_place() -> None:
    statements = ("--setup", "a = np.ones(4)", "--a", "a *= s", "--b", "np.multiply(a, s, out=a)")
    done = command.compare(*statements, expected=1)
    assert "NameError: name 's' is not defined" in done.stderr
    assert "help: define `s` in --setup; only --in-place provides it" in done.stderr
    command.compare(*statements, "--in-place")


# Results.

MINIMUM = (
    "from scipy.optimize import minimize\ndef found(start): return minimize(lambda x: ((x - 3) ** 2).sum(), start)"
)


def warnings_of(*arguments: str) -> list[str]:
    document: dict[str, Any] = json.loads(command.compare("--json", *arguments).stdout)
    return [warning for warning in document["warnings"] if "values" in warning]


def test_results_of_scipy_are_compared_and_differ_by_field() -> None:
    start = "found(np.zeros(2))"
    assert warnings_of("--setup", MINIMUM, "--a", start, "--b", start) == []
    done = command.compare("--setup", MINIMUM, "--a", start, "--b", "found(np.ones(2))", expected=1)
    assert re.search(r"error: the sides give different values: `\['\w+'\](\[\d+\])?` is ", done.stderr), done.stderr


def test_results_that_cannot_be_compared_are_told_of_and_the_run_goes_on() -> None:
    setup = "class Opaque:\n    __slots__ = ()"
    (warning,) = warnings_of("--setup", setup, "--a", "Opaque()", "--b", "Opaque()")
    assert warning == (
        "whether the sides give the same values is unknown: values of the type Opaque cannot be compared; the run went "
        "on as with --allow-different"
    )
    assert warnings_of("--setup", setup, "--a", "Opaque()", "--b", "Opaque()", "--allow-different") == []
