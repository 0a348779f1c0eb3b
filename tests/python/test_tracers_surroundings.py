"""Tracers and what they are given: odd names, somebody else's files, numbers of another namespace, and no room."""

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tracers

import raptors_trace

pytestmark = pytest.mark.tracers

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
STANDINS = Path(__file__).with_name("standins.c")
SHORT = ("--time", "0.2", "--size", "64", "--dtype", "float32", "--python", sys.executable)
ENGINES = ("bpftrace", "dtrace")
# What a shell, bpftrace, D or a format could read as more than a name; `*/` makes it a directory in a directory.
ODD = 'it\'s"$(touch${IFS}pwned)"`touch${IFS}pwned`\nEND{exit();}*/%s%n\\'
WITH_BLANK = "a blank"
# Calls a routine of a library that stands in for OpenBLAS, until its input ends.
CALLER = """
import ctypes, os, sys, threading, time
library, *others = map(ctypes.CDLL, sys.argv[1:])
over = []
threading.Thread(target=lambda: (sys.stdin.read(), over.append(1)), daemon=True).start()
print("ready", os.getpid(), flush=True)
i, p = ctypes.c_int, ctypes.cast((ctypes.c_float * 4096)(), ctypes.c_void_p)
gemm, new = library.cblas_sgemm, getattr(library, "cblas_sgemm$NEWLAPACK$ILP64")
n, one = ctypes.c_long, ctypes.c_float(1)
while not over:
    gemm(i(101), i(111), i(111), i(8), i(9), i(10), one, p, i(64), p, i(64), one, p, i(64))
    new(i(101), i(111), i(111), n(2), n(3), n(4), one, p, n(64), p, n(64), one, p, n(64))
    time.sleep(0.01)
"""


def run(*arguments: str, expected: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=300, **options)
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def need(engine: str) -> None:
    """Skip the test where this tracer cannot be used."""
    getattr(tracers, engine)()


def library(place: Path, name: str = "libopenblas-r0.so") -> Path:
    """Build the library that stands in for OpenBLAS."""
    place.mkdir(parents=True, exist_ok=True)
    gcc = [tracers.tool("gcc"), "-O1", "-shared", "-fPIC", "-DBLAS", "-o", str(place / name), str(STANDINS)]
    subprocess.run(gcc, check=True)
    return place / name


@contextlib.contextmanager
def calling(*files: Path) -> Iterator[int]:
    """Run a process that calls routines of the first library and loads the others; yields its number."""
    with tracers.waiting([sys.executable, "-c", CALLER, *map(str, files)]) as program:
        yield program.pid


