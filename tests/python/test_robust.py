"""The command keeps its manners where things go wrong: signals, odd files, odd directories, ends that do not come."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
GUARD_SECONDS = 120
"""Nothing here takes so long; without it a hang would not be a failure."""
DRIVER = [sys.executable, "-m", "raptors_trace._driver"]


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


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that has to come."""
    deadline = time.monotonic() + GUARD_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody has reaped yet has."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory that the command takes for its temporary files: what is in it at the end was left behind."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    return place


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start the command in a session of its own; however the test ends, nothing of it stays."""

    def signals() -> None:
        # Who starts the tests in the background or with nohup has these ignored.
        for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)

    options = {"preexec_fn": signals, **options}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes, **options) as run:
        try:
            yield run
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)


def marking(marker: Path, setups: int) -> tuple[str, ...]:
    """Give statements whose setup makes a file of its process's id once it is run so often."""
    setup = f"""
import os, pathlib, sys
sys.setups = getattr(sys, "setups", 0) + 1
if sys.setups == {setups}:
    pathlib.Path({str(marker)!r}).write_text(str(os.getpid()))
"""
    return statements("1", setup=setup)


# Both sides are set up for the check, for the first rounds, and then each time they are laid elsewhere in memory.
MEASURING = 7


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_the_command_alone_ends_the_driver_and_shows_what_was_measured(
    sent: signal.Signals, place: Path, tmp_path: Path
) -> None:
    marker, save = tmp_path / "marker", tmp_path / "run.rtrace"
    command = arguments(*marking(marker, MEASURING), "--save", str(save), seconds="24")
    with started(command) as run:
        until(lambda: marker.exists() and bool(marker.read_text()))
        driver = int(marker.read_text())
        run.send_signal(sent)
        out, err = run.communicate(timeout=GUARD_SECONDS)
    assert run.returncode == 1, out + err
    assert "cut short" in out
    assert "the recording was not finished" not in out, "the driver was killed instead of ending it"
    assert "error: interrupted\n" in err
    assert (out + err).count(str(save)) == 1
    assert "Traceback" not in err
    assert is_gone(driver)
    assert save.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["marker", "run.rtrace", "temporary"]
    assert not list(place.iterdir())


def test_a_second_interrupt_does_not_disturb_the_end() -> None:
    twice = """
import os, signal
from raptors_trace import _driver
signal.signal(signal.SIGINT, _driver.interrupt_once)
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGINT)
    print("ended in peace")
"""
    done = subprocess.run([sys.executable, "-c", twice], capture_output=True, text=True, check=False)
    assert done.stdout == "ended in peace\n", done.stderr


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    def nohup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with started(arguments(*marking(marker, 1), seconds="3"), preexec_fn=nohup) as run:
        until(marker.exists)
        run.send_signal(signal.SIGHUP)
        out, err = run.communicate(timeout=GUARD_SECONDS)
    assert run.returncode == 0, out + err


def endless(marker: Path) -> tuple[str, ...]:
    """Give a statement that makes a file of its process's id and then takes no interruption, as a loop in C would."""
    return statements(f"""
import os, pathlib, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path({str(marker)!r}).write_text(str(os.getpid()))
while True: time.sleep(1)
""")


def test_a_statement_that_cannot_be_interrupted_is_killed(place: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with started(arguments(*endless(marker))) as run:
        until(lambda: marker.exists() and bool(marker.read_text()))
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=GUARD_SECONDS)
    assert run.returncode == 1, out + err
    assert err == "error: interrupted before anything was measured\n"
    assert is_gone(int(marker.read_text()))
    assert not list(place.iterdir())


def test_ctrl_c_before_anything_was_measured_is_one_sentence(place: Path, tmp_path: Path) -> None:
    marker, save = tmp_path / "marker", tmp_path / "run.rtrace"
    setup = f"import time; open({str(marker)!r}, 'w').close(); time.sleep(600)"
    with started(arguments(*statements("1", setup=setup), "--save", str(save))) as run:
        until(marker.exists)
        # As a terminal does it: to both processes, and both hear of it twice.
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=GUARD_SECONDS)
    assert run.returncode == 1, out + err
    assert err == "error: interrupted before anything was measured\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["marker", "temporary"]
    assert not list(place.iterdir())


def program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_signal_while_the_interpreter_is_asked_ends_both(place: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    python = program(tmp_path / "python", f"echo $$ > {marker}.new; mv {marker}.new {marker}; exec sleep 600")
    with started([COMMAND, "compare", "--python", python]) as run:
        until(marker.exists)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=GUARD_SECONDS)
    assert run.returncode == 1, out + err
    assert err == "error: interrupted before anything was measured\n"
    assert is_gone(int(marker.read_text()))
    assert not list(place.iterdir())


