"""Runs `raptors-trace` as a user does."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
GUARD_SECONDS = 120
"""No run of these tests takes so long; without it a hang would not be a failure."""


def run(*arguments: str, expected: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=300, **options)
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def arguments(*more: str, seconds: str = "0.3") -> list[str]:
    return [COMMAND, "compare", "--time", seconds, "--python", sys.executable, *more]


def statements(a: str, b: str = "1", setup: str = "pass") -> tuple[str, ...]:
    return ("--setup", setup, "--a", a, "--b", b)


def compare(*more: str, expected: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command to its end and check its exit code."""
    done = subprocess.run(
        arguments(*more), capture_output=True, text=True, check=False, timeout=GUARD_SECONDS, **options
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def run_python(program: str, seconds: float = 60) -> dict[str, Any]:
    """Run a program that samples itself, in a process of its own, and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))
