"""The observers, switched on in this process: what they see, and what they leave alone."""

import _imp
import ctypes
import itertools
import json
import math
import os
import sys
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from raptors_trace import _native, kernel
from raptors_trace._native import RoundKind

LIMIT, AHEAD = 256 << 20, 8 << 20


@dataclass(frozen=True)
class Record:
    """One row of the run file, its site resolved."""

    tid: int
    kind: str
    depth: int
    site: dict
    start: int
    duration: int
    event: SimpleNamespace

    @property
    def name(self):
        return self.site.get("name", "")


@dataclass
class Run:
    """A run file that has been read back."""

    records: list
    documents: list
    lost: int

    @classmethod
    def read(cls, path):
        raw = _native.read_recording(str(path))
        assert raw["complete"]
        documents = [(key, json.loads(text)) for key, text in raw["documents"]]
        sites = {d["id"]: d for key, d in documents if key == "site"}
        rows = [
            Record(tid, kind, depth, sites.get(site, {}), start, duration, SimpleNamespace(**fields))
            for tid, kind, depth, site, start, duration, fields in raw["records"]
        ]
        return cls(rows, documents, raw["lost"])

    def of(self, kind, name=""):
        return [r for r in self.records if r.kind == kind and name in r.name]

    def loops(self, name):
        return self.of("loop", f"np.{name}[")

    def routines(self, name):
        return self.of("routine", name)


@pytest.fixture
def observe(tmp_path):
    """Give a function that calls another one while every observer is on."""
    numbers = itertools.count()

    def run(work, **observers):
        path = tmp_path / f"{next(numbers)}.rtrace"
        _native.start_recording(str(path), LIMIT, AHEAD)
        try:
            reports = _native.arm(**observers)
            try:
                work()
            finally:
                _native.disarm()
        finally:
            _native.finish_recording()
        assert not [r for r in reports.values() if "error" in r], reports
        result = Run.read(path)
        assert result.lost == 0
        return result

    yield run
    _native.disarm()


def f32(n):
    return np.random.default_rng(n).standard_normal(n, dtype=np.float32)


# --- loops ----------------------------------------------------------------------------------


def test_the_multiply_of_the_main_job(observe):
    a = f32(4096)
    run = observe(lambda: a * 2.5)
    (loop,) = run.loops("multiply")
    assert loop.name == "np.multiply[ff->f]"
    assert loop.event.n == a.size
    assert loop.event.strides[:3] == [4, 0, 4]
    assert loop.event.scalar == np.float32(2.5).view(np.uint32)
    assert "multiarray_umath" in Path(loop.site["module"]).name
    assert "multiply" in loop.site["symbol"]
    assert loop.depth == 0
    assert loop.tid == threading.get_native_id()
    assert loop.duration > 0
    assert not run.of("routine"), "NumPy's multiply called a math library"


CASES = {
    "add": (lambda a, b: np.add(a, b), "add", 1),
    "sum": (lambda a, _: a.sum(), "add", 1),
    "exp": (lambda a, _: np.exp(a), "exp", 1),
    "in place": (lambda a, _: np.multiply(a, 1.0, out=a), "multiply", 1),
    "seven": (lambda a, b: [np.subtract(a, b) for _ in range(7)], "subtract", 7),
    "accumulate": (lambda a, _: np.add.accumulate(a), "add", 1),
    "outer": (lambda a, b: np.multiply.outer(a[:3], b), "multiply", 3),
    "strided": (lambda a, _: np.negative(a[::2]), "negative", 1),
}


@pytest.mark.parametrize("case", CASES)
def test_each_call_of_a_loop_is_counted_once(observe, case):
    work, name, calls = CASES[case]
    a, b = f32(16384), f32(16384)
    run = observe(lambda: work(a, b))
    assert len(run.loops(name)) == calls