@pytest.mark.parametrize("quiet", [False, True])
def test_a_slow_interpreter_is_told_unless_quiet(quiet: bool, tmp_path: Path) -> None:
    python = program(tmp_path / "python", "sleep 3; exit 1")
    command = [COMMAND, "compare", "--python", python, *(["--quiet"] if quiet else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GUARD_SECONDS)
    assert done.returncode == 1
    assert done.stderr.count(f"note: waiting for {python}") == (0 if quiet else 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process when its parent dies")
def test_a_killed_command_takes_its_driver_along(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with started(arguments(*endless(marker))) as run:
        until(lambda: marker.exists() and bool(marker.read_text()))
        run.kill()
        driver = int(marker.read_text())
        until(lambda: is_gone(driver))
        _, err = run.communicate(timeout=GUARD_SECONDS)
    assert err == ""


@contextmanager
def driver(place: Path, setup: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start the driver without a command, with one case where there is a setup for it."""
    side = {"name": "x", "setup": setup, "statement": "1"}
    case = {
        "name": "custom",
        "results": "dropped",
        "dtype": "float32",
        "shape": [],
        "seconds": 0.1,
        "a": side,
        "b": side,
    }
    sizes = {"limit_bytes": 64 << 20, "ahead_bytes": 1 << 20}
    spec = {"recording": str(place / "run"), "cases": [case] if setup else [], **sizes}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(DRIVER, text=True, **pipes) as driver:
        try:
            assert driver.stdin
            driver.stdin.write(json.dumps(spec))
            driver.stdin.close()
            yield driver
        finally:
            driver.kill()


def test_a_driver_without_its_command_ends_quietly(tmp_path: Path) -> None:
    with driver(tmp_path) as alone:
        assert alone.stdout
        alone.stdout.close()
        assert alone.wait(timeout=GUARD_SECONDS) == 1
        assert alone.stderr
        assert alone.stderr.read() == ""


def test_threads_that_a_setup_leaves_running_hold_nobody_up(tmp_path: Path) -> None:
    setup = "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()"
    with driver(tmp_path, setup) as alone:
        assert alone.wait(timeout=GUARD_SECONDS) == 0
        assert alone.stdout
        assert '"finished"' in alone.stdout.read()
    compare(*statements("1", setup=setup))


def test_a_process_that_a_setup_leaves_behind_holds_nobody_up(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    # It lets go of the standard streams, or this test itself would wait for it, and keeps the driver's pipe.
    setup = f"""
import os, time
if os.fork() == 0:
    with open({str(pids)!r}, "a") as file:
        print(os.getpid(), file=file)
    for stream in range(3):
        os.close(stream)
    time.sleep(600)
"""
    try:
        compare(*statements("1", setup=setup))
    finally:
        left = [int(pid) for pid in pids.read_text().split()]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert left


def test_a_setup_that_forks_and_goes_on_is_one_driver_still() -> None:
    comparison = json.loads(compare("--json", *statements("1", setup="import os; os.fork()")).stdout)
    assert comparison["complete"]


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


def test_showing_a_pipe_waits_for_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [COMMAND, "show", str(pipe)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GUARD_SECONDS)
    assert done.returncode == 1
    assert "is not a regular file" in done.stderr


def refused(save: str, text: str, **options: Any) -> None:
    """Check that a place is refused, before a statement was run."""
    ran = "raise RuntimeError('it was run')"
    done = compare(*statements(ran), "--save", save, expected=1, **options)
    assert text in done.stderr
    assert "help: " in done.stderr
    assert "it was run" not in done.stderr


def test_what_a_save_would_destroy_is_refused(tmp_path: Path) -> None:
    pipe, thesis = tmp_path / "pipe", tmp_path / "thesis"
    os.mkfifo(pipe)
    thesis.write_text("my thesis")
    refused(str(pipe), "it is a pipe")
    refused(str(thesis), "it is not a run file")
    refused(str(tmp_path / "new") + "/", "not the name of a file")
    refused(str(tmp_path / "none" / "x"), "No such file or directory")
    assert thesis.read_text() == "my thesis"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", "thesis"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_not_replaced_by_a_run(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this container lets nobody make a device")
    refused(str(device), "it is a device")
    assert device.is_char_device()


def test_a_run_is_saved_through_a_link_and_over_another_run(tmp_path: Path) -> None:
    link, run = tmp_path / "link", tmp_path / "run"
    link.symlink_to(run)
    compare(*statements("1"), "--save", str(link))
    first = run.read_bytes()
    compare(*statements("1"), "--save", str(link))
    assert link.is_symlink()
    assert run.read_bytes() != first
    subprocess.run([COMMAND, "show", str(link)], capture_output=True, check=True, timeout=GUARD_SECONDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "run"]


def test_a_run_that_cannot_be_saved_is_shown_all_the_same(tmp_path: Path) -> None:
    save = tmp_path / "run"
    setup = f"import os; os.makedirs({str(save)!r}, exist_ok=True)"
    done = compare(*statements("1", setup=setup), "--save", str(save), expected=1)
    assert "time per operation" in done.stdout
    assert "it is a directory" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_exception_is_told_with_its_message_and_harms_no_terminal() -> None:
    done = compare(*statements("1", "1 / 0"), expected=1)
    assert "error: the statement of side B raised ZeroDivisionError: division by zero\n" in done.stderr
    raising = r"exec('raise ValueError(\'\\x1b[2Jboom \\udc80\\nsecond\')')"
    done = compare(*statements("1", raising), expected=1)
    assert "raised ValueError: \\x1b[2Jboom ?\n" in done.stderr
    assert "\x1b" not in done.stderr


def test_memory_that_ran_out_has_its_message_and_one_mend() -> None:
    done = compare(*statements("1", "exec('raise MemoryError')"), expected=1)
    assert "the statement of side B ran out of memory\n" in done.stderr
    assert done.stderr.count("--size") == 1
    done = compare(*statements("1", "np.ones(1 << 60, 'b')"), expected=1)
    assert "ran out of memory: Unable to allocate" in done.stderr


def fixes(errors: str) -> list[str]:
    return [line.strip() for line in errors.splitlines() if "help" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_limit_on_memory_has_the_mend_that_fits() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    done = compare(*statements("1"), expected=1, preexec_fn=limit)
    assert "the run could not be recorded: cannot map " in done.stderr
    assert fixes(done.stderr) == ["help: allow more memory (ulimit -v), or free some"]


def test_a_full_disk_is_told_with_one_mend(tmp_path: Path) -> None:
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
    help = "help: free some space, or record to another file system: --save FILE, or TMPDIR=DIRECTORY"
    assert fixes(done.stderr) == [help]
    assert done.stderr.count("free some space") == 1
