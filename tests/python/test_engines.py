"""Tracers outside the process count what the observers in it count: real bpftrace, real DTrace, real NumPy."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tracers

pytestmark = pytest.mark.tracers

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
SHORT = ("--time", "0.2", "--python", sys.executable)
# Ten multiplications in one operation of A, seven matrix products in one of B.
MANY = (
    *("--setup", "a = rng.random(shape, dtype=dtype)", "--size", "64", "--allow-different"),
    *("--a", "for _ in range(10): a * 2.5", "--b", "for _ in range(7): a @ a"),
)


def compare(*arguments: str, expected: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    command = [COMMAND, "compare", *SHORT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **options)
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def compared(*arguments: str) -> dict[str, Any]:
    """Run the command and return its JSON."""
    return json.loads(compare("--json", *arguments).stdout)


def counts(engine: dict[str, Any], side: str) -> dict[str, float]:
    """What an engine counted on one side, by name."""
    return {count["name"]: count["calls_per_op"] for count in engine["counts"] if count["side"] == side}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of one run with every engine there is."""
    tracers.bpftrace()
    tracers.dtrace()
    file = tmp_path_factory.mktemp("engines") / "run.rtrace"
    compare(*MANY, "--engine", "all", "--save", str(file))
    return file


def show(file: Path, *arguments: str) -> str:
    """What a saved run prints."""
    return subprocess.run([COMMAND, "show", str(file), *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def both(saved: Path) -> dict[str, Any]:
    """What the run with every engine says."""
    return dict(json.loads(show(saved, "--json")))


def test_ten_multiplies_and_seven_matmuls_are_ten_loops_and_seven_sgemm(both: dict[str, Any]) -> None:
    inprocess, bpftrace, dtrace = both["engines"]
    assert [engine["engine"] for engine in both["engines"]] == ["inprocess", "bpftrace", "dtrace"]
    assert all(engine["armed"] for engine in both["engines"]), both["engines"]
    for engine in (inprocess, bpftrace):
        assert counts(engine, "a") == {"np.multiply[ff->f]": 10}
        assert counts(engine, "b") == {"np.matmul[ff->f]": 7, "cblas_sgemm": 7}
    assert counts(dtrace, "a") == {"np.multiply[ff->f]": 10}
    assert counts(dtrace, "b") == {"np.matmul[ff->f]": 7}
    assert not any("counts" in warning for warning in both["warnings"]), both["warnings"]


def test_each_engine_has_seen_its_control(both: dict[str, Any]) -> None:
    controls = {control["engine"]: control for control in both["controls"]}
    assert set(controls) == {"inprocess", "bpftrace", "dtrace"}
    assert all(control["ok"] and control["seen"] == control["expected"] > 0 for control in controls.values())
    assert controls["bpftrace"]["routine"] == "cblas_sgemm"
    # DTrace cannot watch this NumPy's OpenBLAS, so its control is the loop around the routine.
    assert controls["dtrace"]["routine"] == "np.matmul[ff->f]"


def test_what_dtrace_would_get_wrong_is_left_out_with_the_reason(both: dict[str, Any]) -> None:
    [dtrace] = [engine for engine in both["engines"] if engine["engine"] == "dtrace"]
    [reason] = dtrace["left_out"]
    assert "addresses are not its file offsets" in reason
    assert "openblas" in reason


@pytest.mark.one_per_tracer
def test_a_tracer_alone_fills_the_same_table() -> None:
    tracers.bpftrace()
    comparison = compared("--size", "64", "--engine", "bpftrace")
    [control] = comparison["controls"]
    assert (control["engine"], control["ok"]) == ("bpftrace", True)
    assert comparison["observer_cost"]["engine"] == "bpftrace"
    for case in comparison["cases"]:
        a, b = case["sides"]["a"], case["sides"]["b"]
        [loop] = a["calls"]
        assert (loop["name"], loop["calls_per_op"]) == ("np.multiply[ff->f]", 1)
        assert loop["symbol"].startswith("FLOAT_multiply")
        assert loop["n"] == {"4096": 1.0}
        assert loop["strides"] == [4, 0, 4]
        [backend] = b["calls"]
        assert (backend["kind"], backend["n"]) == ("backend", {"4096": 1.0})
        assert a["blas_calls_per_op"] == b["blas_calls_per_op"] == 0


def test_engines_stand_beside_each_other_in_the_text(saved: Path) -> None:
    text = show(saved, "--no-color")
    [head] = [line for line in text.splitlines() if line.startswith("calls per operation") and "dtrace" in line]
    assert head.split()[-3:] == ["inprocess", "bpftrace", "dtrace"]
    assert "not watched by dtrace: " in text


def test_a_tracer_that_is_not_there_is_an_error_with_the_fix() -> None:
    environment = {**os.environ, "PATH": str(Path(sys.executable).parent)}
    done = compare("--size", "8", "--engine", "bpftrace", expected=3, env=environment)
    assert "bpftrace could not be armed: bpftrace is not installed (apt-get install bpftrace)" in done.stderr


@pytest.mark.parametrize("engine", ["bpftrace", "dtrace"])
def test_a_killed_tracer_is_told_and_leaves_nothing(engine: str) -> None:
    getattr(tracers, engine)()
    command = [COMMAND, "compare", *SHORT, "--size", "8", "--engine", engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        tracer = tracer_of(run.pid, engine)
        if engine == "dtrace":
            # Only one that has put probes into the kernel can leave them there.
            wait_for(lambda: left_by(tracer))
        os.kill(tracer, signal.SIGKILL)
        _, errors = run.communicate(timeout=120)
    assert run.returncode == 3, errors
    assert f"{engine} could not be armed: {engine} ended before it was armed" in errors
    assert not left_by(tracer)


def left_by(tracer: int) -> list[str]:
    """The probes in the kernel that a DTrace process has put there."""
    events = Path("/sys/kernel/tracing/uprobe_events").read_text().splitlines()
    return [line for line in events if f"dt_{tracer}_" in line]


def wait_for(happened: Callable[[], object]) -> None:
    """Wait for something that has to come."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def tracer_of(pid: int, name: str) -> int:
    """Wait for a process's tracer and return its number."""
    found: list[int] = []

    def look() -> bool:
        for task in Path(f"/proc/{pid}/task").iterdir():
            # Threads and processes end while they are looked at.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for child in (task / "children").read_text().split():
                    words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                    # Not the one that is only asked for its version.
                    if any(word.endswith(name.encode()) for word in words) and b"-p" in words:
                        found.append(int(child))
        return bool(found)

    wait_for(look)
    return found[0]
