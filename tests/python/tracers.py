"""Runs the system's tracers, bpftrace and DTrace, on a program that waits at a start barrier.

The program prints ``ready PID``, and waits for a line on its standard input until the tracer is
attached. That it is attached is seen in the program's memory: each probe's site, a nop, has become
a breakpoint. Neither tracer says so by itself in every version.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROVIDER_D = REPOSITORY / "probes" / "provider.d"
PROVIDER = "raptors"
# Where scripts/install-dtrace puts it, and where distributions do.
DTRACE_PLACES = ("/opt/dtrace/bin/dtrace", "/usr/sbin/dtrace")
# bpftrace 0.17 shows at most this much of a string.
BPFTRACE_STRING = 63
ATTACH_SECONDS = 60
SETTLE_SECONDS = 1
NOTICE_SECONDS = 2
END_SECONDS = 30
# DTrace takes about 0.2 s to withdraw each probe, several times that on a busy machine.
SCRIPT_END_SECONDS = 420
ONLY_WAITS = 8
"""Looks at a tracer, 0.2 s apart, that all find it waiting for events."""

Argument = int | str


allowed = False
"""Whether the test that runs is marked `tracers`; conftest.py says so."""


@dataclass(frozen=True)
class Event:
    """One hit of a probe: its name as in provider.d (``scale__entry``) and its arguments."""

    name: str
    arguments: tuple[Argument, ...]


@dataclass
class Traced:
    """What a tracer saw, and what the program printed after the barrier."""

    events: list[Event]
    output: str
    # What the tracer printed beside the events.
    beside: list[str]

    def named(self, name: str) -> list[tuple[Argument, ...]]:
        """Return the arguments of every hit of one probe, in order."""
        return [event.arguments for event in self.events if event.name == name]


def listed() -> dict[str, list[str]]:
    """Return the probes of provider.d and their arguments' C types."""
    text = re.sub(r"/\*.*?\*/", "", PROVIDER_D.read_text(), flags=re.DOTALL)
    found = re.findall(r"probe\s+(\w+)\s*\(([^)]*)\)\s*;", text)
    return {name: [_c_type(argument) for argument in all_.split(",")] for name, all_ in found}


def _c_type(argument: str) -> str:
    return "char *" if "*" in argument else argument.split()[0]


def unavailable(reason: str) -> None:
    """Skip the test and say why; in CI everything has to be there, so fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI this must not be missing: {reason}")
    print(f"skipped: {reason}", file=sys.stderr)
    pytest.skip(reason)


def require_root() -> None:
    """Skip the test, in CI fail it, unless this process may trace others."""
    if not sys.platform.startswith("linux"):
        unavailable("system tracers are tested on Linux only")
    if os.geteuid() != 0:
        unavailable("system tracers need root")


def tool(name: str, places: Sequence[str] = ()) -> str:
    """Return the path of a program; where there is none, skip the test, in CI fail it."""
    found = shutil.which(name) or next(filter(shutil.which, places), None)
    if found is None:
        unavailable(f"{name} is not installed")
    return str(found)


def require_mark() -> None:
    """Fail a test that runs a tracer and is not marked so: others would run beside it."""
    if not allowed:
        raise RuntimeError("this test runs a tracer: mark it with pytest.mark.tracers")


def dtrace() -> str:
    """Return the path of a real DTrace: SystemTap has a script of that name that cannot trace."""
    require_mark()
    require_root()
    for candidate in (*DTRACE_PLACES, shutil.which("dtrace")):
        if candidate and shutil.which(candidate):
            shown = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False)
            if re.search(r"\bD \d+\.\d+", shown.stdout):
                return candidate
    unavailable("DTrace is not installed; as root: scripts/install-dtrace")
    raise AssertionError


def bpftrace() -> str:
    """Return the path of bpftrace."""
    require_mark()
    require_root()
    return tool("bpftrace")


def perf() -> str:
    """Return the path of perf, which only root may have look at the kernel everywhere."""
    require_mark()
    require_root()
    return tool("perf")


@dataclass(frozen=True)
class Site:
    """A probe's site in a file, as its SystemTap note gives it."""

    name: str
    address: int
    arguments: tuple[str, ...] = field(default=())


