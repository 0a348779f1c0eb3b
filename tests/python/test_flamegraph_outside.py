"""Flamegraphs of a process and of commands that nobody prepared, and of stacks from elsewhere."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tracers

SCHEMA = tracers.REPOSITORY / "docs" / "flamegraph-outside.schema.json"
COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
MULTIPLY = """
import numpy as np
a = np.ones((1024, 1024), np.float32)
print("ready", flush=True)
for _ in range({count}):
    a * 2.5
"""


def flamegraph(directory: Path, *arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    """Draw, and check the exit code."""
    command = [COMMAND, "flamegraph", "-o", str(directory), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def drawn(text: str) -> dict[str, Any]:
    """What ``--json`` printed, which is nothing else."""
    document = json.loads(text)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert document["schema"] == "raptors-trace/flamegraph-outside/1"
    return dict(document)


def names(directory: Path) -> set[str]:
    """The files that were made."""
    return {path.name for path in directory.iterdir()}


@pytest.fixture
def perf() -> str:
    """The real perf."""
    return tracers.perf()


@pytest.mark.tracers
@pytest.mark.usefixtures("perf")
def test_a_process_that_runs_numpy_is_drawn_by_its_number(tmp_path: Path) -> None:
    line = [sys.executable, "-c", MULTIPLY.format(count=10**9)]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            done = flamegraph(tmp_path / "out", "--pid", str(process.pid), "--sample-time", "0.5", "--json")
            assert process.poll() is None
        finally:
            process.kill()
    document = drawn(done.stdout)
    (side,) = document["sides"]
    assert side["samples"] > 0
    assert side["cpu_ns"] > 0
    assert "FLOAT_multiply" in (tmp_path / "out" / "a.folded").read_text()
    assert names(tmp_path / "out") == {"a.svg", "a.folded", "index.html"}
    assert any("are uncertain" in warning and "--sample-time" in warning for warning in document["warnings"])


@pytest.mark.tracers
def test_dtrace_samples_a_process_until_ctrl_c(tmp_path: Path) -> None:
    tracers.dtrace()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    line = [sys.executable, "-c", MULTIPLY.format(count=10**9)]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            command = [COMMAND, "flamegraph", "-o", str(tmp_path / "out"), "--pid", str(process.pid)]
            command += ["--engine", "dtrace", "--sample-time", "100", "--json"]
            environment = {**os.environ, "TMPDIR": str(temporary)}
            with subprocess.Popen(
                command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as sampler:
                deadline = time.monotonic() + 90
                while not any(path.read_text() for path in temporary.glob("*/printed")):
                    assert sampler.poll() is None, sampler.communicate()
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                time.sleep(1)
                sampler.send_signal(signal.SIGINT)
                printed, said = sampler.communicate(timeout=90)
            assert sampler.returncode == 0, said
            assert process.poll() is None
        finally:
            process.kill()
    document = drawn(printed)
    assert document["engine"] == "dtrace"
    (side,) = document["sides"]
    assert side["samples"] > 0
    assert side["cpu_ns"] > 0
    assert any(role["name"] == "kernel" and role["a_ns"] > 0 for role in document["roles"])
    assert any("frame pointers" in warning for warning in document["warnings"])
    folded = (tmp_path / "out" / "a.folded").read_text()
    assert "FLOAT_multiply" in folded
    # Numbers on the stack are no callers.
    assert ";0x" not in folded
    assert names(tmp_path / "out") == {"a.svg", "a.folded", "index.html"}
    assert not any(temporary.iterdir())


@pytest.mark.tracers
@pytest.mark.usefixtures("perf")
@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal: 9 (SIGKILL)"),
        # Ctrl-C that reaches us alone is passed on.
        ("os.kill(os.getppid(), signal.SIGINT); time.sleep(100)", "signal: 2 (SIGINT)"),
    ],
)
def test_a_command_that_is_ended_keeps_its_samples(tmp_path: Path, ending: str, status: str) -> None:
    work = f"import os, signal, time; [i * i for i in range(2_000_000)]; {ending}"
    done = flamegraph(tmp_path / "out", "--json", "--", sys.executable, "-c", work)
    (side,) = drawn(done.stdout)["sides"]
    assert side["status"] == status
    assert side["samples"] > 0


@pytest.mark.tracers
@pytest.mark.usefixtures("perf")
def test_two_commands_and_their_difference_with_odd_names(tmp_path: Path) -> None:
    odd = "<b>&\"';$(touch pwned)"
    line = [sys.executable, "-c", MULTIPLY.format(count=200), odd]
    other = ["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 3"]
    done = flamegraph(tmp_path / "out", "--json", "--", *line, "--", *other)
    document = drawn(done.stdout)
    # What the command prints is not lost where standard output is for JSON.
    assert "ready\n" in done.stderr
    # A stripped program's functions are named by where they are.
    assert re.search(r"(da|ba)?sh\+0x", (tmp_path / "out" / "b.folded").read_text())
    assert [side["status"] for side in document["sides"]] == ["exit status: 0", "exit status: 3"]
    assert all(side["samples"] > 0 for side in document["sides"])
    assert names(tmp_path / "out") == {"a.svg", "a.folded", "b.svg", "b.folded", "diff.svg", "index.html"}
    assert not Path("pwned").exists()
    for picture in ("a.svg", "diff.svg", "index.html"):
        assert "<b>" not in (tmp_path / "out" / picture).read_text()

    again = flamegraph(tmp_path / "again", str(tmp_path / "out" / "a.folded"), "--json")
    assert drawn(again.stdout)["sides"][0]["samples"] == document["sides"][0]["samples"]


@pytest.mark.tracers
@pytest.mark.usefixtures("perf")
@pytest.mark.parametrize(
    ("arguments", "expected", "sentence"),
    [
        (["--", "/no/such/program"], 1, "`/no/such/program` cannot be started\n  because: No such file"),
        (["--", "/etc/passwd"], 1, "chmod +x"),
        (["--pid", "1", "--engine", "sample"], 3, "sample is a tool of macOS"),
        (["--pid", "4194303"], 1, "there is no process 4194303"),
    ],
)
def test_what_cannot_be_sampled_is_said(tmp_path: Path, arguments: list[str], expected: int, sentence: str) -> None:
    done = flamegraph(tmp_path / "out", *arguments, expected=expected)
    assert sentence in done.stderr
    assert names(tmp_path / "out") == set()


@pytest.mark.tracers
@pytest.mark.usefixtures("perf")
@pytest.mark.parametrize("engine", ["perf", "dtrace"])
def test_a_process_that_sleeps_has_no_samples(tmp_path: Path, engine: str) -> None:
    if engine == "dtrace":
        tracers.dtrace()
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            arguments = ["--pid", str(process.pid), "--sample-time", "0.5", "--engine", engine]
            done = flamegraph(tmp_path / "out", *arguments, expected=3)
        finally:
            process.kill()
    assert "used no CPU time" in done.stderr
    assert names(tmp_path / "out") == set()


def test_a_broken_line_of_stacks_is_told_by_its_number(tmp_path: Path) -> None:
    stacks = tmp_path / "stacks.txt"
    stacks.write_text("main;work 3\nmain;rest\n")
    done = flamegraph(tmp_path / "out", str(stacks), expected=1)
    assert "line 2 of the folded stacks" in done.stderr
    stacks.write_text("python 1/1 2.5:  100 cpu-clock: \n\t 10 f (/bin/a)\n\t what is this\n\n")
    done = flamegraph(tmp_path / "out", str(stacks), expected=1)
    assert "line 3 of the output of perf script" in done.stderr
    stacks.write_text("\n  libm.so`exp+0x1\n\n  2\n")
    done = flamegraph(tmp_path / "out", str(stacks), expected=1)
    assert "line 3 of the stacks of DTrace" in done.stderr


def test_a_report_of_sample_is_drawn_and_xml_is_told_apart(tmp_path: Path) -> None:
    report = tracers.REPOSITORY / "flamegraphs" / "tests" / "hand_made_sample.txt"
    done = flamegraph(tmp_path / "out", str(report), "--json")
    document = drawn(done.stdout)
    assert document["sides"][0]["samples"] == 5590
    assert any("wall time" in warning for warning in document["warnings"])
    assert re.search(r"made by: \S*raptors-trace flamegraph -o", (tmp_path / "out" / "index.html").read_text())
    export = tmp_path / "export.xml"
    export.write_text('<?xml version="1.0"?>\n<trace-query-result/>\n')
    done = flamegraph(tmp_path / "no", str(export), expected=1)
    assert "is XML, not stacks" in done.stderr
    assert "raptors-trace instruments" in done.stderr
