"""The scripts of either tracer: odd paths, and stacks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tracers
from scripts import IDLE, bpftrace, calls_of, dtrace, filled, finish, printed, row

pytestmark = pytest.mark.tracers


@pytest.mark.parametrize("tool", ["bt", "d"])
def test_stacks_are_sampled_or_their_lack_is_said(tmp_path, tool):
    tracers.require_root()
    path = filled(tmp_path, f"profile_stacks.{tool}", "--generic")
    # Its output is for another program, so it says nothing when it begins: here it does.
    begins = "BEGIN" if tool == "bt" else "dtrace:::BEGIN"
    path.write_text(path.read_text() + f'{begins} {{ printf("report.\\n"); }}\n')

    def start(program):
        return bpftrace(path, program, program.pid) if tool == "bt" else dtrace(path, program.pid)

    with tracers.waiting([sys.executable, "-c", IDLE]) as program:
        idle = start(program).interrupt()
    assert "No sample was taken" in idle
    busy = IDLE.replace("sys.stdin.readline();", "sys.stdin.readline(); [i * i for i in range(30_000_000)];")
    with tracers.waiting([sys.executable, "-c", f"{busy}; sys.stdin.read()"]) as program:
        report = finish(start(program), program)
    assert "No sample was taken" not in report
    assert re.search(r"python|Py|Eval", report), report


# Names of directories, and what bpftrace and DTrace cannot do with them.
BLANK = "only up to a blank"
NO_NAME = "cannot name a path"
ODD_NAMES = {
    "with space": (None, BLANK),
    'quo"te': (None, None),
    "single'quote": (None, None),
    "$(touch${IFS}broken)": (None, None),
    "`touch broken`": (None, BLANK),
    "brace}END{exit();}": (None, None),
    "new\nline": (NO_NAME, None),
    "com*/ment": (NO_NAME, None),
    "colon:x": (NO_NAME, None),
    "back\\slash": (NO_NAME, None),
    "@FILTER@${scale__entry}": (None, None),
}


# Calls one routine of each library: once that of the first, twice that of the second, and so on.
ODD_CALLER = """
import ctypes, os, sys
places, routines = sys.argv[1::2], sys.argv[2::2]
libraries = [ctypes.CDLL(place) for place in places]
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
for number, (library, routine) in enumerate(zip(libraries, routines)):
    for _ in range(number + 1):
        getattr(library, routine)()
print("done", flush=True)
sys.stdin.read()
"""
ODD_ROUTINES = [f"cblas_{letter}{stem}" for stem in ("scal", "axpy", "copy", "dot", "nrm2", "asum") for letter in "sd"]


def odd_libraries(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """Build a library with a routine of its own in a directory of each odd name, and another file beside it."""
    built = {}
    for number, (odd, routine) in enumerate(zip(ODD_NAMES, ODD_ROUTINES, strict=False)):
        place = tmp_path / odd
        place.mkdir(parents=True)
        source = tmp_path / f"{routine}.c"
        source.write_text(f"void {routine}(void) {{ }}\n")
        built[odd] = (place / f"libopenblas-r{number}.test.so", routine)
        for file, code in ((built[odd][0], source), (place / "other.so", os.devnull)):
            subprocess.run([tracers.tool("gcc"), "-shared", "-fPIC", "-o", file, "-x", "c", code], check=True)
    return built


@pytest.mark.parametrize("tool", ["bt", "d"])
def test_odd_paths_are_named_or_left_out_with_the_reason(tmp_path, tool):
    tracers.require_root()
    libraries = odd_libraries(tmp_path)
    loaded = [word for place, routine in libraries.values() for word in (str(place), routine)]
    loaded += [word for place, routine in libraries.values() for word in (str(place.with_name("other.so")), "none")]
    command = [sys.executable, "-c", ODD_CALLER.replace("zip(libraries,", "zip(libraries[:11],"), *loaded]
    assert len(libraries) == 11
    with tracers.waiting(command) as program:
        done = printed(f"trace_accelerate_calls.{tool}", "--pid", str(program.pid))
        assert done.returncode == 0, done.stderr
        path = tmp_path / f"script.{tool}"
        path.write_text(done.stdout)
        report = finish(bpftrace(path, program) if tool == "bt" else dtrace(path, program.pid), program)
    assert not list(tmp_path.rglob("broken"))
    assert not Path("broken").exists()
    code = done.stdout.split("\n */\n")[-1]
    for number, (odd, (place, routine)) in enumerate(libraries.items()):
        refused = ODD_NAMES[odd][tool == "d"]
        if refused:
            [note] = [note for note in done.stderr.split("note: ") if place.name in note]
            assert refused in note
            assert routine not in code
        elif tool == "bt":
            assert calls_of(report, f"time_ns[{routine}]") == number + 1, odd
        else:
            assert row(report, routine)[0] == number + 1, odd