@pytest.mark.parametrize(
    ("work", "name", "total"),
    [
        (lambda: np.ones((700, 1), np.float32) * np.ones((1, 900), np.float32), "multiply", 630_000),
        (lambda: np.arange(100_000, dtype=np.int32) + np.ones(100_000), "add", 100_000),
        (lambda: np.ones(100_000, ">f8") * 2.0, "multiply", 100_000),
        (lambda: np.ones((300, 400))[::2, ::2] * 2.0, "multiply", 30_000),
    ],
    ids=["broadcast", "cast", "byte order", "two strides"],
)
def test_pieces_add_up_to_the_whole(observe, work, name, total):
    loops = observe(work).loops(name)
    assert sum(r.event.n for r in loops) == total
    assert len(loops) > 1


def test_where_runs_the_loop_on_the_selected_runs(observe):
    a, out = f32(1000), np.zeros(1000, dtype=np.float32)
    where = np.zeros(1000, dtype=bool)
    where[100:200] = where[500:550] = True
    loops = observe(lambda: np.multiply(a, 2, out=out, where=where)).loops("multiply")
    assert [r.event.n for r in loops] == [100, 50]


def test_four_threads_are_told_apart(observe):
    a = f32(50_000)
    tids, barrier = [], threading.Barrier(4)

    def work():
        barrier.wait()
        tids.append(threading.get_native_id())
        for _ in range(25):
            np.add(a, a)
        barrier.wait()  # else the system might give one thread's id to the next

    def start():
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    loops = observe(start).loops("add")
    assert len(loops) == 100
    for tid in tids:
        assert sum(r.tid == tid for r in loops) == 25


def test_records_of_a_thread_do_not_run_backwards(observe):
    a = f32(1000)
    run = observe(lambda: [np.add(a, a) for _ in range(100)])
    ends = [r.start + r.duration for r in run.records if r.tid == threading.get_native_id()]
    assert ends == sorted(ends)


# --- routines -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "routine", "shape"),
    [
        (lambda a: a @ (a + 1), "gemm", (64, 64, 64)),
        (lambda a: a @ a[0], "gemv", (64, 64)),
        (lambda a: np.dot(a[0], a[1]), "dot", (64,)),
        (lambda a: np.dot(a, a + 1), "gemm", (64, 64, 64)),
        (lambda a: np.linalg.solve(a + np.eye(64, dtype=a.dtype), a), "gesv", ()),
    ],
    ids=["@", "@ vector", "dot", "dot of matrices", "solve"],
)
@pytest.mark.parametrize(("dtype", "letter"), [(np.float32, "s"), (np.float64, "d")])
def test_a_routine_of_the_math_library_is_seen(observe, work, routine, shape, dtype, letter):
    a = f32(4096).reshape(64, 64).astype(dtype)
    expected = work(a)
    got = []
    run = observe(lambda: got.append(work(a)))
    # NumPy solves in double precision whatever the type of its input.
    (call,) = run.routines("dgesv" if routine == "gesv" else letter + routine)
    assert call.site["symbol"]
    assert Path(call.site["module"]).exists() or sys.platform == "darwin"
    if len(shape) == 3:
        assert (call.event.m, call.event.n, call.event.k) == shape
    elif shape:
        assert call.event.m == shape[0]
    assert np.array_equal(got[0], expected)


def test_an_integer_matmul_calls_no_routine(observe):
    a = np.arange(64).reshape(8, 8)
    run = observe(lambda: a @ a)
    assert not run.of("routine")
    assert len(run.loops("matmul")) == 1


def test_a_call_inside_a_call_is_nested(observe):
    a = np.eye(64, dtype=np.float32)
    run = observe(lambda: a @ (a + 0))
    (gemm,) = run.routines("gemm")
    (matmul,) = run.loops("matmul")
    assert gemm.depth == matmul.depth + 1
    assert matmul.start <= gemm.start
    assert gemm.start + gemm.duration <= matmul.start + matmul.duration


def openblas():
    """Return the BLAS that NumPy's own files brought along, and its spelling of sdot."""
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    for path in folder.glob("*openblas*"):
        library = ctypes.CDLL(str(path))
        for name in ("scipy_cblas_sdot64_", "cblas_sdot64_", "cblas_sdot"):
            if hasattr(library, name):
                return path, name
    return None


