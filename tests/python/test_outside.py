"""Flamegraphs of a process and of commands that nobody prepared, and of stacks from elsewhere."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tracers import require_root, tool

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
    """What ``--json`` printed, after what the command itself printed."""
    document = json.loads(text[text.index("{\n") :])
    assert document["schema"] == "raptors-trace/flamegraph-outside/1"
    return dict(document)


def names(directory: Path) -> set[str]:
    """The files that were made."""
    return {path.name for path in directory.iterdir()}


@pytest.fixture
def perf() -> str:
    """The real perf, which only root may have look at the kernel everywhere."""
    require_root()
    return tool("perf")


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
    assert any("are few" in warning and "--sample-time" in warning for warning in document["warnings"])


@pytest.mark.usefixtures("perf")
def test_two_commands_and_their_difference_with_odd_names(tmp_path: Path) -> None:
    odd = "<b>&\"';$(touch pwned)"
    line = [sys.executable, "-c", MULTIPLY.format(count=200), odd]
    other = ["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 3"]
    done = flamegraph(tmp_path / "out", "--json", "--", *line, "--", *other)
    document = drawn(done.stdout)
    assert [side["status"] for side in document["sides"]] == ["exit status: 0", "exit status: 3"]
    assert all(side["samples"] > 0 for side in document["sides"])
    assert names(tmp_path / "out") == {"a.svg", "a.folded", "b.svg", "b.folded", "diff.svg", "index.html"}
    assert not Path("pwned").exists()
    for picture in ("a.svg", "diff.svg", "index.html"):
        assert "<b>" not in (tmp_path / "out" / picture).read_text()

    again = flamegraph(tmp_path / "again", str(tmp_path / "out" / "a.folded"), "--json")
    assert drawn(again.stdout)["sides"][0]["samples"] == document["sides"][0]["samples"]


@pytest.mark.usefixtures("perf")
@pytest.mark.parametrize(
    ("arguments", "expected", "sentence"),
    [
        (["--", "/no/such/program"], 1, "`/no/such/program` cannot be started\n  because: No such file"),
        (["--", "/etc/passwd"], 1, "chmod +x"),
        (["--pid", "4194303"], 1, "there is no process 4194303"),
    ],
)
def test_what_cannot_be_sampled_is_said(tmp_path: Path, arguments: list[str], expected: int, sentence: str) -> None:
    done = flamegraph(tmp_path / "out", *arguments, expected=expected)
    assert sentence in done.stderr
    assert names(tmp_path / "out") == set()


@pytest.mark.usefixtures("perf")
def test_a_process_that_sleeps_has_no_samples(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            done = flamegraph(tmp_path / "out", "--pid", str(process.pid), "--sample-time", "0.5", expected=3)
        finally:
            process.kill()
    assert "took no CPU time" in done.stderr
    assert names(tmp_path / "out") == set()


def test_a_broken_line_of_stacks_is_told_by_its_number(tmp_path: Path) -> None:
    stacks = tmp_path / "stacks.txt"
    stacks.write_text("main;work 3\nmain;rest\n")
    done = flamegraph(tmp_path / "out", str(stacks), expected=1)
    assert "line 2 of the folded stacks" in done.stderr
    stacks.write_text("python 1/1 2.5:  100 cpu-clock: \n\t 10 f (/bin/a)\n\t what is this\n\n")
    done = flamegraph(tmp_path / "out", str(stacks), expected=1)
    assert "line 3 of the output of perf script" in done.stderr
