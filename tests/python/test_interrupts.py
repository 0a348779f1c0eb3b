"""Signals, and processes that do not end: what was measured is shown, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, GUARD_SECONDS, arguments, compare, statements

from raptors_trace._protocol import VERSION, CaseSpec, SideSpec, Spec, line_of

DRIVER = [sys.executable, "-m", "raptors_trace._driver"]


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
    side = SideSpec("x", setup or "", "1")
    flags = {"in_place": False, "allow_different": False, "only_if_different": False, "sampled": False}
    case = CaseSpec("custom", "dropped", "float32", [], seconds=0.1, **flags, a=side, b=side)
    nothing = {
        "engines": [],
        "wait": None,
        "tracers": [],
        "sampling": None,
        "command": [],
        "machine": {},
        "warnings": [],
    }
    spec = Spec(VERSION, str(place / "run"), 64 << 20, 1 << 20, [case] if setup else [], **nothing)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(DRIVER, text=True, **pipes) as driver:
        try:
            assert driver.stdin
            driver.stdin.write(line_of(spec))
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
