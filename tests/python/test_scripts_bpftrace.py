"""bpftrace's scripts, run for real on real processes: what they count is exact."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tracers
from scripts import (
    ENDS,
    FEW,
    IDLE,
    NAMES,
    SCRIPTS,
    assert_called_by_numpy,
    assert_exact,
    bpftrace,
    calls_of,
    counted,
    extension,
    filled,
    finish,
    maps,
    pip_numpy,
    row,
    total_of,
    work,
)

pytestmark = pytest.mark.tracers


@pytest.mark.parametrize("how", ENDS)
def test_bpftrace_counts_exactly_whatever_ends_it(tmp_path, how):
    tracers.require_root()
    with tracers.waiting(work()) as program:
        path = filled(tmp_path, "trace_accelerate_calls.bt", "--pid", str(program.pid), *FEW)
        report = finish(bpftrace(path, program), program, how)
    assert_exact(report)
    assert_called_by_numpy(report)
    if how == "Ctrl-C":
        # What has ended has no names any more.
        named = r"@callers\[cblas_sgemm *, \n\s*[0-9a-f]+ \S+ \(/.*_multiarray_umath.*\)\n\]: 7$"
        assert re.search(named, report, flags=re.MULTILINE), report
    assert counted(report, "scales[4096,4]") == "3"
    assert re.search(r"^@scale_ns: count 3,", report, flags=re.MULTILINE)
    assert re.search(r"^@blas_in_scale: count 3, average 0, total 0$", report, flags=re.MULTILINE)
    assert "Nothing was seen" not in report


def test_a_printed_script_counts_its_process_and_no_other(tmp_path):
    tracers.require_root()
    pip_numpy()
    # Nothing but the script is needed: it runs from a directory of its own.
    with tracers.waiting(work()) as program, tracers.waiting(work()) as other:
        script = filled(tmp_path, "trace_accelerate_calls.bt", "--pid", str(program.pid))
        traced = bpftrace(script, program)
        other.go()
        report = finish(traced, program)
    assert_exact(report)
    assert counted(report, "scales[4096,4]") == "3"


def test_a_stripped_numpy_is_seen_by_the_offsets_in_its_tables(tmp_path):
    tracers.require_root()
    umath, _ = pip_numpy()
    packages = Path(np.__file__).parent.parent
    for name in ("numpy", "numpy.libs"):
        shutil.copytree(packages / name, tmp_path / name, symlinks=True)
    copy = tmp_path / umath.relative_to(packages)
    subprocess.run([tracers.tool("strip"), "--strip-all", copy], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with tracers.waiting(work(64, "numpy-only"), environment) as program:
        path = filled(tmp_path, "trace_accelerate_calls.bt", "--pid", str(program.pid), *FEW)
        assert str(copy) in path.read_text()
        assert "sudo bpftrace --unsafe" in path.read_text()
        report = finish(bpftrace(path, program), program)
    assert_exact(report)
    assert_called_by_numpy(report)


def test_an_interpreter_without_raptors_trace_is_enough(tmp_path):
    tracers.require_root()
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "numpy").symlink_to(Path(np.__file__).parent)
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python3*/site-packages"))
    (site / "packages.pth").write_text(f"{packages}\n")
    bare = subprocess.run([python, "-c", "import numpy, raptors_trace"], capture_output=True, text=True, check=False)
    assert "No module named 'raptors_trace'" in bare.stderr

    path = filled(tmp_path, "trace_accelerate_calls.bt", "--python", str(python), *FEW)
    assert "usdt:" not in path.read_text()
    with tracers.waiting([str(python), *work(64, "numpy-only")[1:]]) as program:
        report = finish(bpftrace(path, program), program)
    assert_exact(report)


@contextlib.contextmanager
def at_once(starts: list[Callable[[], tracers.Script]]) -> Iterator[list[tracers.Script]]:
    """Arm several scripts of bpftrace at the same time: most of it they wait for the kernel."""
    with ThreadPoolExecutor(len(starts)) as pool:
        yield list(pool.map(lambda start: start(), starts))


def interrupted(scripts: list[tracers.Script]) -> list[str]:
    """End scripts at the same time; what each printed."""
    with ThreadPoolExecutor(len(scripts)) as pool:
        return list(pool.map(tracers.Script.interrupt, scripts))


@pytest.fixture(scope="module")
def bpftrace_reports(tmp_path_factory):
    """What four scripts say of the same work, which they watch together."""
    tracers.require_root()
    place = tmp_path_factory.mktemp("reports")
    with tracers.waiting(work(1024)) as program:
        names = ("compare_call_patterns", "page_faults", "alloc")
        paths = [filled(place, f"{name}.bt", "--pid", str(program.pid)) for name in names]
        starts = [lambda path=path: bpftrace(path, program) for path in paths]
        # This one is run as it is committed.
        starts.append(lambda: bpftrace(SCRIPTS / "scale_phases.bt", program, program.pid, extension()))
        with at_once(starts) as scripts:
            program.go()
            return dict(zip((*names, "scale_phases"), interrupted(scripts), strict=True))


def test_the_columns_of_one_process_are_told_apart(bpftrace_reports):
    report = bpftrace_reports["compare_call_patterns"]
    assert row(report, "np.multiply[ff->f]") == [10, 0]
    assert row(report, "np.matmul[ff->f]") == [7, 0]
    assert row(report, "cblas_sgemm") == [7, 0]
    assert row(report, "raptors scale") == [0, 3]
    assert counted(report, "a[np.multiply[ff->f],1048576,0,0,4,0,4,0]") == "10"
    assert counted(report, f"b[raptors scale,1048576,0,0,0,0,0,{0x40200000}]") == "3"


def test_two_processes_are_two_columns(tmp_path):
    tracers.require_root()
    with tracers.waiting(work()) as a, tracers.waiting(work(32, "numpy-only")) as b:
        pids = ["--pid", str(a.pid), "--pid", str(b.pid)]
        script = bpftrace(filled(tmp_path, "compare_call_patterns.bt", *pids), a)
        b.go()
        report = finish(script, a)
    assert row(report, "np.multiply[ff->f]") == [10, 10]
    assert row(report, "raptors scale") == [3, 0]
    assert counted(report, "b[np.multiply[ff->f],1024,0,0,4,0,4,0]") == "10"


def test_bpftrace_shows_the_phases_of_a_scale(bpftrace_reports):
    report = bpftrace_reports["scale_phases"]
    for part in ("operation", "allocation", "backend", "rest of it"):
        assert calls_of(report, f"parts_ns[{part}]") == 3
    assert counted(report, "operations[1048576,4,0]") == "3"
    parts = sum(total_of(report, f"parts_ns[{part}]") for part in ("allocation", "backend", "rest of it"))
    assert parts == total_of(report, "parts_ns[operation]"), "the parts exclude each other and add up"
    assert re.search(r"^@dispatched\[\w+, \w.*, \d+, 1048576\]: 3$", report, flags=re.MULTILINE)


def test_bpftrace_shows_where_pages_fault(bpftrace_reports):
    report = bpftrace_reports["page_faults"]
    assert calls_of(report, "faults_per_operation[np.multiply[ff->f]]") == 10
    assert calls_of(report, "faults_per_operation[Raptors: scale]") == 3
    # The first result's pages are fresh: at least as many faults as it has huge pages.
    assert total_of(report, "faults_per_operation[np.multiply[ff->f]]") >= 2
    assert int(counted(report, "faults[NumPy: inner loop]")) >= 2


def test_bpftrace_shows_what_memory_is_asked_for(bpftrace_reports):
    report = bpftrace_reports["alloc"]
    assert counted(report, f"blocks[others,malloc,{4 << 20}]") == "10", "NumPy asks malloc for each result"
    results = {key: value for key, [value] in maps(report).items() if key.startswith("raptors_memory[")}
    assert sum(map(int, results.values())) == 3
    assert all(key.endswith(f",{4 << 20}]") for key in results)


def test_bpftrace_says_so_when_nothing_was_seen(tmp_path):
    tracers.require_root()
    with tracers.waiting(work()) as program:
        # Armed for another process than the one that works.
        other = [sys.executable, "-c", f"import raptors_trace.kernel; {IDLE}; sys.stdin.read()"]
        with tracers.waiting(other) as idle:
            paths = [filled(tmp_path, f"{name}.bt", "--pid", str(idle.pid)) for name in NAMES[:4]]
            with at_once([lambda path=path: bpftrace(path, idle) for path in paths]) as scripts:
                program.go()
                reports = interrupted(scripts)
    assert len(reports) == 4
    for report in reports:
        assert re.search(r"(Nothing|No operation of Raptors|No page fault) was seen", report), report
