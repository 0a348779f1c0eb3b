"""Ways in which a target ends or changes its surroundings: it behaves as without us, and the run says what it lacks."""

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
from command import compare, run, statements

from raptors_trace import _native

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="mounts, quotas and the like are Linux's here")

# Around each target: with RECORD it is recorded, without it runs alone. It ends the recording by `finish()`.
AROUND = """
import hashlib, math, os, sys, threading
import numpy as np
from raptors_trace import _native

record = os.environ.get("RECORD")
if record:
    _native.start_recording(record, 512 << 20, 1 << 20)
    _native.arm(routines=False, memory=False)

def work(n=2000):
    x, o = np.ones(37), np.empty(37)
    for _ in range(n):
        np.multiply(x, 2.5, out=o)
    return math.fsum(o)

def finish():
    if record:
        _native.disarm()
        _native.finish_recording()
"""


def target(body: str, path: Path | None, directory: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **more}
    environment.pop("RECORD", None)
    if path is not None:
        environment["RECORD"] = str(path)
    command = [sys.executable, "-c", AROUND + body]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd=directory
    )


def both(body: str, tmp_path: Path, **more: str) -> Path:
    """Run a target without us and recorded: what it prints and how it ends are the same. Returns the run file."""
    path = tmp_path / "run.rtrace"
    outcomes = []
    for name, record in (("alone", None), ("recorded", path)):
        directory = tmp_path / name
        directory.mkdir()
        done = target(body, record, directory, **more)
        outcomes.append((done.returncode, done.stdout, done.stderr))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1], outcomes[0][2]
    return path


def multiplications(path: Path) -> tuple[int, int, bool]:
    """The recorded calls of `work`, the lost records, and whether the recording was finished."""
    found = _native.read_recording(path)
    sites = (json.loads(text) for key, text in found["documents"] if key == "site")
    names = {site["id"]: site["name"] for site in sites}
    loops = [names[site] for _, kind, _, site, _, _, _ in found["records"] if kind == "loop"]
    calls = sum(name.startswith("np.multiply[") for name in loops)
    return calls, found["lost"], found["complete"]


# Descriptors and names.

CLOSED = """
work()
os.closerange(3, 64)
mine = [open(f"mine-{i}", "w+b") for i in range(8)]
for file in mine:
    file.write(b"m" * (8 << 20))
    file.flush()
print(work(100_000))
finish()
for file in mine:
    file.seek(0)
    print(hashlib.sha256(file.read()).hexdigest(), os.fstat(file.fileno()).st_size)
    file.close()
"""


def test_a_program_that_closes_all_descriptors_keeps_its_files(tmp_path: Path) -> None:
    path = both(CLOSED, tmp_path)
    calls, lost, complete = multiplications(path)
    assert complete
    assert 2_000 < calls < 102_000
    assert lost > 0
    assert calls + lost == 102_000


REMOVED = """
work()
if record:
    os.unlink(record)
print(work())
finish()
print(sorted(os.listdir()))
"""


def test_a_removed_run_file_disturbs_nobody(tmp_path: Path) -> None:
    assert not both(REMOVED, tmp_path).exists()


# Processes.

FORKED = """
stop = threading.Event()
totals = [0] * 2
def busy(i):
    while not stop.is_set():
        work(100)
        totals[i] += 100
threads = [threading.Thread(target=busy, args=(i,)) for i in range(2)]
[thread.start() for thread in threads]
for i in range(5):
    child = os.fork()
    if child == 0:
        work(50)
        os._exit(int(work(50)) % 7 + 3)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status))
stop.set()
[thread.join() for thread in threads]
finish()
open("totals", "w").write(str(sum(totals)))
"""


@pytest.mark.filterwarnings("ignore")
def test_children_forked_in_the_middle_of_records_leave_the_parents_run_alone(tmp_path: Path) -> None:
    path = both("import warnings; warnings.simplefilter('ignore')\n" + FORKED, tmp_path)
    calls, lost, complete = multiplications(path)
    assert complete
    assert calls + lost == int((tmp_path / "recorded" / "totals").read_text())
    assert calls > 0


REPLACED = """
threads = [threading.Thread(target=work, args=(10**9,), daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
work()
sys.stdout.flush()
os.execv(sys.executable, [sys.executable, "-c", "print('another program')"])
"""
LEFT = """
threads = [threading.Thread(target=work, args=(10**9,), daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
print(work(), flush=True)
os._exit(5)
"""