def test_a_symbol_got_by_dlsym_is_seen(observe):
    found = openblas()
    if found is None:
        pytest.skip("NumPy brings no OpenBLAS of its own here")
    path, name = found
    x, y = f32(100), f32(200)[:100].copy()
    results = []

    def work():
        sdot = getattr(ctypes.CDLL(str(path)), name)
        sdot.restype = ctypes.c_float
        n, vector = ctypes.c_int64, ctypes.c_void_p
        sdot.argtypes = [n, vector, n, vector, n]
        results.append(sdot(100, x.ctypes.data, 1, y.ctypes.data, 1))

    run = observe(work, loops=False)
    (call,) = run.routines("sdot")
    assert call.event.m == 100
    assert math.isclose(results[0], float(np.dot(x, y)), rel_tol=1e-5)


# --- memory and the kernel ------------------------------------------------------------------


def test_numpys_memory_is_seen_coming_and_going(observe):
    addresses = []

    def work():
        a = np.empty(300_000)
        addresses.append(a.__array_interface__["data"][0])
        del a

    run = observe(work)
    ((alloc),) = [r for r in run.of("alloc") if r.event.bytes == 2_400_000]
    ((free),) = [r for r in run.of("free") if r.event.bytes == 2_400_000]
    assert alloc.event.data == free.event.data == addresses[0]
    assert alloc.start + alloc.duration <= free.start


def test_the_steps_of_a_scale(observe):
    a = f32(100_000)
    run = observe(lambda: kernel.from_numpy(a).scale(2.5, backend="simd").to_numpy())
    mine = [r for r in run.records if r.kind not in ("loop", "routine")]
    kinds = [r.kind for r in mine]
    for kind in ("scale", "dispatch", "backend"):
        assert kinds.count(kind) == 1
    scale, backend = (run.of(kind)[0] for kind in ("scale", "backend"))
    assert (scale.event.n, scale.event.item_size) == (100_000, 4)
    assert scale.event.factor_bits == np.float32(2.5).view(np.uint32)
    assert scale.event.ok
    assert backend.event.n == 100_000
    assert backend.event.src == a.__array_interface__["data"][0]
    assert backend.depth > scale.depth
    assert backend.name == "simd"
    assert [vars(r.event) for r in run.of("convert")] == [{"n": 100_000, "copied": False, "item_size": 4}] * 2
    allocations = [r for r in run.of("alloc") if r.event.bytes == a.nbytes]
    releases = [r for r in run.of("free") if r.event.bytes == a.nbytes]
    assert [r.event.data for r in allocations] == [backend.event.dst]
    assert [r.event.data for r in releases] == [backend.event.dst]
    assert not run.of("routine")


def test_a_copy_on_conversion_is_seen(observe):
    a = np.arange(1000.0)[::2]
    run = observe(lambda: kernel.from_numpy(a))
    (convert,) = run.of("convert")
    assert vars(convert.event) == {"n": 500, "copied": True, "item_size": 8}


def test_the_chunks_of_a_parallel_scale_cover_it(observe):
    a = f32(1_000_000)
    r = kernel.from_numpy(a)
    run = observe(lambda: r.scale(2.5, backend="parallel", threads=2))
    pieces = sorted((c.event.start, c.event.end) for c in run.of("chunk"))
    assert pieces[0][0] == 0
    assert pieces[-1][1] == a.size
    assert all(before[1] == after[0] for before, after in itertools.pairwise(pieces))
    assert len({c.tid for c in run.of("chunk")}) == len({c.event.thread for c in run.of("chunk")})
    assert vars(run.of("dispatch")[0].event) == {"n": a.size, "threads": kernel.last_choice().threads}


