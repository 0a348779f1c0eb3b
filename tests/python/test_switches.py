"""What each switch changes, and that it changes nothing else."""

import ctypes
import functools
import gc
import itertools
import mmap
import sys
import threading
import weakref
from collections.abc import Callable

import numpy as np
import pytest

from raptors_trace import _facts, _lab, _native, _switches, kernel
from raptors_trace._protocol import Passes, ProtocolError
from raptors_trace._rewriting import Code

ADDRESS = 4096


def thrown(name: str, **namespace: object) -> tuple[dict[str, object], list[str]]:
    """Throw one data switch; the namespace then, and what it said."""
    data = _switches.of_arm(name).data
    assert data is not None
    return namespace, data(namespace)


def rewritten(name: str, setup: str, statement: str, passes: Passes | None = None) -> tuple[str, str, list[str]]:
    """Throw one code switch on side A; the setup and the statement then, and what it said."""
    rewrite = _switches.of_arm(name).code
    assert rewrite is not None
    code = Code("a", setup, statement, passes)
    changed = rewrite(code)
    return code.setup, code.statement, changed


@pytest.mark.parametrize(
    ("switch", "before", "after"),
    [
        ("no_copies", "(a * 2.5).copy()", "a * 2.5"),
        ("no_copies", "np.copy(a) + np.array(a)", "a + np.asarray(a)"),
        ("no_copies", "a.astype(t)", "a.astype(t, copy=False)"),
        ("no_copies", "np.array([1, 2])", "np.array([1, 2])"),
        ("no_copies", "a.astype(t, copy=True)", "a.astype(t, copy=True)"),
        ("plain_scalars", "a * np.float64(2.5)", "a * 2.5"),
        ("plain_scalars", "np.float64(x)", "np.float64(x)"),
        ("automatic_backend", "r.scale(2, backend='scalar', stores='plain')", "r.scale(2, stores='plain')"),
        ("automatic_stores", "r.scale(2, stores='stream')", "r.scale(2)"),
        ("automatic_stores", "f(2, stores='stream')", "f(2, stores='stream')"),
        ("automatic_threads", "r.scale(2, threads=2)", "r.scale(2)"),
        ("one_thread", "r.scale(2, threads=n)", "r.scale(2, threads=1)"),
        ("one_thread", "r.scale(2, threads=1)", "r.scale(2, threads=1)"),
    ],
)
def test_code_is_rewritten(switch: str, before: str, after: str) -> None:
    setup, statement, changed = rewritten(switch, "pass", before)
    assert (setup, statement) == ("pass", after)
    assert bool(changed) == (before != after)


@pytest.mark.parametrize(
    ("passes", "before", "after"),
    [
        (Passes("a", 1, False), "a * 2.5", "np.multiply(np.asarray(a * 2.5), 1)"),
        (Passes("a", 2, False), "x = a + b", "x = np.multiply(np.multiply(np.asarray(a + b), 1), 1)"),
        (Passes("a", 1, True), "a * 2", "(lambda x: np.multiply(x, 1, out=x))(np.asarray(a * 2))"),
        (Passes("b", 1, False), "a * 2.5", "a * 2.5"),
    ],
)
def test_passes_are_added_to_the_side_that_is_named(passes: Passes, before: str, after: str) -> None:
    setup, statement, changed = rewritten("more_passes", "pass", before, passes)
    assert (setup, statement) == ("pass", after)
    assert bool(changed) == (before != after)


def test_passes_without_a_number_are_an_error() -> None:
    with pytest.raises(ProtocolError, match="more_passes"):
        rewritten("more_passes", "pass", "a * 2")


def test_of_a_setup_only_functions_are_rewritten() -> None:
    setup = "b = a.copy()\ndef f(x):\n    return x.copy()"
    setup, _, changed = rewritten("no_copies", setup, "f(b)")
    assert setup == "b = a.copy()\n\ndef f(x):\n    return x"
    assert changed == ["`x.copy()`"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a * 2.5", "np.multiply(a, 2.5, out=_raptors_there)"),
        ("np.exp(a)", "np.exp(a, out=_raptors_there)"),
        ("b = a @ a", "b = np.matmul(a, a, out=_raptors_there)"),
        ("r.scale(2.5, threads=2)", "r.scale(2.5, threads=2, out=_raptors_there)"),
    ],
)
def test_a_result_goes_into_memory_that_is_there(before: str, after: str) -> None:
    setup, statement, changed = rewritten("into_memory_that_is_there", "pass", before)
    assert statement == after
    assert setup == f"pass\n_raptors_there = {before.removeprefix('b = ')}"
    assert len(changed) == 1