def watch(pid: int, engine: str, expected: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Watch a process for a moment."""
    command = ("calls", "--pid", str(pid), "--engine", engine, "--duration", "1", "--json")
    return run(*command, expected=expected, **options)


def nothing_was_run(*places: Path) -> bool:
    """Whether no shell has read anything into a name."""
    return not any(list(place.rglob("*pwned")) for place in places) and not Path("pwned").exists()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_library_of_any_name_in_any_place_is_watched(engine: str, tmp_path: Path) -> None:
    need(engine)
    file = library(tmp_path / ODD, f"libopenblas{ODD.partition('*/')[0]}.so")
    with calling(file) as pid:
        live = json.loads(watch(pid, engine, cwd=tmp_path).stdout)
    assert nothing_was_run(tmp_path)
    assert {call["module"] for call in live["calls"]} == {str(file)}
    found = {call["symbol"]: call for call in live["calls"]}
    assert list(found["cblas_sgemm"]["n"]) == ["8"]
    assert found["cblas_sgemm"]["strides"] == [9, 10]
    # `$` begins a macro in D, and a parameter in bpftrace.
    assert list(found["cblas_sgemm$NEWLAPACK$ILP64"]["n"]) == ["2"]


def test_what_dtrace_takes_for_another_file_is_left_out_with_the_reason(tmp_path: Path) -> None:
    need("dtrace")
    file, other = library(tmp_path / WITH_BLANK), library(tmp_path / WITH_BLANK, "other.so")
    with calling(file) as pid:
        assert json.loads(watch(pid, "dtrace").stdout)["calls"]
    with calling(file, other) as pid:
        done = watch(pid, "dtrace", expected=3)
    assert "DTrace reads the path of libopenblas-r0.so only up to its first blank" in done.stderr


def laid(place: Path) -> dict[str, str]:
    """Lay raptors_trace into a directory; the environment that finds it there."""
    shutil.copytree(Path(raptors_trace.__file__).parent, place / "raptors_trace")
    return {**os.environ, "PYTHONPATH": str(place)}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_statement_and_the_extensions_place_may_hold_anything(engine: str, tmp_path: Path) -> None:
    need(engine)
    odd = f"'''{ODD} $(touch pwned)'''".replace("\\", "\\\\")
    statement = f"a * 2.5; {odd}"
    setup = f"a = rng.random(shape, dtype=dtype); r = kernel.from_numpy(a); name = {odd}"
    shown = run(
        *("compare", *SHORT, "--engine", engine, "--setup", setup, "--a", statement, "--b", "r.scale(2.5)"),
        *("--allow-different", "--json"),
        cwd=tmp_path,
        env=laid(tmp_path / ODD.replace("\n", " ")),
    )
    assert nothing_was_run(tmp_path)
    comparison = json.loads(shown.stdout)
    assert [control["ok"] for control in comparison["controls"]] == [True]
    for case in comparison["cases"]:
        assert case["sides"]["a"]["statement"] == statement
        [call] = case["sides"]["a"]["calls"]
        assert (call["name"], call["calls_per_op"]) == ("np.multiply[ff->f]", 1)
        [backend] = case["sides"]["b"]["calls"]
        assert (backend["kind"], backend["calls_per_op"]) == ("backend", 1)


@pytest.mark.parametrize(
    ("engine", "name", "why"),
    [
        ("bpftrace", "a\nline", "bpftrace does not find the probes of _native"),
        ("dtrace", "a\nline", "dtrace does not find the probes of _native"),
        ("dtrace", WITH_BLANK, "DTrace reads the path of _native"),
    ],
)
def test_an_extension_that_cannot_be_found_is_one_sentence(engine: str, name: str, why: str, tmp_path: Path) -> None:
    need(engine)
    environment = laid(tmp_path / name)
    # Loaded from the same place, it looks the same up to a blank.
    other = f"import ctypes; ctypes.CDLL({str(library(tmp_path / name))!r})"
    statements = ("--setup", other, "--a", "1", "--b", "1")
    done = run("compare", *SHORT, *statements, "--engine", engine, expected=3, env=environment)
    assert f"{engine} could not be armed: {why}" in done.stderr


def test_a_place_for_temporary_files_that_could_be_misread_is_refused(tmp_path: Path) -> None:
    need("bpftrace")
    temporary = tmp_path / 'quo"te'
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with calling(library(tmp_path / WITH_BLANK)) as pid:
        done = watch(pid, "bpftrace", expected=3, env=environment)
    assert f"could misread the name of the directory for temporary files, `{temporary}`" in done.stderr
    assert "help: set TMPDIR" in done.stderr
    # A file of a harmless name needs no other, and then the place does not matter.
    with calling(library(tmp_path)) as pid:
        watch(pid, "bpftrace", env=environment)
    assert not list(temporary.iterdir())


# ---- files ----


def test_nobody_else_looks_into_temporary_files(tmp_path: Path) -> None:
    need("bpftrace")
    temporary, modes = tmp_path / "temporary", tmp_path / "modes"
    temporary.mkdir()
    shown = "f'{p.name} {p.stat().st_mode & 0o777:o}\\n' for p in place.iterdir()"
    look = f"open({str(modes)!r}, 'a').writelines({shown})"
    setup = f"import pathlib; place = pathlib.Path({str(temporary)!r})"
    run(
        *("compare", *SHORT, "--engine", "bpftrace", "--setup", setup, "--a", look, "--b", "1", "--allow-different"),
        env={**os.environ, "TMPDIR": str(temporary)},
        preexec_fn=lambda: os.umask(0o022) and None,
    )
    seen = {re.sub(r"-\w+ ", " ", line) for line in modes.read_text().splitlines()}
    assert seen == {"raptors-trace 700", "raptors-trace-bpftrace 700"}
    assert not list(temporary.iterdir())


# ---- numbers of processes ----


def inner(script: str) -> list[str]:
    """Return the command that runs a shell's script in a PID namespace of its own."""
    command = [tracers.tool("unshare"), "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        tracers.unavailable("this system lets nobody make a PID namespace")
    return [*command, script, "sh"]


@pytest.mark.parametrize("engine", ENGINES)
def test_from_inside_a_pid_namespace_nothing_is_counted_as_zero(engine: str, tmp_path: Path) -> None:
    need(engine)
    file = library(tmp_path)
    script = f'"$1" -c "$2" "$3" < /dev/zero > /dev/null & "$4" calls --pid $! --engine {engine} --duration 1'
    command = [
        *inner(script),
        sys.executable,
        CALLER.replace("sys.stdin.read()", "time.sleep(600)"),
        str(file),
        COMMAND,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stdout == ""
    assert f"{engine} knows process 2 by the number it has outside of this container" in done.stderr
    assert "--pid=host" in done.stderr
    script = f'"$@" --engine {engine}'
    done = subprocess.run(
        [*inner(script), COMMAND, "compare", *SHORT], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{engine} could not be armed: {engine} knows process" in done.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_in_a_pid_namespace_is_watched_from_outside(engine: str, tmp_path: Path) -> None:
    need(engine)
    command = inner('exec "$@"')
    with tracers.waiting([*command, sys.executable, "-c", CALLER, str(library(tmp_path))]) as program:
        # The number it says is the one it has inside.
        assert program.pid == 1
        outside = program.child.pid
        [pid] = Path(f"/proc/{outside}/task/{outside}/children").read_text().split()
        live = json.loads(watch(int(pid), engine).stdout)
    assert {call["name"] for call in live["calls"]} == {"cblas_sgemm"}


# ---- no room ----

STEMS = ("scal", "axpy", "copy", "dot", "nrm2", "asum", "gemv", "ger", "syrk", "trsm")
ROUTINES = [f"cblas_{letter}{stem}" for letter in "sd" for stem in STEMS]


def test_dtrace_watches_as_many_functions_as_it_may_open_files_for(tmp_path: Path) -> None:
    need("dtrace")
    bodies = "".join(f"void {name}(void) {{ }}\n" for name in ROUTINES)
    (tmp_path / "many.c").write_text(bodies)
    file = tmp_path / "libmany.so"
    subprocess.run([tracers.tool("gcc"), "-shared", "-fPIC", "-o", file, tmp_path / "many.c"], check=True)
    caller = f"""
import ctypes, os, sys, time
library = ctypes.CDLL({str(file)!r})
print("ready", os.getpid(), flush=True)
while True:
    for name in {ROUTINES!r}: getattr(library, name)()
    time.sleep(0.01)
"""

    def few() -> None:
        # DTrace raises the soft limit to the hard one by itself.
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 64 + 2 * (os.cpu_count() or 1) + 2 * 15))

    with tracers.waiting([sys.executable, "-c", caller]) as program:
        live = json.loads(watch(program.pid, "dtrace", preexec_fn=few).stdout)
    assert live["probes"] == len(live["calls"]) == 15
    [reason] = live["left_out"]
    assert re.search(r"and 4 more: DTrace opens two files a function, so 15 functions at most are watched", reason)


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Mount a file system of 1 MiB."""
    tracers.require_root()
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False)
    if mounted.returncode:
        tracers.unavailable("this system lets nobody mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_run_that_does_not_fit_its_disk_leaves_nothing_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as disk:
        done = run("compare", *SHORT, "--save", str(disk / "run.rtrace"), expected=1)
        assert "No space left on device" in done.stderr
        assert "help: free disk space" in done.stderr
        assert not list(disk.iterdir())


@pytest.mark.parametrize("engine", ENGINES)
def test_no_room_for_a_tracer_s_program_is_one_sentence(engine: str, tmp_path: Path) -> None:
    need(engine)
    save = tmp_path / "run.rtrace"
    with small_disk(tmp_path / "small") as disk:
        full = disk / "full"
        with full.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        environment = {**os.environ, "TMPDIR": str(disk)}
        done = run("compare", *SHORT, "--engine", engine, "--save", str(save), expected=3, env=environment)
        assert list(disk.iterdir()) == [full]
    assert f"{engine} could not be armed: there is no place for the files of {engine}: No space left" in done.stderr
    assert "free disk space, or set TMPDIR" in done.stderr


def test_a_tracer_is_asked_once_what_it_is(tmp_path: Path) -> None:
    need("bpftrace")
    log, asked = tmp_path / "log", tmp_path / "bin" / "bpftrace"
    asked.parent.mkdir()
    asked.write_text(f'#!/bin/sh\necho "$1" >> {log}\nexec {tracers.bpftrace()} "$@"\n')
    asked.chmod(0o755)
    environment = {**os.environ, "PATH": f"{asked.parent}:{os.environ['PATH']}"}
    with calling(library(tmp_path)) as pid:
        live = json.loads(watch(pid, "bpftrace", env=environment).stdout)
    assert live["version"].startswith("bpftrace v")
    assert log.read_text().split() == ["--version", "-p"]
