"""A process that nobody prepared, watched from outside: its calls, and the commands for it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import tracers

pytestmark = pytest.mark.tracers

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "calls.schema.json"
# At work until its input ends: ten multiplications, seven matrix products and one Raptors operation a turn.
WORK = """
import sys, threading, numpy as np
from raptors_trace import kernel
a = np.ones((64, 64), np.float32)
r = kernel.from_numpy(a)
print("ready", flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), exit_now.append(1)), daemon=True).start()
exit_now = []
import time
while not exit_now:
    for _ in range(10): a * 2.5
    for _ in range(7): a @ a
    r.scale(2.5)
    time.sleep(0.01)
print("turns are over", flush=True)
sys.exit(7)
"""


@contextlib.contextmanager
def working(program: str = WORK, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python at work, and end it."""
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        if process.poll() is None:
            process.kill()


def run(*arguments: str, expected: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=300, **options)
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def sums(live: dict[str, Any]) -> dict[str, int]:
    """How often each thing was called."""
    found: dict[str, int] = {}
    for call in live["calls"]:
        found[call["name"]] = found.get(call["name"], 0) + call["calls"]
    return found


@pytest.mark.parametrize("engine", ["bpftrace", "dtrace"])
def test_the_calls_of_a_process_that_nobody_prepared(engine: str) -> None:
    getattr(tracers, engine)()
    with working() as process:
        live = json.loads(
            run("calls", "--pid", str(process.pid), "--duration", "2", "--engine", engine, "--json").stdout
        )
        output, _ = process.communicate("", timeout=30)
    jsonschema.validate(live, json.loads(SCHEMA.read_text()))
    # The process went on as if nobody had watched.
    assert (process.returncode, output) == (7, "turns are over\n")
    assert (live["schema"], live["pid"], live["engine"], live["ended"]) == (
        "raptors-trace/calls/1",
        process.pid,
        engine,
        False,
    )
    counted = sums(live)
    turns = counted["raptors scale"]
    assert turns > 10
    # What stands in the middle of a turn when the watching begins and ends is at most one turn's work at each end.
    assert abs(counted["np.multiply[ff->f]"] - 10 * turns) <= 20
    assert abs(counted["np.matmul[ff->f]"] - 7 * turns) <= 14
    [multiply] = [call for call in live["calls"] if call["name"] == "np.multiply[ff->f]"]
    assert (multiply["n"], multiply["strides"]) == ({"4096": multiply["calls"]}, [4, 0, 4])
    assert multiply["total_ns"] > 0
    if engine == "bpftrace":
        assert abs(counted["cblas_sgemm"] - 7 * turns) <= 14
        [gemm] = [call for call in live["calls"] if call["name"] == "cblas_sgemm"]
        assert (gemm["n"], gemm["strides"]) == ({"64": gemm["calls"]}, [64, 64])
    else:
        assert "cblas_sgemm" not in counted
        assert any("addresses are not its file offsets" in why for why in live["left_out"])


# At work until it is killed, on libraries that stand in for Apple's: m and n of vDSP_mmul, a matrix of 3 × 5, are the
# seventh and the eighth argument, n of cblas_strsm is the seventh.
STACKED = """
import ctypes, os, time
load = lambda name: ctypes.CDLL(os.path.join(os.environ["STANDINS"], name))
vdsp, blas = load("libvDSP.dylib"), load("libBLAS.dylib")
data = (ctypes.c_float * 4096)()
s, one = ctypes.c_size_t, ctypes.c_ssize_t(1)
print("ready", flush=True)
while True:
    vdsp.vDSP_mmul(data, one, data, one, data, one, s(3), s(5), s(7))
    blas.cblas_strsm(101, 141, 121, 111, 132, 3, 5, ctypes.c_float(1), data, 64, data, 64)
    time.sleep(0.01)
"""


@pytest.mark.parametrize("engine", ["bpftrace", "dtrace"])
def test_sizes_that_are_passed_on_the_stack_are_shown(tmp_path: Path, engine: str) -> None:
    getattr(tracers, engine)()
    for library, what in {"libvDSP.dylib": "-DVDSP", "libBLAS.dylib": "-DBLAS"}.items():
        options = ["-O1", "-shared", "-fPIC", what, "-x", "c", str(Path(__file__).with_name("standins.c"))]
        subprocess.run([tracers.tool("gcc"), *options, "-o", tmp_path / library], check=True)
    with working(STACKED, STANDINS=str(tmp_path)) as process:
        shown = run("calls", "--pid", str(process.pid), "--duration", "1", "--engine", engine, "--json").stdout
    calls = {call["name"]: call for call in json.loads(shown)["calls"]}
    for name in ("vDSP_mmul", "cblas_strsm"):
        assert (calls[name]["n"], calls[name]["strides"][0]) == ({"3": calls[name]["calls"]}, 5), shown