@pytest.mark.parametrize(
    "statement",
    ["np.multiply(a, 2.5, out=o)", "f(a)", "np.modf(a)", "np.sort(a)", "a.copy()", "np.add(*pair)", "a *= 2"],
)
def test_what_cannot_be_told_to_write_elsewhere_stays(statement: str) -> None:
    assert rewritten("into_memory_that_is_there", "pass", statement) == ("pass", statement, [])


def test_a_setups_own_np_is_not_taken_for_numpy() -> None:
    _, statement, _ = rewritten("into_memory_that_is_there", "import math as np", "a * 2.5")
    assert statement == "__raptors_numpy__.multiply(a, 2.5, out=_raptors_there)"
    _, statement, _ = rewritten("more_passes", "import math as np", "a * 2", Passes("a", 1, False))
    assert statement == "__raptors_numpy__.multiply(__raptors_numpy__.asarray(a * 2), 1)"
    _, statement, _ = rewritten("into_memory_that_is_there", "import numpy as np", "a * 2.5")
    assert statement == "np.multiply(a, 2.5, out=_raptors_there)"


def test_a_result_in_memory_that_is_there_is_the_same_one() -> None:
    a = np.arange(12, dtype=np.float32)
    r = kernel.from_numpy(a)
    for statement in ("a * 2.5", "a[::2] + 1", "r.scale(2.5)"):
        setup, again, _ = rewritten("into_memory_that_is_there", "pass", statement)
        space = {"np": np, "a": a, "r": r}
        exec(setup, space)
        value = eval(again, space)
        assert value is space["_raptors_there"]
        assert (np.asarray(value) == np.asarray(eval(statement, space))).all()


def test_the_interpreters_lock_is_asked_for_soon_for_a_while() -> None:
    before = sys.getswitchinterval()
    with _switches.quick_handover():
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before


def test_blas_computes_on_one_thread_for_a_while() -> None:
    libraries = _facts.loaded_blas()
    assert libraries, "NumPy's own"
    _facts.set_threads_of(libraries[0], 2)
    with _switches.one_thread():
        assert _facts.threads_of(libraries[0]) == 1
    assert _facts.threads_of(libraries[0]) == 2


def test_the_clock_of_the_processor_is_measured() -> None:
    ghz = _native.clock_ghz()
    assert ghz is None or 0.05 < ghz < 20


def test_arrays_become_what_needs_no_conversion() -> None:
    plain = np.arange(12, dtype=np.float32).reshape(3, 4)
    for name, array in [
        ("contiguous", np.arange(48, dtype=np.float32).reshape(6, 8)[::2, ::2]),
        ("row_order", np.asfortranarray(plain)),
        ("native_order", plain.astype(">f4")),
    ]:
        space, told = thrown(name, a=array, b=plain)
        assert len(told) == 1
        assert told[0].startswith("`a`")
        assert space["b"] is plain
        fixed = np.asarray(space["a"])
        assert (fixed == array).all()
        assert fixed.flags.c_contiguous
        assert fixed.dtype.isnative
    space, _ = thrown("same_type", a=np.ones(9, np.float32), b=np.ones(4, np.float64), c=np.ones(2, np.int8))
    assert {np.asarray(space[name]).dtype for name in "abc"} == {np.dtype(np.float32)}
    space, told = thrown("plain_scalars", s=np.float64(2.5), z=np.array(3), t=2.5)
    assert (space["s"], space["z"]) == (2.5, 3)
    assert type(space["s"]) is float
    assert len(told) == 2


def test_two_names_of_one_array_stay_one_array() -> None:
    array = np.asfortranarray(np.ones((3, 4)))
    space, told = thrown("row_order", a=array, b=array)
    assert space["a"] is space["b"]
    assert len(told) == 1


def test_arrays_are_placed_apart_from_each_other() -> None:
    odd = np.frombuffer(bytearray(4001), np.float32, offset=1)
    whole = np.frombuffer(mmap.mmap(-1, 2 * ADDRESS), np.float32)
    near = np.frombuffer(mmap.mmap(-1, 2 * ADDRESS), np.float32)
    space, told = thrown("aligned", odd=odd, whole=whole, near=near)
    assert len(told) == 2
    begins = sorted(np.asarray(space[name]).ctypes.data % ADDRESS for name in space)
    assert all(begin % 64 == 0 for begin in begins)
    assert all(after - before >= _switches.NEAR for before, after in itertools.pairwise(begins))
    again, told = thrown("aligned", **space)
    assert told == []
    assert all(again[name] is space[name] for name in space)


