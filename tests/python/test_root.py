"""What runs as root, and for whom: nothing of somebody else's runs as user 0."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import COMMAND, GUARD_SECONDS
from command import run as run_command
from users import AS_STRANGER, STRANGER, python_of_everybody

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at through /proc, which Linux has"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop"),
]

BY_SUDO = {"SUDO_UID": str(STRANGER), "SUDO_GID": str(STRANGER)}
# Says who ran it, wherever it is taken for a module of the standard library.
TRAP = """
import os
with open({marker!r}, "a") as marker:
    marker.write(f"{{os.getuid()}} ")
raise ImportError("trap")
"""
# A process with NumPy's code in it, in a directory of its own choice.
IDLE = "import os, sys, numpy\nos.chdir(sys.argv[1])\nprint('ready', flush=True)\nsys.stdin.read()"


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory of root's that everybody may look into; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)


def run(*arguments: str, expected: int = 0, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command with more in its environment, and check its exit code."""
    return run_command(*arguments, expected=expected, env={**os.environ, **(env or {})})


def directory_of(path: Path, owner: int) -> Path:
    """A directory of `owner`, with modules that would be taken for the standard library's."""
    path.mkdir()
    trap = TRAP.format(marker=str(path / "marker"))
    for name in ("json", "ctypes", "struct", "numpy"):
        (path / f"{name}.py").write_text(trap)
    for each in (path, *path.iterdir()):
        os.chown(each, owner, owner)
    return path


@contextlib.contextmanager
def idle(directory: Path, owner: int, **added: str) -> Iterator[int]:
    """A process of `owner` that works in a directory."""
    python, environment = python_of_everybody()
    command = [python, "-P", "-c", IDLE, str(directory)]
    user = AS_STRANGER if owner else {}
    env = {**os.environ, **environment, **added}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env, cwd="/", **user) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.communicate("")


@pytest.mark.parametrize("owner", [0, STRANGER], ids=["a process of root", "a process of somebody else"])
def test_modules_of_the_directory_of_a_process_are_not_run(open_path: Path, owner: int) -> None:
    directory = directory_of(open_path / "work", STRANGER)
    with idle(directory, owner) as pid:
        done = run("script", "compare_call_patterns.bt", "--pid", str(pid))
    assert "np.multiply[ff->f]" in done.stdout
    assert not (directory / "marker").exists()


def test_modules_of_the_current_directory_are_not_run(tmp_path: Path) -> None:
    directory = directory_of(tmp_path / "work", STRANGER)
    for arguments in (
        ("doctor", "--python", sys.executable),
        ("imports", "numpy", "--python", sys.executable),
        ("script", "compare_call_patterns.bt", "--python", sys.executable),
    ):
        subprocess.run([COMMAND, *arguments], capture_output=True, check=True, timeout=GUARD_SECONDS, cwd=directory)
    assert not (directory / "marker").exists()


def test_an_interpreter_that_writes_forever_is_stopped(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    python.chmod(0o755)
    for arguments in (("imports", "numpy"), ("script", "compare_call_patterns.bt"), ("compare",)):
        done = run(*arguments, "--python", str(python), expected=1)
        assert "wrote more than 16 MiB, which is no answer" in done.stderr
    report = json.loads(run("doctor", "--json", "--python", str(python)).stdout)
    [check] = [check for check in report["checks"] if check["name"] == "Python"]
    assert "wrote more than 16 MiB" in check["sentence"]


def test_root_does_not_run_an_interpreter_that_others_can_change(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\nid -u >> {marker}\n")
    cases = (("imports", "numpy"), ("script", "compare_call_patterns.bt"), ("compare",), ("explain",))
    python.chmod(0o777)
    for arguments in cases:
        done = run(*arguments, "--python", str(python), expected=1, env=BY_SUDO)
        assert f"every user may write to {python}" in done.stderr
        assert "help: run this without sudo" in done.stderr
    # A .venv that somebody has put into this directory; root has not named it.
    python.chmod(0o755)
    os.chown(python.parent, 4711, 4711)
    environment = {"VIRTUAL_ENV": "", "RAPTORS_TRACE_PYTHON": "", "RAPTORS_TRACE_HOST_PYTHON": ""}
    command = shutil.which("raptors-trace", path=str(Path(COMMAND).parent)) or COMMAND
    for by in (BY_SUDO, {}):
        env = {**os.environ, **environment, **by}
        done = subprocess.run(
            [command, "imports", "numpy"], capture_output=True, text=True, check=False, env=env, cwd=tmp_path
        )
        if "which runs this command" not in done.stderr + done.stdout and done.returncode:
            assert f"{python.parent} belongs to user 4711" in done.stderr
    assert not marker.exists()


def test_under_sudo_both_sides_run_as_the_user_who_called_it(open_path: Path) -> None:
    python, environment = python_of_everybody()
    told = open_path / "told"
    told.touch()
    os.chown(told, STRANGER, STRANGER)
    setup = (
        f"import os; print(os.getresuid(), os.getresgid(), os.getsid(0) == os.getpid(), file=open({str(told)!r}, 'a'))"
    )
    save = open_path / "run.rtrace"
    arguments = ("--setup", setup, "--a", "1", "--b", "1", "--time", "0.3", "--save", str(save))
    # The directory is root's: the driver itself could not write there.
    run("compare", "--python", python, *arguments, env={**environment, **BY_SUDO})
    said = set(told.read_text().splitlines())
    assert said == {f"({STRANGER}, {STRANGER}, {STRANGER}) ({STRANGER}, {STRANGER}, {STRANGER}) True"}
    assert (save.stat().st_uid, save.stat().st_gid) == (STRANGER, STRANGER)
    assert "time per operation" in run("show", str(save)).stdout
    assert sorted(path.name for path in open_path.iterdir()) == ["run.rtrace", "told"]
