"""`raptors-trace tune`: what it measures is kept, and every later process chooses by it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("raptors-trace")
CHOICE = (
    "import numpy as np; from raptors_trace import kernel; "
    "kernel.scale(np.ones(1 << 16, np.float32), 2.0); c = kernel.last_choice(); "
    "print(c.backend, c.stores, c.reason, sep='|')"
)


def run(program: list[str], cache: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program whose cache is a directory of the test's."""
    environment = {key: value for key, value in os.environ.items() if key != "RAPTORS_TABLE"}
    environment |= {"XDG_CACHE_HOME": str(cache)} | variables
    return subprocess.run(program, capture_output=True, text=True, check=False, env=environment)


def tune(cache: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return run([str(COMMAND), "tune", *arguments], cache, **variables)


def chosen(cache: Path, **variables: str) -> list[str]:
    """Return what a new process chooses for 256 KiB: backend, stores, reason."""
    done = run([sys.executable, "-c", CHOICE], cache, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")


def test_a_table_is_measured_kept_and_used(tmp_path: Path) -> None:
    assert "tune" not in chosen(tmp_path)[2]
    done = tune(tmp_path, "--time", "0", "--largest", "1", "--json")
    assert done.returncode == 0, done.stderr
    tuned = json.loads(done.stdout)
    jsonschema.validate(tuned, json.loads((REPOSITORY / "docs" / "tune.schema.json").read_text()))
    file = tmp_path / "raptors-trace" / "scale-table"
    assert Path(tuned["file"]) == file
    assert file.read_text() == tuned["table"]
    assert {(case["dtype"], case["place"]) for case in tuned["cases"]} == {
        ("float32", "out"),
        ("float32", "in"),
        ("float64", "out"),
        ("float64", "in"),
    }
    for case in tuned["cases"]:
        assert case["candidates"][case["chosen"]]["refused"] is None
        assert all(candidate["ns"] > 0 for candidate in case["candidates"])
    assert "`raptors-trace tune` measured" in chosen(tmp_path)[2]
    assert "`raptors-trace tune` measured" not in chosen(tmp_path, RAPTORS_TABLE="shipped")[2]
    shown = tune(tmp_path, "--show").stdout
    assert f"this table is in use, from\n{file}\n" in shown
    assert "float32  out    1        0 " in shown


def test_a_row_decides(tmp_path: Path) -> None:
    table = tune(tmp_path, "--show", "--json")
    text = json.loads(table.stdout)["table"]
    first = next(line for line in text.splitlines() if line.startswith("float32  out    1        0 "))
    mine = tmp_path / "mine"
    mine.write_text(text.replace(first, "float32 out 1 0 scalar plain"))
    assert chosen(tmp_path, RAPTORS_TABLE=str(mine))[:2] == ["scalar", "plain"]
    mine.write_text(text.replace(first, "float32 out 1 0 simd stream"))
    assert chosen(tmp_path, RAPTORS_TABLE=str(mine))[:2] == ["simd", "stream"]


def test_a_table_of_another_machine_is_not_used(tmp_path: Path) -> None:
    text = json.loads(tune(tmp_path, "--show", "--json").stdout)["table"]
    file = tmp_path / "raptors-trace" / "scale-table"
    file.parent.mkdir()
    machine = next(line for line in text.splitlines() if line.startswith("machine "))
    file.write_text(text.replace(machine, "machine Elsewhere, 3 CPUs, 7 bytes of last-level cache"))
    assert "tune" not in chosen(tmp_path)[2]
    assert "was measured on another machine (Elsewhere" in " ".join(tune(tmp_path, "--show").stdout.split())
    file.write_text("no table")
    assert "is no table: the first line" in " ".join(tune(tmp_path, "--show").stdout.split())


@pytest.mark.parametrize(("text", "why"), [("", "the first line"), (None, "No such file")])
def test_a_bad_table_that_was_named_is_an_error(tmp_path: Path, text: str | None, why: str) -> None:
    mine = tmp_path / "mine"
    if text is not None:
        mine.write_text(text)
    done = run([sys.executable, "-c", CHOICE], tmp_path, RAPTORS_TABLE=str(mine))
    assert "RAPTORS_TABLE" in done.stderr
    assert why in done.stderr
    done = tune(tmp_path, "--show", RAPTORS_TABLE=str(mine))
    assert done.returncode == 1
    assert "unset RAPTORS_TABLE" in done.stderr


def test_a_dry_run_keeps_nothing(tmp_path: Path) -> None:
    done = tune(tmp_path, "--dry-run", "--time", "0", "--largest", "1")
    assert done.returncode == 0, done.stderr
    assert "not kept" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "raptors-trace").write_text("in the way")
    done = tune(tmp_path, "--time", "0", "--largest", "1")
    assert done.returncode == 1
    assert str(tmp_path / "raptors-trace") in done.stderr


@pytest.mark.parametrize("arguments", [["--time", "-1"], ["--largest", "0"], ["--show", "--dry-run"]])
def test_what_makes_no_sense_is_a_usage_error(tmp_path: Path, arguments: list[str]) -> None:
    assert tune(tmp_path, *arguments).returncode == 2