def test_an_array_keeps_the_advice_of_its_memory() -> None:
    memory = mmap.mmap(-1, 8 << 20)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    small = np.frombuffer(memory, np.float32)
    assert _switches.advice(small) == mmap.MADV_NOHUGEPAGE
    assert _switches.advice(_switches.placed(small, 64, _switches.advice(small))) == mmap.MADV_NOHUGEPAGE
    space, told = thrown("huge_pages", a=small, b=np.ones(9))
    assert len(told) == 1
    assert _switches.advice(space["a"]) == mmap.MADV_HUGEPAGE


def test_locks_are_free() -> None:
    lock = threading.Lock()
    lock.acquire()
    space, told = thrown("no_locks", l=lock, r=threading.RLock(), x=3)
    assert len(told) == 2
    with space["l"]:  # type: ignore[attr-defined]
        pass


def test_a_thread_runs_where_it_is_started() -> None:
    ran = []
    with _switches.started_threads() as names:
        thread = threading.Thread(target=lambda: ran.append(threading.get_ident()), name="worker")
        thread.start()
        thread.join()
    assert names == ["worker"]
    with _switches.inline_threads():
        thread = threading.Thread(target=lambda: ran.append(threading.get_ident()))
        thread.start()
        thread.join()
    assert ran[1] == threading.get_ident() != ran[0]
    thread = threading.Thread(target=lambda: ran.append(threading.get_ident()))
    thread.start()
    thread.join()
    assert ran[2] != threading.get_ident()


def test_denormals_count_as_zero_for_a_while() -> None:
    tiny = np.full(64, np.finfo(np.float32).tiny / 8, np.float32)
    found = _switches.denormals({"d": tiny, "a": np.ones(9)})
    assert len(found) == 1
    assert "64 denormal" in found[0]
    with _switches.flushed_denormals():
        flushed = tiny * np.float32(1.0)
        assert _native.flush_denormals(True)
    assert not _native.flush_denormals(False)
    assert (flushed == 0).all()
    assert (tiny * np.float32(1.0) == tiny).all()
    assert not (tiny * np.float32(1.0) == 0).any()


def test_values_are_the_same_but_for_roundings() -> None:
    a = np.linspace(0, 1, 99, dtype=np.float32)
    assert _lab.difference(a, a * np.float32(1 + 2**-22)) is None
    assert "element" in str(_lab.difference(a, a * np.float32(1.01)))
    assert "dtype" in str(_lab.difference(a, a.astype(np.float64)))


def test_results_that_are_structures_differ_by_roundings_as_arrays_do() -> None:
    a = np.linspace(0, 1, 99, dtype=np.float32)
    assert _lab.difference({"x": (a,)}, {"x": (a * np.float32(1 + 2**-22),)}) is None
    told = str(_lab.difference({"x": (a, 1)}, {"x": (a, 2)}))
    assert told == "`['x'][1]` is np.int64(1) on the side without it and np.int64(2) on the side with it; 1 of 1 differ"


# Addresses.


def test_what_is_replaced_stays_alive_and_unchanged() -> None:
    array = np.arange(1001.0)[1:]
    zero_d, lock = np.array(2.5), threading.Lock()
    address, gone = array.ctypes.data, [weakref.ref(array), weakref.ref(zero_d), weakref.ref(lock)]
    space, changed = thrown("aligned", a=array)
    assert changed
    _switches.of_arm("plain_scalars").data({"s": zero_d})
    _switches.of_arm("no_locks").data({"l": lock})
    del array, zero_d, lock
    space.clear()
    gc.collect()
    assert all(one() is not None for one in gone)
    there = np.ctypeslib.as_array((ctypes.c_double * 1000).from_address(address))
    assert (there == np.arange(1, 1001.0)).all()


@pytest.mark.parametrize(
    "held",
    [
        lambda a: a.ctypes.data,
        lambda a: np.uintp(a.ctypes.data + 8),
        lambda a: a.ctypes,
        lambda a: a.ctypes.data_as(ctypes.c_void_p),
        lambda a: a.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        lambda a: (ctypes.c_double * a.size).from_buffer(a),
        lambda a: memoryview(a),
        lambda a: a.__array_interface__,
        lambda a: [(a.ctypes.data, a.size)],
        lambda a: functools.partial(print, a.ctypes.data),
    ],
)
def test_an_array_whose_address_the_setup_keeps_is_not_moved(held: Callable[[np.ndarray], object]) -> None:
    array, other = np.arange(1001.0)[1:], np.arange(501.0)[1:]
    space = {"x": array, "p": held(array), "n": array.size}
    with pytest.raises(RuntimeError, match="`x` cannot be replaced, as `p` holds its address"):
        thrown("aligned", **space)
    moved, changed = thrown("aligned", **space, y=other)
    assert moved["x"] is array
    assert moved["y"] is not other
    assert [said[:3] for said in changed] == ["`y`"]
