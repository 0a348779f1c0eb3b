"""NumPy's and SciPy's own tests do with all observers and the sampler on exactly what they do with them off."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

NUMPY = Path(np.__file__).parent
OBSERVING = """
import os
from raptors_trace import _native

_native.start_recording(os.environ["RAPTORS_TEST_RUN"], 4 << 30, 64 << 20)
reports = _native.arm(touch=True)
errors = {hook: report["error"] for hook, report in reports.items() if "error" in report}
assert not errors, errors
_native.start_sampling(997)
_native.sample(0)

def pytest_sessionfinish(session, exitstatus):
    _native.sample(None)
    _native.finish_sampling()
    _native.disarm()
    _native.finish_recording()
    # The last word of a run that was observed to its end.
    print("observed to the end")
"""


def started(place: Path, suite: Path, observed: bool) -> tuple[subprocess.Popen[str], Path]:
    """Start the tests of ``suite`` in a process of their own, and say where its report will be."""
    place.mkdir()
    report = place / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "-W", "default"]
    command += [f"--rootdir={place}", f"--junitxml={report}", "-o", "junit_family=xunit1"]
    path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "RAPTORS_TEST_RUN": str(place / "run.rtrace")}
    # test_mem_policy starts meson, which is installed beside this interpreter.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    # Some tests run only where so much memory is free, which must not change from one run to the other.
    environment["NPY_AVAILABLE_MEM"] = "1GB"
    if observed:
        (place / "observing.py").write_text(OBSERVING)
        command += ["-p", "observing"]
    # The output goes to a file: nobody reads a pipe while the other run is waited for.
    with (place / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [*command, str(suite)], cwd=place, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True
        )
    return process, report


def outcomes(process: subprocess.Popen[str], report: Path) -> dict[str, tuple[str, str]]:
    """Wait for the tests and return what became of each, and its message."""
    process.wait()
    assert report.exists(), (report.parent / "output.txt").read_text()[-4000:]
    results = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        ends = [child for child in case if child.tag in {"failure", "error", "skipped"}]
        kinds = ",".join(sorted(end.tag for end in ends)) or "passed"
        message = "; ".join(end.get("message", "") for end in ends)
        results[f"{case.get('classname')}::{case.get('name')}"] = (kinds, message)
    return results


def differences(off: dict[str, tuple[str, str]], on: dict[str, tuple[str, str]]) -> list[str]:
    """List the tests that came out differently, a line for each."""
    missing = ("not run", "")
    lines = []
    for test in sorted(off.keys() | on.keys()):
        (before, _), (after, why) = off.get(test, missing), on.get(test, missing)
        if before != after:
            lines.append(f"{test}: {before} without, {after} with the observers: {why[:200]}")
    return lines


def check(place: Path, suite: Path, least: int) -> None:
    """Run ``suite`` both ways; at least so many tests have to pass."""
    if not suite.exists():
        pytest.skip(f"it ships without its tests: no {suite}")
    runs = [started(place / name, suite, observed) for name, observed in (("off", False), ("on", True))]
    try:
        off, on = (outcomes(*run) for run in runs)
    finally:
        for process, _ in runs:
            process.kill()
            process.wait()
        (place / "on" / "run.rtrace").unlink(missing_ok=True)
    assert "observed to the end" in (place / "on" / "output.txt").read_text()
    passed = sum(kind == "passed" for kind, _ in off.values())
    print(f"{suite.name}: {len(off)} tests, {passed} passed")
    assert passed >= least
    different = differences(off, on)
    assert not different, "\n".join(["", *different])


@pytest.mark.all_tier
@pytest.mark.parametrize(("name", "least"), [("test_ufunc", 500), ("test_multithreading", 5)])
def test_numpys_own_tests_do_not_notice_the_observers(tmp_path: Path, name: str, least: int) -> None:
    check(tmp_path, NUMPY / "_core" / "tests" / f"{name}.py", least)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("_core/tests/test_umath.py", 3000),
        ("_core/tests/test_multiarray.py", 3000),
        ("_core/tests/test_mem_policy.py", 5),
        ("linalg/tests", 200),
        ("_core/tests/test_einsum.py", 30),
    ],
)
def test_numpys_longer_tests_do_not_notice_the_observers(tmp_path: Path, name: str, least: int) -> None:
    check(tmp_path, NUMPY / name, least)


@pytest.mark.nightly
def test_scipys_tests_of_linear_algebra_do_not_notice_the_observers(tmp_path: Path) -> None:
    scipy = pytest.importorskip("scipy")
    check(tmp_path, Path(scipy.__file__).parent / "linalg" / "tests", 1000)


def test_a_difference_is_told_test_by_test() -> None:
    off = {"a": ("passed", ""), "b": ("passed", ""), "c": ("failure", "as ever")}
    on = {"a": ("passed", ""), "b": ("failure", "1 != 2"), "d": ("passed", ""), "c": ("failure", "as ever")}
    assert differences(off, on) == [
        "b: passed without, failure with the observers: 1 != 2",
        "d: not run without, passed with the observers: ",
    ]
