"""The command samples both sides for real and draws them: a real NumPy, a stripped one, a real OpenBLAS."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "flamegraph.schema.json"
FILES = {"a.svg", "b.svg", "diff.svg", "a.folded", "b.folded", "index.html"}
EXPORTS = ("folded", "pprof", "speedscope", "firefox", "chrome")
MATMUL = ("--setup", "b = np.random.default_rng(1).random((256, 256), dtype=np.float32)")
HOSTILE = "<script>alert(1)</script>;\"&'"


def flamegraph(*arguments: str, expected: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    done = subprocess.run(
        [COMMAND, "flamegraph", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def sampled(
    directory: Path, *arguments: str, expected: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Make a new, short run and draw it."""
    times = ("--time", "0.3", "--sample-time", "1.5", "--python", sys.executable)
    return flamegraph("-o", str(directory), *times, *arguments, expected=expected, **environment)


def names(directory: Path) -> set[str]:
    """The files in a directory."""
    return {path.name for path in directory.iterdir()}


def stacks(path: Path) -> list[tuple[list[str], int]]:
    """Folded stacks, with their counts."""
    found = []
    for line in path.read_text().splitlines():
        stack, count = line.rsplit(" ", 1)
        found.append((stack.split(";"), int(count)))
    return found


def frames(path: Path) -> set[str]:
    """Every frame of a file of folded stacks."""
    return {frame for stack, _ in stacks(path) for frame in stack}


def assert_whole(directory: Path) -> None:
    """All files are there and well-formed, and none has a frame at nowhere."""
    assert names(directory) >= FILES
    for name in ("a", "b", "diff"):
        assert ET.parse(directory / f"{name}.svg").getroot().tag.endswith("}svg")
    for name in ("a", "b"):
        assert stacks(directory / f"{name}.folded")
        assert "0x0" not in frames(directory / f"{name}.folded")


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, Path]:
    """NumPy and Raptors at 512², exported in every format and saved: the JSON, the directory, the run file."""
    directory = tmp_path_factory.mktemp("flamegraph")
    run = directory / "run.rtrace"
    formats = [argument for name in EXPORTS for argument in ("--format", name)]
    done = sampled(directory / "out", "--size", "512", "--json", "--save", str(run), *formats)
    return json.loads(done.stdout), directory / "out", run


def test_both_sides_are_sampled_named_and_drawn(main_job: tuple[dict[str, Any], Path, Path]) -> None:
    drawn, directory, _ = main_job
    jsonschema.validate(drawn, json.loads(SCHEMA.read_text()))
    assert_whole(directory)
    assert any("FLOAT_multiply" in frame for frame in frames(directory / "a.folded"))
    assert any("raptors" in frame for frame in frames(directory / "b.folded"))
    [case] = drawn["cases"]
    assert [side["name"] for side in case["sides"]] == ["numpy", "raptors"]
    for key, side in zip(("a_ns", "b_ns"), case["sides"], strict=True):
        roles = {role["name"]: role[key] for role in case["roles"]}
        assert roles["kernel"] > 0
        # What the roles share out is the CPU time of an operation.
        assert sum(roles.values()) == pytest.approx(side["ns_per_op"], rel=0.01)
    for side, name in zip(case["sides"], ("a", "b"), strict=True):
        counted = sum(count for _, count in stacks(directory / f"{name}.folded"))
        assert counted == side["samples"]


def test_every_format_is_written(main_job: tuple[dict[str, Any], Path, Path]) -> None:
    drawn, directory, _ = main_job
    files = drawn["cases"][0]["files"]
    assert {Path(file).name for file in files} == names(directory)
    exported = [Path(file) for file in files if Path(file).name.startswith("samples.")]
    assert len(exported) == len(EXPORTS)
    assert all(file.stat().st_size > 0 for file in exported)
    for file in exported:
        if file.suffix == ".json":
            json.loads(file.read_text())


def test_an_unknown_format_is_a_usage_error(tmp_path: Path) -> None:
    done = sampled(tmp_path / "out", "--format", "gif", expected=2)
    assert "invalid value 'gif'" in done.stderr
    assert "speedscope" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_saved_run_gives_the_same_stacks(main_job: tuple[dict[str, Any], Path, Path], tmp_path: Path) -> None:
    _, directory, run = main_job
    flamegraph("-o", str(tmp_path), str(run))
    assert_whole(tmp_path)
    for name in ("a.folded", "b.folded"):
        assert (tmp_path / name).read_text() == (directory / name).read_text()


def test_few_samples_are_a_warning_with_the_time_that_gives_enough(
    main_job: tuple[dict[str, Any], Path, Path], tmp_path: Path
) -> None:
    drawn, _, run = main_job
    [case] = drawn["cases"]
    assert any(side["samples"] < 1000 for side in case["sides"]), "so short a time gives no 1000 samples a side"
    few = [warning for warning in drawn["warnings"] if "of the time are uncertain" in warning]
    assert few
    for warning in few:
        enough = re.search(r"--sample-time (\d+) gives 1000", warning)
        assert enough, warning
        assert int(enough[1]) > 1, "1.5 s were too few"
    text = flamegraph("-o", str(tmp_path), str(run)).stdout
    assert "warning: " in text


def test_a_pipe_gets_no_colour_and_a_narrow_terminal_no_long_line(
    main_job: tuple[dict[str, Any], Path, Path], tmp_path: Path
) -> None:
    _, _, run = main_job
    text = flamegraph("-o", str(tmp_path), str(run)).stdout
    assert "\x1b" not in text
    assert "kernel" in text
    narrow = flamegraph("-o", str(tmp_path), str(run), COLUMNS="60", NO_COLOR="1").stdout
    table = narrow[: narrow.index("warning: ")]
    assert max(len(line) for line in table.splitlines() if str(tmp_path) not in line) <= 60
    assert "kernel" in table