def test_touching_ahead_keeps_the_values(observe):
    a = f32(1_000_000)
    expected = a * np.float32(2.5)
    got = []
    run = observe(lambda: got.extend([a * 2.5, kernel.scale(a, 2.5)]), touch=True)
    for result in got:
        assert result.tobytes() == expected.tobytes()
    assert len([r for r in run.of("touch") if r.event.bytes >= a.nbytes]) == 2
    zeros = []
    observe(lambda: zeros.append(np.zeros(1_000_000)), touch=True)
    assert not zeros[0].any()


@pytest.mark.parametrize("only", ["loops", "routines", "memory", "kernel"])
def test_each_observer_is_switched_on_its_own(observe, only):
    kinds = {
        "loops": {"loop"},
        "routines": {"routine"},
        "memory": {"alloc", "free"},
        "kernel": {"scale", "dispatch", "backend", "alloc", "free", "convert"},
    }
    a = f32(10_000).reshape(100, 100)

    def work():
        a @ (a + 1)
        kernel.from_numpy(a).scale(2.0).to_numpy()

    asked = dict.fromkeys(kinds, False) | {only: True}
    assert {r.kind for r in observe(work, **asked).records} == kinds[only]


def test_marks_and_documents_come_back(tmp_path):
    path = tmp_path / "marks.rtrace"
    _native.start_recording(str(path), LIMIT, AHEAD)
    before = _native.ticks()
    _native.begin_round(7, 1, RoundKind.TIMED, 3, 2**64 - 1)
    _native.document("facts", '{"answer": 42}')
    after = _native.ticks()
    assert _native.lost() == 0
    _native.finish_recording()
    _native.begin_round(8, 0, RoundKind.TIMED, 1, 0)  # after the end: dropped
    run = Run.read(path)
    (mark,) = run.records
    expected = {"case": 7, "side": 1, "kind": "timed", "ops": 3, "begin": {"placement": 2**64 - 1}}
    assert (mark.kind, vars(mark.event)) == ("mark", expected)
    assert before <= mark.start <= after
    assert ("facts", {"answer": 42}) in run.documents
    assert _native.lost() == 0


def test_a_round_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="there is no kind 12 of rounds"):
        _native.begin_round(0, 0, len(RoundKind) + 1, 1, 0)
    with pytest.raises(ValueError, match="there is no side 2"):
        _native.end_round(0, 2, RoundKind.TIMED, 1, wall_ns=1, cpu_ns=1, faults=0, threads=0)


def test_a_run_file_that_cannot_be_made_says_so(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        _native.start_recording(str(tmp_path / "nowhere" / "x.rtrace"), LIMIT, AHEAD)
    path = tmp_path / "x.rtrace"
    _native.start_recording(str(path), LIMIT, AHEAD)
    try:
        with pytest.raises(OSError, match="recording already"):
            _native.start_recording(str(tmp_path / "y.rtrace"), LIMIT, AHEAD)
    finally:
        _native.finish_recording()


def test_the_clock_costs_something():
    assert 0 < _native.clock_read_ns() < 10_000


# --- what observing leaves alone ------------------------------------------------------------


def computations():
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 120, 120))
    raw = np.frombuffer(rng.bytes(40_000), dtype=np.float32)
    with np.errstate(all="ignore"):
        yield from (a * 2.5, a + b, np.exp(a), a.sum(), a.sum(axis=0), a @ b, np.dot(a[0], b[0]))
        yield from (raw * np.float32(2.5), raw * raw, np.sqrt(raw), np.divmod(raw, 3.0)[1])
        yield from (np.linalg.solve(a, b), np.linalg.svd(a)[1], np.linalg.eigvalsh(a + a.T))
        yield from (np.fft.fft(a), np.add.reduceat(a[0], [0, 30, 60]), np.cumsum(a, axis=1))
        yield from (np.multiply(a, b, where=a > 0, out=b.copy()), np.arange(9, dtype="i1") + a[0, :9])
        yield from (np.equal(a, b), np.maximum(a, b), np.isnan(raw), np.frexp(a)[1], a.astype(">f4") * 3)
        yield from (np.array(["a", "b"], dtype="O") + "c", np.array([1, 2], "O") * 3)
        yield kernel.scale(raw, 2.5)


