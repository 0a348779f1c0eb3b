"""The scripts of bpftrace and DTrace run on a program whose work is known, and what is read of their reports."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import tracers

SCRIPTS = tracers.REPOSITORY / "dtrace"
STANDINS = Path(__file__).with_name("standins.c")
NAMES = ["trace_accelerate_calls", "compare_call_patterns", "scale_phases", "page_faults", "alloc", "profile_stacks"]
PIP_OPENBLAS = "libscipy_openblas"
# Every probe takes a while to withdraw: where it is not about them all, these will do.
FEW = ["--routine", "cblas_sgemm,cblas_dgemm", "--ufunc", "multiply,matmul"]
ENDS = ["Ctrl-C", "its end", "its death"]

# Ten multiplies, seven matmuls, three scales, and where a size is given, arrays of that many rows and columns.
WORK = """
import os, sys
import numpy as np
n = int(sys.argv[1])
a = np.ones((n, n), np.float32)
b = np.ones((64, 64), np.float32)
if "numpy-only" not in sys.argv:
    from raptors_trace import kernel
    r = kernel.from_numpy(a)
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
for _ in range(10):
    a * 2.5
for _ in range(7):
    b @ b
if "numpy-only" not in sys.argv:
    for _ in range(3):
        r.scale(2.5)
print("done", flush=True)
sys.stdin.read()
"""
IDLE = 'import os, sys; print("ready", os.getpid(), flush=True); sys.stdin.readline(); print("done", flush=True)'


def work(size: int = 64, *arguments: str) -> list[str]:
    return [sys.executable, "-c", WORK, str(size), *arguments]


def command() -> str:
    """Return the command: RAPTORS_TRACE_COMMAND, else the one beside this interpreter, else the plain binary."""
    named = os.environ.get("RAPTORS_TRACE_COMMAND")
    beside = Path(sys.executable).with_name("raptors-trace")
    return named or str(beside if beside.exists() else tracers.REPOSITORY / "target" / "debug" / "raptors-trace")


def printed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``raptors-trace script``."""
    return subprocess.run([command(), "script", *arguments], capture_output=True, text=True, check=False, timeout=120)


def filled(tmp_path: Path, name: str, *arguments: str) -> Path:
    """Print a script into a file."""
    done = printed(name, *arguments)
    assert done.returncode == 0, done.stderr
    path = tmp_path / name
    path.write_text(done.stdout)
    return path


def bpftrace(script: Path, program: tracers.Program, *parameters: object) -> tracers.Script:
    unsafe = ["--unsafe"] if " --unsafe " in script.read_text() else []
    return tracers.Script([tracers.bpftrace(), *unsafe, "-p", str(program.pid), str(script), *map(str, parameters)])


def dtrace(script: Path, *pids: int) -> tracers.Script:
    targets = [word for pid in pids for word in ("-p", str(pid))]
    return tracers.Script([tracers.dtrace(), "-s", str(script), *targets])


def finish(script: tracers.Script, program: tracers.Program, how: str = "Ctrl-C") -> str:
    """Let the program do its work and end the script in one of the ways."""
    program.go()
    if how == "Ctrl-C":
        return script.interrupt()
    if how == "its end":
        program.end_input()
    else:
        program.child.send_signal(signal.SIGKILL)
    return script.ended()


def maps(report: str) -> dict[str, list[str]]:
    """Return bpftrace's maps: ``@name[key, …]: value`` as a value for each key, blanks taken out."""
    found: dict[str, list[str]] = {}
    for name, key, value in re.findall(r"^@(\w+)\[(.*)\]: (.*)$", report, flags=re.MULTILINE):
        key = ",".join(part.strip() for part in key.split(","))
        found.setdefault(f"{name}[{key}]", []).append(value)
    return found


def counted(report: str, key: str) -> str:
    """Return the value of one key of a map, which has to be there once."""
    found = maps(report)
    assert key in found, report
    [value] = found[key]
    return value


def calls_of(report: str, key: str) -> int:
    """Return the count of a key whose value is ``count 7, average …``."""
    match = re.match(r"count (\d+),", counted(report, key))
    assert match, report
    return int(match[1])


def total_of(report: str, key: str) -> int:
    match = re.search(r"total (-?\d+)$", counted(report, key))
    assert match, report
    return int(match[1])


def row(report: str, label: str) -> list[int]:
    """Return the numbers of a row of the first table that has it."""
    found = re.search(rf"^{re.escape(label)} +((?:-?(?:0x)?[0-9a-f]+ *)+)$", report, flags=re.MULTILINE)
    assert found, f"{label} is in no table of\n{report}"
    return [int(number, 0) for number in found[1].split()]


def pip_numpy() -> tuple[Path, Path]:
    """Return the files of the loops and of the OpenBLAS of a NumPy from PyPI."""
    from numpy._core import _multiarray_umath

    libraries = sorted((Path(np.__file__).parent.parent / "numpy.libs").glob(f"{PIP_OPENBLAS}*.so*"))
    if not libraries:
        tracers.unavailable("this NumPy brings no OpenBLAS; install one from PyPI")
    return Path(_multiarray_umath.__file__), libraries[0]


def extension() -> Path:
    found = importlib.util.find_spec("raptors_trace._native")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).resolve()


def assert_exact(report: str) -> None:
    """Hold what trace_accelerate_calls.bt saw of WORK with 64 × 64 against what that does."""
    assert counted(report, "loops[np.multiply[ff->f],4096,4,0,4]") == "10"
    assert counted(report, "loops[np.matmul[ff->f],1,64,64,64]") == "7"
    assert calls_of(report, "time_ns[np.multiply[ff->f]]") == 10
    assert calls_of(report, "time_ns[cblas_sgemm]") == 7
    assert counted(report, "shapes[cblas_sgemm,64,64,64,64,0,0,0]") == "7", "m, n, k and, from the stack, lda"
    assert calls_of(report, "blas_in_loop[np.multiply[ff->f]]") == 10
    assert total_of(report, "blas_in_loop[np.multiply[ff->f]]") == 0, "NumPy's multiply calls no BLAS"
    assert total_of(report, "blas_in_loop[np.matmul[ff->f]]") == 7, "and the same probes see it where it is called"


def assert_called_by_numpy(report: str) -> None:
    """Hold that the script, filled in for a process, names the file that called each routine."""
    [(file, calls)] = re.findall(r"^@modules\[cblas_sgemm *, (\S+) *\]: (\d+)$", report, flags=re.MULTILINE)
    assert file.startswith("_multiarray_umath")
    assert calls == "7"
