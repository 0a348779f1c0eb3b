"""What is told where the surroundings or a statement are wrong: variables, directories, exceptions, memory, disks."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import GUARD_SECONDS, arguments, compare, statements


def test_a_log_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPTORS_LOG", "trace")
    done = compare("--json", "--size", "64")
    assert "scale" not in done.stderr
    assert any("RAPTORS_LOG was not passed on" in warning for warning in json.loads(done.stdout)["warnings"])


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has signposts")
def test_signposts_that_are_not_to_be_had_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPTORS_SIGNPOSTS", "1")
    done = compare("--json", "--size", "64")
    assert any("RAPTORS_SIGNPOSTS has no effect here" in warning for warning in json.loads(done.stdout)["warnings"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RAPTORS_BACKEND", "nonsense"),
        ("RAPTORS_THREADS", "0"),
        ("RAPTORS_THREADS", "many"),
        ("RAPTORS_SIGNPOSTS", "on"),
    ],
)
def test_a_variable_that_makes_no_sense_is_said_before_measuring(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    done = compare("--size", "64", expected=1)
    assert f"error: the environment variable {variable} is wrong" in done.stderr
    assert f"help: unset {variable}" in done.stderr
    assert "Traceback" not in done.stderr
    if variable == "RAPTORS_THREADS":
        compare("--size", "64", "--threads", "1")


def test_files_of_the_current_directory_break_nothing_and_can_be_imported(tmp_path: Path) -> None:
    for name in ("random", "json", "numpy", "signal", "raptors_trace"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('this is not the module you want')")
    (tmp_path / "mykernel.py").write_text("def double(x):\n    return 2 * x\n")
    compare(*statements("mykernel.double(2)", "4", "import mykernel, random"), cwd=tmp_path)


def test_a_killed_driver_is_told_with_its_place_and_the_likely_cause() -> None:
    setup = "import itertools, os; count = itertools.count()"
    done = compare(*statements("next(count) < 1000 or os.kill(os.getpid(), 9)", "True", setup), expected=1)
    assert "(signal: 9 (SIGKILL)); last seen at `custom: " in done.stderr
    assert "because: often the system ran out of memory" in done.stderr
    assert "standard error" not in done.stderr


def test_an_exception_is_told_with_its_message_and_harms_no_terminal() -> None:
    done = compare(*statements("1", "1 / 0"), expected=1)
    assert "error: the statement of side B raised ZeroDivisionError: division by zero\n" in done.stderr
    raising = r"exec('raise ValueError(\'\\x1b[2Jboom \\udc80\\nsecond\')')"
    done = compare(*statements("1", raising), expected=1)
    assert "raised ValueError: \\x1b[2Jboom ?\n" in done.stderr
    assert "\x1b" not in done.stderr


def test_memory_that_ran_out_has_its_message_and_one_fix() -> None:
    done = compare(*statements("1", "exec('raise MemoryError')"), expected=1)
    assert "the statement of side B ran out of memory\n" in done.stderr
    assert done.stderr.count("--size") == 1
    done = compare(*statements("1", "np.ones(1 << 60, 'b')"), expected=1)
    assert "ran out of memory: Unable to allocate" in done.stderr


def fixes(errors: str) -> list[str]:
    return [line.strip() for line in errors.splitlines() if "help" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_limit_on_memory_has_the_fix_that_fits() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    done = compare(*statements("1"), expected=1, preexec_fn=limit)
    assert "the run could not be recorded: cannot map " in done.stderr
    assert fixes(done.stderr) == ["help: allow more memory (ulimit -v), or free some"]


def test_a_full_disk_is_told_with_one_fix(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if not unshare:
        pytest.skip("unshare is missing: no small disk to fill")
    script = f"mount -t tmpfs -o size=1m none '{tmp_path}' && cd '{tmp_path}' && exec \"$@\""
    namespace = [unshare, "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    command = [*namespace, *arguments(*statements("1")), "--save", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GUARD_SECONDS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "No space left on device" in done.stderr
    expected = "help: free disk space, or record to another file system: --save FILE, or TMPDIR=DIRECTORY"
    assert fixes(done.stderr) == [expected]
    assert done.stderr.count("free disk space") == 1