def test_a_run_without_samples_says_how_to_get_some(tmp_path: Path) -> None:
    run = tmp_path / "run.rtrace"
    arguments = ["--time", "0.3", "--size", "64", "--save", str(run), "--python", sys.executable]
    subprocess.run([COMMAND, "compare", *arguments], check=True, capture_output=True)
    done = flamegraph("-o", str(tmp_path / "out"), str(run), expected=3)
    assert "there are no samples in this run" in done.stderr
    assert "help: make a new run with raptors-trace flamegraph" in done.stderr
    assert not list((tmp_path / "out").glob("*"))


def test_a_truncated_run_is_one_sentence(main_job: tuple[dict[str, Any], Path, Path], tmp_path: Path) -> None:
    _, _, run = main_job
    whole = run.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / "cut.rtrace"
        cut.write_bytes(whole[:length])
        done = flamegraph("-o", str(tmp_path / "out"), str(cut), expected=1)
        assert done.stdout == ""
        assert "cut.rtrace" in done.stderr
        assert "panicked" not in done.stderr
    assert not list((tmp_path / "out").glob("*"))


def test_a_place_that_is_a_file_is_told_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    for place in (path, path / "below"):
        done = sampled(place, expected=1)
        assert f"`{place}` cannot be written" in done.stderr
        assert "help: choose another directory with -o" in done.stderr
    assert path.read_text() == "mine"


def test_a_place_that_nobody_may_write_to_is_told() -> None:
    if not Path("/proc/sys").is_dir():
        pytest.skip("there is no /proc, in which even root makes no directory")
    done = sampled(Path("/proc/flamegraph"), expected=1)
    assert "`/proc/flamegraph` cannot be written" in done.stderr


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A disk of 16 KiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root on Linux")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_no_half_file(main_job: tuple[dict[str, Any], Path, Path], tmp_path: Path) -> None:
    _, whole, run = main_job
    with small_disk(tmp_path / "disk") as disk:
        done = flamegraph("-o", str(disk), str(run), expected=1)
        assert "No space left on device" in done.stderr
        assert "index.html" not in names(disk)
        for path in disk.iterdir():
            assert path.read_bytes() == (whole / path.name).read_bytes()


def test_several_sizes_get_a_directory_each(tmp_path: Path) -> None:
    sampled(tmp_path, "--size", "64,128")
    assert names(tmp_path) == {"float32-64x64", "float32-128x128"}
    for directory in tmp_path.iterdir():
        assert_whole(directory)


def test_a_matrix_product_shows_the_routine_of_openblas(tmp_path: Path) -> None:
    sampled(tmp_path, *MATMUL, "--a", "b @ b", "--b", "b.dot(b)", "--name-a", "matmul", "--name-b", "dot")
    assert_whole(tmp_path)
    for name in ("a", "b"):
        assert any("sgemm" in frame for frame in frames(tmp_path / f"{name}.folded"))


def test_a_stripped_numpy_is_named_by_its_own_tables(tmp_path: Path) -> None:
    strip = shutil.which("strip")
    if strip is None:
        pytest.skip("there is no strip here: install binutils")
    packages = Path(np.__file__).parent.parent
    copies = tmp_path / "packages"
    for name in ("numpy", "numpy.libs"):
        if (packages / name).is_dir():
            shutil.copytree(packages / name, copies / name, symlinks=True)
    [umath] = copies.glob("numpy/_core/_multiarray_umath*.so")
    subprocess.run([strip, "--strip-all" if sys.platform == "linux" else "-x", umath], check=True)
    out = tmp_path / "out"
    sampled(out, "--size", "512", PYTHONPATH=str(copies))
    assert_whole(out)
    seen = frames(out / "a.folded")
    assert "np.multiply[ff->f]" in seen
    assert not any("FLOAT_multiply" in frame for frame in seen)


def test_names_and_statements_are_text_wherever_they_stand(tmp_path: Path) -> None:
    statement = f"a * 2.5 if {HOSTILE!r} else None"
    setup = "a = rng.random(shape, dtype=dtype)"
    sides = ("--a", statement, "--b", statement, "--name-a", HOSTILE, "--name-b", f"{HOSTILE} b")
    done = sampled(tmp_path, "--setup", setup, "--size", "256", *sides, "--json")
    assert_whole(tmp_path)
    assert json.loads(done.stdout)["cases"][0]["sides"][0]["name"] == HOSTILE
    for name in FILES - {"a.folded", "b.folded"}:
        text = (tmp_path / name).read_text()
        assert "<script>alert" not in text, name
    for name in ("a", "b", "diff"):
        drawing = ET.parse(tmp_path / f"{name}.svg").getroot()
        assert any("<script>alert(1)</script>" in (element.text or "") for element in drawing.iter()), name


def test_an_interrupted_run_draws_what_it_has_or_says_why_not(tmp_path: Path) -> None:
    run = tmp_path / "run.rtrace"
    command = [COMMAND, "flamegraph", "-o", str(tmp_path / "out"), "--size", "64", "--time", "0.3"]
    command += ["--sample-time", "60", "--save", str(run), "--python", sys.executable]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        recording = run.with_name(f".{run.name}.partial-{process.pid}")
        while not has_rounds(recording):
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert "panicked" not in err
    written = names(tmp_path / "out")
    assert written == FILES or not written


def has_rounds(recording: Path) -> bool:
    """Whether a run that is being made has something to show."""
    show = subprocess.run([COMMAND, "show", "--json", str(recording)], capture_output=True, check=False)
    return show.returncode == 0 and all(side["calls"] for side in json.loads(show.stdout)["cases"][0]["sides"].values())
