"""The probes as the system's own tools see them, in an example and in the Python extension."""

import importlib.util
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tracers

FACTOR = 2.5
FACTOR_BITS = {"float32": 0x40200000, "float64": 0x4004000000000000}
ITEM_SIZE = {"float32": 4, "float64": 8}

# Scales COUNT times on each backend, then prints what the kernel says about the last call of each.
SCALES = """
import json, os, sys
import numpy as np
from raptors_trace import kernel

dtype, n, count, backends = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
array = kernel.from_numpy(np.ones(n, dtype))
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
choices = []
for backend in backends:
    for _ in range(count):
        array.scale(2.5, backend=None if backend == "automatic" else backend)
    choice = kernel.last_choice()
    choices.append({"backend": str(choice.backend), "reason": str(choice.reason),
                    "threads": int(choice.threads)})
print(json.dumps(choices))
"""


@pytest.fixture(scope="session")
def fire_all():
    """Return the example that fires every probe, built by cargo."""
    command = [tracers.tool("cargo"), "build", "--quiet", "--message-format=json"]
    built = subprocess.run(
        [*command, "--package=raptors-probes", "--example=fire_all"],
        cwd=tracers.REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    messages = map(json.loads, built.stdout.splitlines())
    return Path(next(m["executable"] for m in messages if m.get("executable")))


@pytest.fixture(scope="session")
def extension():
    """Return the file of the extension module."""
    found = importlib.util.find_spec("raptors_trace._native")
    assert found is not None, "raptors_trace is not installed"
    assert found.origin is not None
    return Path(found.origin).resolve()


TRACERS = pytest.mark.parametrize(
    "trace",
    [
        pytest.param(tracers.trace_with_bpftrace, id="bpftrace", marks=pytest.mark.tracers),
        pytest.param(tracers.trace_with_dtrace, id="dtrace", marks=pytest.mark.tracers),
    ],
)


def test_readelf_shows_one_site_of_every_probe_of_the_extension(extension):
    if not sys.platform.startswith("linux"):
        tracers.unavailable("SystemTap notes are Linux's")
    found = {site.name: len(site.arguments) for site in tracers.sites(extension)}
    assert len(tracers.sites(extension)) == len(found), "a probe has two sites"
    assert found == {name: len(types) for name, types in tracers.listed().items()}


def test_the_extension_s_code_lies_at_its_file_offsets(extension):
    if not sys.platform.startswith("linux"):
        tracers.unavailable("ELF files are Linux's")
    shown = subprocess.run(
        [tracers.tool("readelf"), "-lW", extension], capture_output=True, text=True, check=True
    ).stdout
    loads = re.findall(r"LOAD\s+0x([0-9a-f]+) 0x([0-9a-f]+) \S+ \S+ \S+ (.{3})", shown)
    code = [(offset, address) for offset, address, flags in loads if "E" in flags]
    assert code
    for offset, address in code:
        assert int(offset, 16) == int(address, 16), shown


@pytest.mark.tracers
def test_bpftrace_lists_every_probe_of_the_extension(extension):
    found = subprocess.run(
        [tracers.bpftrace(), "-l", f"usdt:{extension}:*"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    expected = [f"usdt:{extension}:{tracers.PROVIDER}:{name}" for name in tracers.listed()]
    assert sorted(found) == sorted(expected)


@pytest.mark.tracers
def test_dtrace_lists_every_probe_of_the_extension(extension):
    dtrace = tracers.dtrace()
    with tracers.waiting(scales("float32", 10, 0, ["scalar"])) as program:
        listed = subprocess.run(
            [dtrace, "-l", "-P", f"{tracers.PROVIDER}$target", "-p", str(program.pid)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    rows = [line.split() for line in listed.splitlines()[1:]]
    assert {row[1] for row in rows} == {f"{tracers.PROVIDER}{program.pid}"}
    assert {row[2] for row in rows} == {extension.name}
    found = sorted(row[-1] for row in rows)
    assert found == sorted(name.replace("__", "-") for name in tracers.listed())


@TRACERS
def test_a_tracer_sees_every_probe_of_the_example_with_its_arguments(trace, fire_all):
    tracers.require_root()
    rounds = 4
    with tracers.waiting([str(fire_all), str(rounds)]) as program:
        traced = trace(program, fire_all)
    expected = [event for round_ in range(rounds) for event in one_round(1000 + round_)]
    assert traced.events == expected


@pytest.mark.tracers
def test_dtrace_finds_functions_where_they_are(fire_all):
    """Hold the linking against its purpose: the pid provider takes addresses for file offsets."""
    tracers.require_root()
    also = 'pid$target:a.out:*probes*scale_entry*:entry { printf("entered\\n"); }'
    with tracers.waiting([str(fire_all), "3"]) as program:
        traced = tracers.trace_with_dtrace(program, fire_all, also)
    assert len(traced.named("scale__entry")) == 3
    assert traced.beside.count("entered") == 3


def one_round(n):
    """Return what examples/fire_all.rs fires in one round."""
    factor = FACTOR_BITS["float32"]
    events = {
        "scale__entry": (n, 4, factor, 0),
        "scale__return": (n, 1),
        "dispatch": ("simd", "fits the last-level cache", 1, n),
        "alloc__entry": (4 * n,),
        "alloc__return": (0x1000, 4 * n, 1),
        "free__entry": (0x1000, 4 * n),
        "free__return": (0x1000, 4 * n),
        "convert__entry": ("from_numpy", n, 4),
        "convert__return": ("from_numpy", n, 0),
        "backend__entry": ("simd", n, 0x2000, 0x3000, factor, 4),
        "backend__return": ("simd", n),
        "chunk__entry": (1, n, 2 * n),
        "chunk__return": (1, n, 2 * n),
        "round__entry": (3, 1, 2, n),
        "round__return": (3, 1, 2, n),
    }
    assert list(events) == list(tracers.listed())
    return [tracers.Event(name, arguments) for name, arguments in events.items()]


def scales(dtype, n, count, backends):
    return [sys.executable, "-c", SCALES, dtype, str(n), str(count), *backends]


@TRACERS
@pytest.mark.parametrize(("dtype", "n"), [("float32", 1003), ("float64", 262_144)])
def test_a_tracer_sees_every_scale_of_a_python_process(trace, extension, dtype, n):
    tracers.require_root()
    count, backends = 7, ["scalar", "simd", "automatic"]
    with tracers.waiting(scales(dtype, n, count, backends)) as program:
        traced = trace(program, extension)
    choices = json.loads(traced.output)
    calls = count * len(backends)
    assert traced.named("scale__entry") == [(n, ITEM_SIZE[dtype], FACTOR_BITS[dtype], 0)] * calls
    assert traced.named("scale__return") == [(n, 1)] * calls
    expected = [choice for choice in choices for _ in range(count)]
    dispatched = traced.named("dispatch")
    assert len(dispatched) == calls
    for (backend, reason, threads, elements), choice in zip(dispatched, expected, strict=True):
        assert (backend, threads, elements) == (choice["backend"], choice["threads"], n)
        assert reason, "a branch is taken for a reason"
        assert choice["reason"].startswith(reason)
        assert len(reason) >= min(len(choice["reason"]), tracers.BPFTRACE_STRING)
    assert [backend for backend, *_ in dispatched[: 2 * count]] == ["scalar"] * 7 + ["simd"] * 7
    entered = traced.named("backend__entry")
    assert [(name, elements) for name, elements, *_ in entered] == [(choice["backend"], n) for choice in expected]
    for _, _, source, target, factor_bits, item_size in entered:
        assert (factor_bits, item_size) == (FACTOR_BITS[dtype], ITEM_SIZE[dtype])
        assert source != target, "the result is fresh"
        assert source % item_size == target % item_size == 0
    assert len(traced.named("backend__return")) == calls


@TRACERS
def test_a_tracer_sees_the_pieces_of_a_parallel_scale(trace, extension):
    tracers.require_root()
    n, count = 1 << 20, 3
    with tracers.waiting(scales("float32", n, count, ["parallel"])) as program:
        traced = trace(program, extension)
    entered, left = traced.named("chunk__entry"), traced.named("chunk__return")
    assert sorted(entered) == sorted(left)
    elements = sorted((start, end) for _, start, end in entered)
    # Every operation covers [0, n) once: each piece is there as often as there are operations.
    pieces = elements[::count]
    assert elements == sorted(pieces * count)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(pieces))


# One round trip of a whole array and one of every second element, which has to be copied.
ROUND_TRIPS = """
import os, sys
import numpy as np
from raptors_trace import kernel

whole = np.ones(1003, np.float32)
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
kernel.from_numpy(whole).scale(2.5).to_numpy()
kernel.from_numpy(whole[::2]).scale(2.5).to_numpy()
"""


@TRACERS
def test_a_tracer_sees_the_conversions_and_the_memory_of_a_round_trip(trace, extension):
    tracers.require_root()
    with tracers.waiting([sys.executable, "-c", ROUND_TRIPS]) as program:
        traced = trace(program, extension)
    sizes = [1003, 502]
    begun = [(way, n, 4) for n in sizes for way in ("from_numpy", "to_numpy")]
    assert traced.named("convert__entry") == begun
    assert traced.named("convert__return") == [
        ("from_numpy", 1003, 0),
        ("to_numpy", 1003, 0),
        ("from_numpy", 502, 1),
        ("to_numpy", 502, 0),
    ]
    allocated = [(data, size) for data, size, _ in traced.named("alloc__return")]
    assert [(size,) for _, size in allocated] == traced.named("alloc__entry")
    assert sorted(traced.named("free__entry")) == sorted(allocated), "all memory is given back"
    assert sorted(traced.named("free__return")) == sorted(allocated)
    results = [(target, 4 * n) for _, n, _, target, *_ in traced.named("backend__entry")]
    assert [size for _, size in results] == [4 * n for n in sizes]
    assert set(results) <= set(allocated), "a result lies in memory the kernel asked for"