def sites(path: Path) -> list[Site]:
    """Return the sites that ``readelf -n`` shows for the provider in one file."""
    command = [tool("readelf"), "-n", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    note = re.compile(rf"Provider: {PROVIDER}\n\s*Name: (\w+)\n\s*Location: 0x([0-9a-f]+),.*\n\s*Arguments: (.*)")
    return [Site(name, int(address, 16), tuple(arguments.split())) for name, address, arguments in note.findall(shown)]


class Program:
    """A child process at its start barrier."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        ready = self._lines().readline().split()
        if len(ready) != 2 or ready[0] != "ready":
            self.child.kill()
            raise RuntimeError(f"{command[0]} did not say that it is ready, but {ready}")
        self.pid = int(ready[1])

    def _lines(self):
        assert self.child.stdout is not None
        return self.child.stdout

    def base(self, path: Path) -> int:
        """Return the address where the file is loaded."""
        for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5] == str(path) and int(fields[2], 16) == 0:
                return int(fields[0].split("-")[0], 16)
        raise RuntimeError(f"{path} is not loaded")

    def instructions(self, addresses: Sequence[int]) -> list[bytes]:
        """Return the first 4 bytes of code at each address, as the process has them now."""
        with Path(f"/proc/{self.pid}/mem").open("rb", buffering=0) as memory:
            return [os.pread(memory.fileno(), 4, address) for address in addresses]

    def go(self) -> None:
        """Open the barrier, and wait until the program says ``done``: it lives on until its input ends."""
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        said = self._lines().readline().strip()
        if said != "done":
            raise RuntimeError(f"the program did not say that it is done, but {said!r}")

    def end_input(self) -> None:
        """Close its input, which ends it after its work."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        self.child.stdin = None

    def run(self) -> str:
        """Open the barrier, wait for the end, return what was printed in between."""
        output, _ = self.child.communicate("\n", timeout=END_SECONDS)
        if self.child.returncode != 0:
            raise RuntimeError(f"the traced program ended with {self.child.returncode}")
        return output


@contextlib.contextmanager
def waiting(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Start a program and hold it at its barrier; end it at the end of the block."""
    program = Program(command, environment)
    try:
        yield program
    finally:
        if program.child.poll() is None:
            program.child.kill()
        program.child.communicate()


def _bpftrace_program(path: Path) -> str:
    def clause(name: str, types: list[str]) -> str:
        shown = "".join("|%s" if kind == "char *" else "|%lu" for kind in types)
        values = (f"str(arg{i})" if kind == "char *" else f"arg{i}" for i, kind in enumerate(types))
        return f'usdt:{path}:{PROVIDER}:{name} {{ printf("{name}{shown}\\n", {", ".join(values)}); }}\n'

    return "".join(clause(name, types) for name, types in listed().items())


def _dtrace_program() -> str:
    def clause(name: str, types: list[str]) -> str:
        shown = "".join("|%s" if kind == "char *" else "|%u" for kind in types)
        values = (f"copyinstr(arg{i})" if kind == "char *" else f"(uint64_t)arg{i}" for i, kind in enumerate(types))
        probe = f"{PROVIDER}$target:::{name.replace('__', '-')}"
        return f'{probe} {{ printf("{name}{shown}\\n", {", ".join(values)}); }}\n'

    return "".join(clause(name, types) for name, types in listed().items())


def trace_with_bpftrace(program: Program, path: Path) -> Traced:
    """Run the program under bpftrace with every probe of the file armed."""
    return _trace([bpftrace(), "-p", str(program.pid), "-e", _bpftrace_program(path)], program, path)


def trace_with_dtrace(program: Program, path: Path, also: str = "") -> Traced:
    """Run the program under DTrace with every probe of the file armed, and more clauses if given."""
    command = [dtrace(), "-q", "-p", str(program.pid), "-n", _dtrace_program() + also]
    return _trace(command, program, path)


def _uprobe_events() -> list[str]:
    events = Path("/sys/kernel/tracing/uprobe_events")
    return events.read_text().splitlines() if events.exists() else []


def _trace(command: Sequence[str], program: Program, path: Path) -> Traced:
    base = program.base(path)
    addresses = [base + site.address for site in sites(path)]
    nops = program.instructions(addresses)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            _wait_until_armed(tracer, program, addresses, nops)
            output = program.run()
            events, complaints = _end(tracer)
        finally:
            if tracer.poll() is None:
                # SIGKILL would leave DTrace's probes in the kernel.
                tracer.send_signal(signal.SIGINT)
    if tracer.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {tracer.returncode}: {complaints}")
    # DTrace names its probes in the kernel after its own process.
    left = [line for line in _uprobe_events() if f"dt_{tracer.pid}_" in line]
    assert not left, f"DTrace left its probes behind: {left}"
    return _parse(events, output)


def _wait_until_armed(
    tracer: subprocess.Popen[str], program: Program, addresses: Sequence[int], nops: list[bytes]
) -> None:
    deadline = time.monotonic() + ATTACH_SECONDS
    while any(a == b for a, b in zip(nops, program.instructions(addresses), strict=True)):
        if tracer.poll() is not None:
            raise RuntimeError(f"the tracer ended before it was attached: {tracer.communicate()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the tracer is not attached after {ATTACH_SECONDS} s")
        time.sleep(0.05)
    # A breakpoint stands for a moment before the tracer's own program is attached to it.
    time.sleep(SETTLE_SECONDS)


def _end(tracer: subprocess.Popen[str]) -> tuple[str, str]:
    """End the tracer: it should end with its target, but DTrace often does not notice."""
    try:
        return tracer.communicate(timeout=NOTICE_SECONDS)
    except subprocess.TimeoutExpired:
        tracer.send_signal(signal.SIGINT)
        return tracer.communicate(timeout=END_SECONDS)


def _parse(text: str, output: str) -> Traced:
    types = listed()
    traced = Traced([], output, [])
    for line in filter(None, text.splitlines()):
        name, *values = line.split("|")
        if name not in types:
            traced.beside.append(line)
            continue
        assert len(values) == len(types[name]), line
        traced.events.append(Event(name, tuple(map(_value, values, types[name]))))
    return traced


def _value(text: str, c_type: str) -> Argument:
    return text if c_type == "char *" else int(text)


class Script:
    """A tracer that runs a script on a program: what it printed, once it has ended."""

    def __init__(self, command: Sequence[str]) -> None:
        self.report = ""
        self.complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the tracer
        self.tracer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.complaints, text=True)
        self.begun = threading.Event()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        # Both tracers begin a script when all of it is armed.
        if not self.begun.wait(ATTACH_SECONDS) or "report." not in self.report:
            self._give_up("did not begin")
        time.sleep(SETTLE_SECONDS)

    def _read(self) -> None:
        assert self.tracer.stdout is not None
        with self.tracer.stdout as lines:
            for line in lines:
                self.report += line
                if "report." in line:
                    self.begun.set()
        self.begun.set()

    def interrupt(self) -> str:
        """End it as Ctrl-C does, and return all it printed."""
        self.tracer.send_signal(signal.SIGINT)
        # One that comes right before bpftrace waits for events does not end that wait.
        waiting = 0
        for _ in range(SCRIPT_END_SECONDS * 5):
            if self.tracer.poll() is not None:
                break
            place = Path(f"/proc/{self.tracer.pid}/wchan")
            with contextlib.suppress(OSError):
                waiting = waiting + 1 if "epoll" in place.read_text() else 0
            if waiting == ONLY_WAITS:
                self.tracer.send_signal(signal.SIGINT)
                waiting = 0
            time.sleep(0.2)
        return self.ended()

    def ended(self) -> str:
        """Wait for its end, which its target's end brings about, and return all it printed."""
        try:
            self.tracer.wait(SCRIPT_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._give_up("does not end")
        self.reader.join()
        if self.tracer.returncode != 0:
            self._give_up(f"ended with {self.tracer.returncode}")
        self.complaints.close()
        return self.report

    def _give_up(self, why: str) -> None:
        self.tracer.kill()
        self.tracer.wait()
        self.reader.join()
        with self.complaints:
            self.complaints.seek(0)
            raise RuntimeError(f"the script {why}:\n{self.report}{self.complaints.read()}")
