"""What the hooks count is what the kernel of the operating system counts, on the same run.

bpftrace puts uprobes on NumPy's inner loops and on the routines of its OpenBLAS while the in-process observers are
on. Both see the same process doing the same work once; symbol by symbol the counts have to be equal.
"""

import json
import operator
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tracers

from raptors_trace import _native

pytestmark = pytest.mark.tracers

LOOP = re.compile(r"^[A-Z]+_(multiply|add|exp|matmul)(_X86_V\d|_AVX\w+|_ASIMD\w*|_NEON\w*|_SVE)?$")
ROUTINE = re.compile(r"^(scipy_)?(cblas_[sd](gemm|gemv|dot|syrk|axpy|scal|nrm2)(64_)?|[sd]gesv_(64_)?)$")
REPEATS = 10

# What is done, and how often each loop and routine has to be seen for it where that is known beforehand.
WORK = f"""
import sys, threading
import numpy as np
from raptors_trace import _native

a = np.ones((64, 64), np.float32)
b = np.ones((64, 64), np.float32)
v = np.ones(512, np.float32)
d = np.eye(16) * 3
wide = np.ones((300, 300), np.float64)
mask = np.zeros((64, 64), bool)
mask[::2] = True
out = np.zeros((64, 64), np.float32)

_native.start_recording(sys.argv[1], 1 << 30, 16 << 20)
reports = _native.arm()
errors = [report["error"] for report in reports.values() if "error" in report]
assert not errors, errors
print("ready", __import__("os").getpid(), flush=True)
sys.stdin.readline()
for _ in range({REPEATS}):
    a * b
    a + b
    a.sum()
    np.exp(a)
    a @ b
    np.dot(v, v)
    np.linalg.solve(d, d[0])
    a * v[:64]
    wide * np.float32(2)
    np.multiply(wide, 2, dtype=np.float32, casting="unsafe")
    np.multiply(a, b, out=out, where=mask)
def work():
    for _ in range({REPEATS}):
        a * b
        a @ b
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
_native.disarm()
_native.finish_recording()
"""


def symbols(path: Path, pattern: re.Pattern[str], dynamic: bool) -> dict[str, int]:
    """Return the functions of a file whose name matches, with their addresses in it."""
    command = ["nm", "-D" if dynamic else "-a", "--defined-only", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in shown.splitlines():
        fields = line.split(maxsplit=2)
        if len(fields) == 3 and fields[1] in "tT" and pattern.match(fields[2]):
            found[fields[2]] = int(fields[0], 16)
    return found


def openblas() -> Path:
    """Return the OpenBLAS that NumPy's wheel brings."""
    places = Path(np.__file__).parent.parent / "numpy.libs"
    found = sorted(places.glob("libscipy_openblas*.so*"))
    if not found:
        tracers.unavailable(f"this NumPy brings no OpenBLAS in {places}; install one from PyPI")
    return found[0]


def probed() -> list[tuple[Path, str, int]]:
    """Return file, symbol and address of everything that bpftrace is to count."""
    from numpy._core import _multiarray_umath

    umath = Path(_multiarray_umath.__file__)
    loops = symbols(umath, LOOP, dynamic=False)
    if not loops:
        tracers.unavailable(f"{umath} is stripped; NumPy's wheels from PyPI are not")
    library = openblas()
    routines = symbols(library, ROUTINE, dynamic=True)
    return [(umath, name, at) for name, at in loops.items()] + [(library, name, at) for name, at in routines.items()]


def program(points: list[tuple[Path, str, int]], pid: int) -> str:
    # The probe is in the file, so that other processes hit it too, whatever is said with -p.
    return "".join(f'uprobe:{path}:{name} /pid == {pid}/ {{ @["{name}"] = count(); }}\n' for path, name, _ in points)


def counted(text: str) -> Counter[str]:
    found = re.findall(r"^@\[(\w+)\]: (\d+)$", text, flags=re.MULTILINE)
    return Counter({name: int(count) for name, count in found})


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Counter[str], Counter[str]]:
    """Run the work once; what the hooks saw and what bpftrace saw, by symbol."""
    tracer_path = tracers.bpftrace()
    tracers.tool("nm")
    run = tmp_path_factory.mktemp("reality") / "run.rtrace"
    points = probed()
    with tracers.waiting([sys.executable, "-c", WORK, str(run)]) as waiting:
        command = [tracer_path, "-p", str(waiting.pid), "-e", program(points, waiting.pid)]
        traced = counted_by(command, waiting, points)
    names = {name for _, name, _ in points}
    return +Counter({name: n for name, n in hooked(run).items() if name in names}), counted(traced)


def hooked(run: Path) -> Counter[str]:
    """Return how often the hooks saw each symbol."""
    recording = _native.read_recording(run)
    assert recording["complete"]
    assert recording["lost"] == 0
    sites = [json.loads(text) for key, text in recording["documents"] if key == "site"]
    names = {site["id"]: site.get("symbol") for site in sites}
    calls = (site for _, kind, _, site, *_ in recording["records"] if kind in {"loop", "routine"})
    return Counter(names[site] for site in calls)


def counted_by(command: list[str], program: tracers.Program, points: list[tuple[Path, str, int]]) -> str:
    """Let the program run once every point is a breakpoint in its memory; what the tracer printed."""
    addresses = [program.base(path) + at for path, _, at in points]
    before = program.instructions(addresses)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            deadline = time.monotonic() + tracers.ATTACH_SECONDS
            while any(map(operator.eq, before, program.instructions(addresses))):
                assert tracer.poll() is None, tracer.communicate()
                assert time.monotonic() < deadline, "bpftrace is not attached"
                time.sleep(0.05)
            program.run()
            try:
                printed, _ = tracer.communicate(timeout=tracers.NOTICE_SECONDS)
            except subprocess.TimeoutExpired:
                tracer.send_signal(signal.SIGINT)
                printed, _ = tracer.communicate(timeout=tracers.END_SECONDS)
        finally:
            if tracer.poll() is None:
                tracer.kill()
    return printed


def test_the_hooks_count_what_uprobes_count(both: tuple[Counter[str], Counter[str]]) -> None:
    seen, traced = both
    assert sum(traced.values()) > 20 * REPEATS
    assert seen == +traced


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        # a @ b, once in the main thread and once in each of four others
        (r"(scipy_)?cblas_sgemm(64_)?", 5 * REPEATS),
        (r"FLOAT_matmul", 5 * REPEATS),
        (r"(scipy_)?cblas_sdot(64_)?", REPEATS),
        (r"(scipy_)?dgesv_(64_)?", REPEATS),
        (r"FLOAT_exp(_\w+)?", REPEATS),
    ],
)
def test_known_work_gives_the_known_counts(
    both: tuple[Counter[str], Counter[str]], pattern: str, expected: int
) -> None:
    for side in both:
        seen = sum(count for name, count in side.items() if re.fullmatch(pattern, name))
        assert seen == expected, (pattern, side)