def test_what_a_tracer_lost_is_a_warning_also_where_it_ended_well(tmp_path: Path) -> None:
    tracers.bpftrace()
    # The real bpftrace, which says first what it says where it cannot keep up.
    stand_in = tmp_path / "bpftrace"
    stand_in.write_text(f"#!/bin/sh\n[ $# = 1 ] || echo 'Lost 7 events'\nexec {shutil.which('bpftrace')} \"$@\"\n")
    stand_in.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with working() as process:
        arguments = ("calls", "--pid", str(process.pid), "--duration", "1", "--engine", "bpftrace")
        live = json.loads(run(*arguments, "--json", env=environment).stdout)
        text = run(*arguments, env=environment).stdout
    jsonschema.validate(live, json.loads(SCHEMA.read_text()))
    [warning] = live["warnings"]
    assert warning.startswith("bpftrace lost 7 events, so that counts are too low")
    assert "warning: bpftrace lost 7 events" in text
    assert sums(live)["np.multiply[ff->f]"] > 0


def test_another_process_of_the_same_files_is_not_counted() -> None:
    tracers.bpftrace()
    with working(WORK.replace("a * 2.5", "a + 2.5")) as watched, working():
        live = json.loads(run("calls", "--pid", str(watched.pid), "--duration", "1", "--json").stdout)
    assert "np.add[ff->f]" in sums(live)
    assert "np.multiply[ff->f]" not in sums(live)


def test_the_table_of_a_process_fits_a_narrow_terminal() -> None:
    tracers.bpftrace()
    with working() as process:
        environment = {**os.environ, "COLUMNS": "70"}
        text = run("calls", "--pid", str(process.pid), "--duration", "1", env=environment).stdout
    assert f"process {process.pid}" in text
    assert max(map(len, text.splitlines())) <= 70
    [multiply] = [line for line in text.splitlines() if line.startswith("np.multiply[ff->f]")]
    assert "n=4096 (4,0,4)" in multiply
    assert "\x1b" not in text


def test_an_idle_process_is_no_empty_table() -> None:
    tracers.bpftrace()
    idle = "import numpy, sys\nprint('ready', flush=True)\nsys.stdin.read()"
    with working(idle) as process:
        done = run("calls", "--pid", str(process.pid), "--duration", "0.5", expected=3)
    assert done.stdout == ""
    assert "called nothing of what was watched" in done.stderr
    assert "probes were in its memory" in done.stderr


def test_a_process_that_ends_is_reported_until_then() -> None:
    live = watched_until(lambda process, _: process.kill())
    assert live["ended"]
    assert sums(live)["np.multiply[ff->f]"] > 0


def test_an_interrupted_watch_shows_what_it_has() -> None:
    live = watched_until(lambda _, watching: watching.send_signal(signal.SIGINT))
    assert not live["ended"]
    assert sums(live)["np.multiply[ff->f]"] > 0