@pytest.mark.parametrize("body", [REPLACED, LEFT], ids=["exec", "_exit"])
def test_a_process_that_ends_without_a_word_leaves_a_run_that_says_so(tmp_path: Path, body: str) -> None:
    path = both(body, tmp_path)
    calls, _, complete = multiplications(path)
    assert not complete
    assert calls >= 2_000, "the calls of the main thread were made before the end"
    # No comparison is in it: the command says so, with its exit code for that.
    assert "the run file has no comparison" in run("show", str(path), expected=3).stderr


SUB = """
try:
    import _interpreters as interpreters
    create, execute = interpreters.create, interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    create, execute = interpreters.create, interpreters.run_string
work()
other = create()
thread = threading.Thread(target=work)
thread.start()
execute(other, "import math; print([math.sqrt(i) for i in range(5)], flush=True)")
thread.join()
interpreters.destroy(other)
print(work())
finish()
"""


def test_a_sub_interpreter_runs_beside_the_observers(tmp_path: Path) -> None:
    path = both(SUB, tmp_path)
    assert multiplications(path) == (6_000, 0, True)


# Disks.


@contextlib.contextmanager
def mounted(options: str) -> Iterator[Path]:
    """A small file system of its own; skipped where that takes a right that is missing."""
    with tempfile.TemporaryDirectory() as place:
        mount = ["mount", "-t", "tmpfs", "-o", options, "raptors-test", place]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"needs the right to mount a tmpfs with {options}: {done.stderr.strip()}")
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "-l", place], check=True)


# A statement with so many calls that 64 MiB do not hold them.
BUSY = "for _ in range(20000): np.multiply(x, 2.5, out=o)"


@LINUX
@pytest.mark.all_tier
def test_a_full_disk_costs_calls_and_not_the_run() -> None:
    with mounted("size=72m") as disk:
        path = disk / "run.rtrace"
        arguments = ("--save", str(path), *statements(BUSY, BUSY, "x = np.ones(37); o = np.empty(37)"))
        # 1: some calls are missing, and its error says so.
        done = compare(*arguments, expected=1)
        assert "records did not fit into the run file" in done.stdout + done.stderr
        shown = json.loads(run("show", "--json", str(path), expected=1).stdout)
        assert shown["lost_records"] > 0
        assert not shown["complete"]
        assert shown["cases"][0]["rounds"]["count"] > 0
        assert not any("left out" in warning for warning in shown["warnings"]), shown["warnings"]


@LINUX
def test_a_disk_without_room_for_a_run_is_told_and_left_as_it_was() -> None:
    with mounted("size=8m") as disk:
        done = compare("--save", str(disk / "run.rtrace"), *statements("1"), expected=1)
        assert "free disk space" in done.stderr
        assert done.stdout == ""
        assert list(disk.iterdir()) == []


# Stands between us and the C library, as a quota would: no file gets more than 6 MiB.
QUOTA = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/types.h>

#define REFUSED(name, offset, length, ...) \\
    if ((offset) + (off_t)(length) > (6 << 20)) { errno = EDQUOT; return -1; } \\
    return ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

int fallocate(int file, int mode, off_t offset, off_t length) {
    REFUSED(fallocate, offset, length, file, mode, offset, length);
}
int fallocate64(int file, int mode, off_t offset, off_t length) {
    REFUSED(fallocate64, offset, length, file, mode, offset, length);
}
ssize_t pwrite64(int file, const void *bytes, size_t length, off_t offset) {
    REFUSED(pwrite64, offset, length, file, bytes, length, offset);
}
"""


@LINUX
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc for the library that refuses as a quota does")
def test_a_quota_costs_calls_and_not_the_run(tmp_path: Path) -> None:
    source, library = tmp_path / "quota.c", tmp_path / "quota.so"
    source.write_text(QUOTA)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    path = both("print(work(150_000))\nfinish()\n", tmp_path, LD_PRELOAD=str(library))
    calls, lost, complete = multiplications(path)
    assert complete
    assert calls + lost == 150_000
    assert lost > 0


@LINUX
def test_a_read_only_directory_is_told_and_nothing_is_left() -> None:
    with mounted("size=8m") as disk:
        (disk / "mine").write_text("mine")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = compare("--save", str(disk / "run.rtrace"), *statements("1"), expected=1)
        assert "error: " in done.stderr
        assert "help: " in done.stderr
        assert str(disk) in done.stderr
        assert done.stdout == ""
        assert [path.name for path in disk.iterdir()] == ["mine"]
