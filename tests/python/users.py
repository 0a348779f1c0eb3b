"""Another user than root, for whom root does something."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

import raptors_trace

STRANGER = 65534
AS_STRANGER: dict[str, Any] = {"user": STRANGER, "group": STRANGER, "extra_groups": []}


def python_of_everybody() -> tuple[str, dict[str, str]]:
    """An interpreter with this one's packages that any user may run, and the environment it needs."""
    found = (raptors_trace.__file__, numpy.__file__)
    places = os.pathsep.join(str(Path(file).parents[1]) for file in found if file)
    for python, environment in ((sys.executable, {}), ("/usr/bin/python3", {"PYTHONPATH": places})):
        ask = [python, "-P", "-c", "import numpy, raptors_trace._native, sys; print(sys.version_info[:2])"]
        with contextlib.suppress(PermissionError):
            done = subprocess.run(
                ask,
                capture_output=True,
                check=False,
                cwd="/",
                env={**os.environ, **environment},
                **AS_STRANGER,
            )
            if done.returncode == 0:
                return python, environment
    pytest.skip("no interpreter with NumPy and raptors_trace may be run by every user")
