"""Flamegraphs from perf's samples: page faults as the kernel's own frames, and what is said where perf cannot work."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tracers

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
# glibc then takes every result from fresh pages and gives them back, however small it is, and Raptors takes its there.
FRESH = {"MALLOC_MMAP_THRESHOLD_": "65536", "RAPTORS_ALLOC": "plain"}
# The kernel's function that every page fault of a process goes through, on any processor.
FAULT = "handle_mm_fault"


def flamegraph(
    directory: Path, *arguments: str, expected: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Sample a small case with perf, and check the exit code."""
    command = [COMMAND, "flamegraph", "--engine", "perf", "--size", "1024", "--time", "0.3", "--sample-time", "1.5"]
    command += ["-o", str(directory), "--python", sys.executable, *arguments]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def roles(text: str) -> dict[str, tuple[float, float]]:
    """Nanoseconds per operation of both sides by role, from ``--json``."""
    return {role["name"]: (role["a_ns"], role["b_ns"]) for role in only_case(text)["roles"]}


def only_case(text: str) -> dict[str, Any]:
    """The one case of what ``--json`` printed."""
    (case,) = json.loads(text)["cases"]
    return dict(case)


def faults(folded: Path) -> int:
    """Samples inside of page faults."""
    lines = [line.rsplit(" ", 1) for line in folded.read_text().splitlines()]
    return sum(int(count) for stack, count in lines if FAULT in stack.split(";"))


def stand_in(directory: Path, text: str) -> str:
    """A PATH that begins with a stand-in for perf: a shell script."""
    directory.mkdir()
    program = directory / "perf"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


@pytest.fixture
def perf() -> str:
    """The real perf."""
    return tracers.perf()


@pytest.mark.tracers
@pytest.mark.usefixtures("perf")
def test_page_faults_are_seen_as_the_kernels_frames_and_not_derived(tmp_path: Path) -> None:
    saved = tmp_path / "saved.rtrace"
    done = flamegraph(tmp_path / "new", "--json", "--save", str(saved), **FRESH)
    case = only_case(done.stdout)
    assert case["engine"] == "perf"
    assert all(side["samples"] > 0 for side in case["sides"])
    assert min(roles(done.stdout)["page_fault"]) > 0
    for side in ("a", "b"):
        folded = tmp_path / "new" / f"{side}.folded"
        assert faults(folded) > 0
        assert "derived" not in folded.read_text()
        assert "derived" not in (tmp_path / "new" / f"{side}.svg").read_text()
    # Native frames have the names that the sampler in the process gives them.
    assert "FLOAT_multiply" in (tmp_path / "new" / "a.folded").read_text()

    again = [COMMAND, "flamegraph", str(saved), "-o", str(tmp_path / "again"), "--json"]
    drawn = subprocess.run(again, capture_output=True, text=True, check=True).stdout
    assert roles(drawn) == roles(done.stdout)
    assert (tmp_path / "again" / "b.folded").read_text() == (tmp_path / "new" / "b.folded").read_text()


@pytest.mark.tracers
@pytest.mark.usefixtures("perf")
def test_fresh_memory_beside_memory_in_use_is_the_biggest_difference(tmp_path: Path) -> None:
    setup = "a = rng.random(shape, dtype=dtype)\no = np.empty_like(a)\nr = kernel.from_numpy(a)"
    statements = ["--setup", setup, "--a", "np.multiply(a, 2.5, out=o)", "--b", "r.scale(2.5)"]
    done = flamegraph(tmp_path / "out", *statements, "--json", **FRESH)
    found = roles(done.stdout)
    assert max(found, key=lambda name: found[name][1] - found[name][0]) == "page_fault"
    fresh = faults(tmp_path / "out" / "b.folded")
    assert fresh > 10 * faults(tmp_path / "out" / "a.folded")

    # The control: the same statements, with results in the memory of dropped ones.
    done = flamegraph(tmp_path / "recycled", *statements, "--json")
    found = roles(done.stdout)
    assert max(found, key=lambda name: found[name][1] - found[name][0]) != "page_fault"
    assert fresh > 10 * faults(tmp_path / "recycled" / "b.folded")


def test_without_perf_one_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("perf is Linux's")
    done = flamegraph(tmp_path / "out", expected=3, PATH=str(tmp_path))
    assert done.stderr == "error: perf is not installed\n  help: apt-get install linux-perf\n"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.tracers
@pytest.mark.usefixtures("perf")
def test_what_perf_complains_of_is_told(tmp_path: Path) -> None:
    path = stand_in(tmp_path / "bin", "echo 'the stand-in has no events' >&2; exit 5")
    done = flamegraph(tmp_path / "out", expected=3, PATH=path)
    assert "perf ended before it was armed (exit status: 5): the stand-in has no events" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.tracers
def test_a_recording_that_is_cut_off_is_refused(tmp_path: Path, perf: str) -> None:
    real = shutil.which(perf)
    cut = f'for last; do :; done\nif [ "$1" = script ]; then truncate -s -100000 "$last"; fi\nexec {real} "$@"'
    done = flamegraph(tmp_path / "out", expected=3, PATH=stand_in(tmp_path / "bin", cut))
    assert "perf cannot read what it recorded, which is cut off or damaged" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
