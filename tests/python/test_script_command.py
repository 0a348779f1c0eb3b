"""`raptors-trace script`: what cannot be printed says why, and what a script watches can be chosen."""

import re
import sys

import tracers
from scripts import IDLE, printed


def test_what_cannot_be_printed_says_why():
    for arguments, code, told in [
        (["nonsense"], 2, "trace_accelerate_calls, compare_call_patterns"),
        (["alloc", "--pid", "1", "--pid", "2"], 2, "compare_call_patterns"),
        (["alloc", "--pid", "0"], 2, "--pid"),
        (["alloc.bt", "--pid", str(2**22 + 1)], 1, "help:"),
        (["alloc.bt", "--python", tracers.tool("true")], 1, "could not be asked"),
        (["trace_accelerate_calls", "--generic", "--routine", "sgem"], 1, "did you mean"),
        (["page_faults.bt", "--generic"], 1, "give the process with --pid PID"),
    ]:
        done = printed(*arguments)
        assert done.returncode == code, done.stderr
        assert told in done.stderr
        assert not done.stdout


def test_a_process_without_any_of_it_is_refused():
    if not sys.platform.startswith("linux"):
        tracers.unavailable("a process is looked at through /proc")
    with tracers.waiting([sys.executable, "-c", IDLE]) as program:
        done = printed("trace_accelerate_calls.bt", "--pid", str(program.pid))
        assert done.returncode == 3
        assert "no math library, no NumPy and no Raptors" in done.stderr


def test_the_routines_and_ufuncs_can_be_chosen():
    if not sys.platform.startswith("linux"):
        tracers.unavailable("a NumPy is looked into through /proc")
    chosen = ["--routine", "cblas_sgemm,dgesv", "--ufunc", "reciprocal"]
    done = printed("trace_accelerate_calls.bt", "--python", sys.executable, *chosen)
    code = done.stdout.split("\n */\n")[1]
    assert set(re.findall(r'@shapes\["(\w+)', code)) <= {"cblas_sgemm", "dgesv"}
    assert {"reciprocal"} <= set(re.findall(r'@loops\["np\.(\w+)', code)) <= {"reciprocal", "absolute"}
    # NumPy runs one piece of code for several ufuncs, which is then said.
    shared = printed("trace_accelerate_calls.bt", "--python", sys.executable, "--ufunc", "hypot").stdout
    assert re.search(r'@loops\["np\.\w+\[ff->f\] \+\d+ *"', shared)