def test_results_are_bitwise_the_same(observe):
    expected = [np.asarray(r) for r in computations()]
    observed = []
    run = observe(lambda: observed.extend(np.asarray(r) for r in computations()))
    assert len(observed) == len(expected)
    for got, want in zip(observed, expected, strict=True):
        assert got.dtype == want.dtype
        assert got.tolist() == want.tolist() if want.dtype == object else got.tobytes() == want.tobytes()
    assert len(run.records) > len(expected)


def troubles():
    one, zero = np.ones(5, np.float32), np.zeros(5, np.float32)
    return {
        "divide": lambda: one / zero,
        "invalid": lambda: zero / zero,
        "overflow": lambda: one * 3e38 * 10,
        "underflow": lambda: one * 1e-38 * 1e-30,
        "log": lambda: np.log(zero),
        "sqrt": lambda: np.sqrt(-one),
        "cast": lambda: np.full(3, 1e300).astype(np.float32),
        "none": lambda: one + one,
        "int": lambda: np.ones(3, int) // np.zeros(3, int),
        "python": lambda: np.add(np.array([1, None], "O"), 1),
        "matrix": lambda: np.linalg.inv(np.zeros((3, 3))),
    }


@pytest.mark.parametrize("mode", ["warn", "raise", "ignore"])
@pytest.mark.parametrize("trouble", troubles())
def test_warnings_and_errors_are_the_same(observe, trouble, mode):
    def outcome():
        with np.errstate(all=mode), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                ended = repr(troubles()[trouble]())
            except Exception as error:
                ended = repr(error)
        return ended, [(w.category, str(w.message)) for w in caught]

    expected = outcome()
    observed = []
    observe(lambda: observed.append(outcome()))
    assert observed == [expected]


def test_nothing_is_recorded_after_disarm(tmp_path):
    path = tmp_path / "after.rtrace"
    a = f32(10_000).reshape(100, 100)

    def work():
        a @ (a + 1)
        kernel.scale(a, 2.0)
        np.linalg.solve(a + np.eye(100, dtype=np.float32), a)

    _native.start_recording(str(path), LIMIT, AHEAD)
    _native.arm()
    work()
    _native.disarm()
    _native.begin_round(0, 0, RoundKind.OBSERVED, 1, 0)
    work()
    _native.finish_recording()
    records = Run.read(path).records
    at = next(i for i, r in enumerate(records) if r.kind == "mark")
    assert at > 5
    assert not records[at + 1 :]


def test_arming_twice_records_once(observe):
    a = f32(1024)

    def work():
        _native.arm()
        a * 2.5

    run = observe(work)
    assert len(run.loops("multiply")) == 1
    assert _imp.create_dynamic.__module__ == "_imp" or _imp.create_dynamic.__module__ is None


def test_disarming_what_is_not_armed_is_fine():
    _native.disarm()
    reports = _native.disarm()
    assert reports["loops"]["restored"] == 0
    assert set(reports) == {"loops", "routines", "memory", "kernel"}


def test_somebody_elses_import_hook_stays():
    original = _imp.create_dynamic
    _native.arm()
    ours = _imp.create_dynamic
    assert ours is not original
    try:
        _imp.create_dynamic = lambda *args: ours(*args)
        theirs = _imp.create_dynamic
        _native.disarm()
        assert _imp.create_dynamic is theirs
    finally:
        _imp.create_dynamic = original


def test_a_report_says_what_is_not_armed_and_why():
    try:
        loops = _native.arm()["loops"]
    finally:
        _native.disarm()
    assert loops["armed"] > 500
    assert all(entry["what"] and entry["why"] for entry in loops["not_armed"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_records_nothing(observe):
    a = f32(5000)

    def work():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            np.add(a, a)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        np.subtract(a, a)

    run = observe(work)
    assert not run.loops("add")
    assert len(run.loops("subtract")) == 1
