"""NumPy's own tests of its ufuncs pass with all observers on exactly as they do with them off."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

SUITE = Path(np.__file__).parent / "_core" / "tests" / "test_ufunc.py"
OBSERVING = """
import os, sys
from raptors_trace import _native

_native.start_recording(os.environ["RAPTORS_TEST_RUN"], 4 << 30, 64 << 20)
reports = _native.arm(touch=True)
errors = {hook: report["error"] for hook, report in reports.items() if "error" in report}
assert not errors, errors

def pytest_sessionfinish(session, exitstatus):
    _native.disarm()
    _native.finish_recording()
"""


def outcomes(place: Path, observed: bool) -> dict[str, str]:
    """Run NumPy's tests and return what became of each."""
    place.mkdir()
    report = place / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    command += [f"--rootdir={place}", f"--junitxml={report}", "-o", "junit_family=xunit1"]
    environment = {**os.environ, "PYTHONPATH": str(place), "RAPTORS_TEST_RUN": str(place / "run.rtrace")}
    if observed:
        (place / "observing.py").write_text(OBSERVING)
        command += ["-p", "observing"]
    done = subprocess.run(
        [*command, str(SUITE)], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert report.exists(), done.stdout + done.stderr
    results = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        kinds = sorted(child.tag for child in case if child.tag in {"failure", "error", "skipped"})
        results[f"{case.get('classname')}::{case.get('name')}"] = ",".join(kinds) or "passed"
    return results


@pytest.mark.skipif(not SUITE.exists(), reason=f"this NumPy ships without its tests: no {SUITE}")
def test_numpys_own_ufunc_tests_do_not_notice_the_observers(tmp_path: Path) -> None:
    off = outcomes(tmp_path / "off", observed=False)
    on = outcomes(tmp_path / "on", observed=True)
    assert len(off) > 500
    assert sum(outcome == "passed" for outcome in off.values()) > 500
    assert on == off
