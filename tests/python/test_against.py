"""A run held against an earlier one, for real: code that works over and over trips the gate, the same does not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "compare.schema.json"
ONCE = "def work(x):\n    return x * 2.0\n"
# So often that no other load of the machine makes up for it.
OFTEN = "def work(x):\n    for _ in range(31):\n        x * 2.0\n    return x * 2.0\n"


def run(place: Path, *arguments: str, expected: int = 0) -> tuple[dict[str, Any], str]:
    """Run the command in ``place`` and return its JSON, and what it says on standard error."""
    command = [COMMAND, *arguments, "--json", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == expected, done.stdout + done.stderr
    return json.loads(done.stdout), done.stderr


def measure(place: Path, work: str, *arguments: str, expected: int = 0) -> tuple[dict[str, Any], str]:
    """Compare NumPy with a module of one's own that holds ``work``."""
    (place / "mine.py").write_text(work)
    setup = "import numpy as np, mine; x = np.ones(100_000)"
    sides = ["--setup", setup, "--a", "x * 2.0", "--b", "mine.work(x)"]
    return run(place, "compare", *sides, "--time", "0.6", "--python", sys.executable, *arguments, expected=expected)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the run of code that does its work once."""
    place = tmp_path_factory.mktemp("against")
    measure(place, ONCE, "--save", "once.rtrace")
    return place


def test_code_that_does_its_work_over_and_over_trips_the_gate(place: Path) -> None:
    gate = ["--against", "once.rtrace", "--fail-below", "0.8"]
    often, errors = measure(place, OFTEN, *gate, "--save", "often.rtrace", expected=4)
    jsonschema.validate(often, json.loads(SCHEMA.read_text()))
    assert "the gate of 0.8 was missed" in errors
    assert "custom: B changed by 0." in errors
    assert often["gate"]["outcome"] == "missed"
    changes = often["against"]["cases"]
    assert changes
    for change in changes:
        # NumPy ran in both, and of the statements nothing is another.
        assert change["differences"] == []
        assert change["ratio"]["now"]["median"] == pytest.approx(change["change"] * change["ratio"]["then"]["median"])
    dropped = changes[0]
    assert dropped["verdict"] == "b lost"
    assert dropped["ci95"][1] < 0.8

    # The saved run says the same, and the interval is drawn the same way again.
    again, _ = run(place, "show", "often.rtrace", *gate, expected=4)
    assert again["against"]["cases"] == changes
    # Told what a missed gate is, the same code as before, backwards, has gained.
    back, _ = run(place, "show", "once.rtrace", "--against", "often.rtrace", "--fail-below", "0.8")
    assert back["against"]["cases"][0]["verdict"] == "b gained"


def test_the_same_run_does_not(place: Path) -> None:
    same, errors = run(place, "show", "once.rtrace", "--against", "once.rtrace", "--fail-below", "0.95")
    assert errors == ""
    assert same["gate"]["outcome"] == "passed"
    assert all(change["change"] == 1 for change in same["against"]["cases"])
    assert same["against"]["differences"] == []