def watched_until(ends: Callable[[subprocess.Popen[str], subprocess.Popen[str]], object]) -> dict[str, Any]:
    """Watch a process until something ends it or the watching; what was seen.

    Nobody outside sees when the last probe is in place. A busy machine takes longer for it and is given longer.
    """
    tracers.bpftrace()
    for seconds in (3, 10, 30):
        with working() as process:
            command = [COMMAND, "calls", "--pid", str(process.pid), "--duration", "120", "--json"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
                armed(process.pid)
                time.sleep(seconds)
                ends(process, watching)
                output, errors = watching.communicate(timeout=60)
        if "before it was armed" not in errors:
            break
    assert watching.returncode == 0, errors
    return dict(json.loads(output))


def armed(pid: int) -> None:
    """Wait until a tracer has put probes into a process: the kernel then maps a page of its own into it."""
    deadline = time.monotonic() + 60
    while "[uprobes]" not in Path(f"/proc/{pid}/maps").read_text():
        assert time.monotonic() < deadline, "no probe came"
        time.sleep(0.02)


def test_names_that_are_syntax_elsewhere_stay_names(tmp_path: Path) -> None:
    tracers.bpftrace()
    odd = tmp_path / 'it\'s "$(touch here)" `id` * {x}'
    odd.mkdir()
    site = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        shutil.copytree(site / name, odd / name, symlinks=True)
    program = WORK.replace("from raptors_trace import kernel\n", "").replace("r = kernel.from_numpy(a)\n", "")
    program = program.replace("    r.scale(2.5)\n", "")
    with working(program, PYTHONPATH=str(odd)) as process:
        shown = run("calls", "--pid", str(process.pid), "--duration", "1", "--json", cwd=tmp_path).stdout
    assert not list(tmp_path.rglob("here"))
    live = json.loads(shown)
    assert sums(live)["cblas_sgemm"] > 0
    assert all(call["module"].startswith(str(odd)) for call in live["calls"])


def test_a_process_that_is_not_there_or_not_ours_is_one_sentence() -> None:
    gone = run("calls", "--pid", "4194303", "--duration", "1", expected=1)
    assert gone.stderr.startswith("error: there is no process 4194303")
    gone = run("attach", "4194303", expected=1)
    assert gone.stderr.startswith("error: there is no process 4194303")


def test_in_process_observers_cannot_watch_another_process() -> None:
    done = run("calls", "--pid", str(os.getpid()), "--engine", "inprocess", expected=2)
    assert "needs a tracer from outside the process" in done.stderr
    assert "cannot be used with" in run("calls", "--pid", "1", "--size", "8", expected=2).stderr


def test_attach_tells_the_commands_for_this_machine() -> None:
    tracers.bpftrace()
    with working() as process:
        attachment = json.loads(run("attach", str(process.pid), "--json").stdout)
        text = run("attach", str(process.pid)).stdout
    hints = {hint["tool"]: hint for hint in attachment["hints"]}
    assert set(hints) == {"bpftrace", "dtrace", "perf", "instruments"}
    assert hints["bpftrace"]["why_not"] is None
    assert f"--pid {process.pid}" in hints["bpftrace"]["command"]
    assert "macOS only" in hints["instruments"]["why_not"]
    assert "xctrace record --template 'Time Profiler' " in hints["instruments"]["command"]
    assert hints["instruments"]["command"].endswith(f"--attach {process.pid}")
    assert hints["perf"]["command"] in text


def test_attach_with_a_tracer_shows_the_calls() -> None:
    tracers.bpftrace()
    with working() as process:
        shown = run("attach", str(process.pid), "--with", "bpftrace", "--duration", "1").stdout
    assert "np.multiply[ff->f]" in shown


def test_a_tool_that_is_not_there_is_told() -> None:
    with working() as process:
        done = run("attach", str(process.pid), "--with", "instruments", expected=3)
    assert "Instruments comes with Xcode, on macOS only" in done.stderr


# At work all the time, most of it in NumPy's multiply.
BUSY = WORK.replace("    time.sleep(0.01)\n", "").replace("(64, 64)", "(256, 256)").replace("range(7)", "range(1)")
BY_SUDO = {**os.environ, "SUDO_UID": "65534", "SUDO_GID": "65533"}


@pytest.mark.one_per_tracer
def test_attach_with_perf_records_what_runs(tmp_path: Path) -> None:
    program = tracers.perf()
    with working(BUSY) as process:
        arguments = (str(process.pid), "--with", "perf", "--duration", "1", "-o", "it's perf.data")
        done = run("attach", *arguments, cwd=tmp_path, env=BY_SUDO)
        assert process.poll() is None
    [file] = list(tmp_path.iterdir())
    assert file.name == "it's perf.data"
    # It belongs to who called sudo.
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65533)
    found = re.match(r"(\d+) samples, recorded by perf: it's perf.data\n", done.stdout)
    assert found, done.stdout
    # -f: perf itself reads its own user's recordings only.
    command = [program, "script", "-f", "-F", "pid,ip,sym,dso", "-i", str(file)]
    seen = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    samples = [line for line in seen.splitlines() if line.split() == [str(process.pid)]]
    assert len(samples) == int(found[1]) > 10
    assert "_multiarray_umath" in seen


def test_perf_s_recording_of_an_idle_process_is_no_recording(tmp_path: Path) -> None:
    tracers.perf()
    idle = "import sys\nprint('ready', flush=True)\nsys.stdin.read()"
    with working(idle) as process:
        time.sleep(0.5)  # it falls asleep
        arguments = (str(process.pid), "--with", "perf", "--duration", "0.5")
        done = run("attach", *arguments, expected=3, cwd=tmp_path)
    assert f"perf saw no sample: process {process.pid} used no CPU time" in done.stderr
    assert not list(tmp_path.iterdir())


def test_perf_starts_a_command_and_records_it_to_its_end(tmp_path: Path) -> None:
    tracers.perf()
    program = "import sys, time\nwhile time.process_time() < 0.5: pass\nprint(sys.argv)\nsys.exit(7)"
    command = ("--", sys.executable, "-c", program, "$(touch here)", "--json")
    done = run("attach", "--with", "perf", "--json", *command, cwd=tmp_path)
    said, _, recorded = done.stdout.partition("\n")
    assert said == "['-c', '$(touch here)', '--json']"
    recording = json.loads(recorded)
    assert (recording["schema"], recording["tool"]) == ("raptors-trace/recording/1", "perf")
    assert recording["samples"] > 100
    assert recording["notes"] == ["what perf waited for ended with: exit status: 7"]
    assert [file.name for file in tmp_path.iterdir()] == ["perf.data"]


def test_an_interrupted_perf_leaves_what_it_has(tmp_path: Path) -> None:
    tracers.perf()
    command = [COMMAND, "attach", "--with", "perf", "--duration", "60", "-o", "x.data"]
    with working(BUSY) as process:
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [*command, str(process.pid)], stdout=pipe, stderr=pipe, text=True, cwd=tmp_path
        ) as recording:
            deadline = time.monotonic() + 60
            while not any(file.stat().st_size for file in tmp_path.glob(".raptors-trace-*/perf.data")):
                assert time.monotonic() < deadline, "perf has not begun"
                time.sleep(0.05)
            time.sleep(1)
            recording.send_signal(signal.SIGINT)
            output, errors = recording.communicate(timeout=60)
    assert recording.returncode == 0, errors
    assert "samples, recorded by perf: x.data" in output
    assert [file.name for file in tmp_path.iterdir()] == ["x.data"]
