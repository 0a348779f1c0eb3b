"""Switches: each takes one possible cause of a difference out of a side, and changes nothing else.

Four levels. *Code* switches rewrite a statement and the functions that its setup defines (``_rewriting.py``). *Data*
switches replace objects of a side's namespace once its setup has run. *Process* switches hold for everything that the
process runs and are thrown before NumPy is imported. *Round* switches hold while operations are timed. The first two
tell what they changed, in words: one that changed nothing does not apply.

``SWITCHES`` has them all by name; ``src/model/switches.rs`` has the same names and levels, and a test compares them.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from raptors_trace import _facts, _native
from raptors_trace._addresses import holder_of_address, replace
from raptors_trace._protocol import ProtocolError
from raptors_trace._rewriting import (
    Automatic,
    Code,
    NoCopies,
    OneThread,
    PlainScalars,
    into_memory_that_is_there,
    more_passes,
    rewriting,
)

ALIGNMENT = 64
PAGE = 4096
HUGE_PAGE = 2 << 20
NEAR = 512
"""A store so few bytes above a later load, modulo a page, is taken for one that the load has to wait for."""
STAGGER = 17 * ALIGNMENT
"""Successive arrays begin so many bytes apart modulo a page: an odd number of cache lines, and more than `NEAR`."""


# Data.


def _arrays(namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arrays of numbers that a setup has left under names of its own, as names and arrays, largest first."""
    np = sys.modules["numpy"]
    arrays = [
        (name, value)
        for name, value in namespace.items()
        if not name.startswith("__") and type(value) is np.ndarray and value.ndim > 0 and value.dtype.kind in "biufc"
    ]
    yield from sorted(arrays, key=lambda item: -int(item[1].nbytes))


def _said(name: str, array: Any, what: str) -> str:
    return f"`{name}` ({array.dtype} {' × '.join(map(str, array.shape))}, {what})"


def _replace(
    namespace: dict[str, Any], wrong: Callable[[Any], str | None], fixed: Callable[[Any, int], Any]
) -> list[str]:
    """Replaces the arrays that are wrong, everywhere where they are known under a name; what was replaced.

    An array whose address the setup keeps stays: what works on that address would not notice that it was replaced.
    """
    changed: list[str] = []
    kept: list[str] = []
    done: dict[int, Any] = {}
    for name, array in list(_arrays(namespace)):
        what = wrong(array)
        if what is None:
            continue
        if id(array) not in done:
            if (holder := holder_of_address(namespace, array)) is not None:
                kept.append(f"`{name}` cannot be replaced, as `{holder}` holds its address")
                continue
            done[id(array)] = fixed(array, len(done))
            changed.append(_said(name, array, what))
        replace(namespace, name, done[id(array)])
    if kept and not changed:
        raise RuntimeError("; ".join(kept))
    return changed


def _contiguous(namespace: dict[str, Any]) -> list[str]:
    np = sys.modules["numpy"]

    def wrong(array: Any) -> str | None:
        if array.flags.c_contiguous or array.flags.f_contiguous or 0 in array.strides:
            return None
        return f"strides {tuple(array.strides)}"

    return _replace(namespace, wrong, lambda array, _: np.array(array, order="C", copy=True))


def _row_order(namespace: dict[str, Any]) -> list[str]:
    np = sys.modules["numpy"]

    def wrong(array: Any) -> str | None:
        other_order = array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous
        return "column by column in memory" if other_order else None

    return _replace(namespace, wrong, lambda array, _: np.array(array, order="C", copy=True))


def _native_order(namespace: dict[str, Any]) -> list[str]:
    def wrong(array: Any) -> str | None:
        return None if array.dtype.isnative else "bytes in the other order"

    return _replace(namespace, wrong, lambda array, _: array.astype(array.dtype.newbyteorder("=")))


def _same_type(namespace: dict[str, Any]) -> list[str]:
    """Arrays of another floating-point width than the largest array's become of its type."""
    arrays = [array for _, array in _arrays(namespace) if array.dtype.kind == "f"]
    if not arrays:
        return []
    common = arrays[0].dtype

    def wrong(array: Any) -> str | None:
        return None if array.dtype.kind not in "fiu" or array.dtype == common else f"beside {common}"

    return _replace(namespace, wrong, lambda array, _: array.astype(common))


def _plain_scalars(namespace: dict[str, Any]) -> list[str]:
    np = sys.modules["numpy"]
    changed = []
    for name, value in list(namespace.items()):
        zero_d = type(value) is np.ndarray and value.ndim == 0
        if not name.startswith("__") and (isinstance(value, np.number) or zero_d) and value.dtype.kind in "fiu":
            replace(namespace, name, value.item())
            changed.append(f"`{name}` ({value.dtype})")
    return changed


def advice(array: Any) -> int | None:
    """The advice on huge pages that the memory of an array was given, `madvise(2)`; nothing where none is known."""
    address = int(array.ctypes.data)
    try:
        with open("/proc/self/smaps") as maps:
            inside = False
            for line in maps:
                head = line.split(" ", 1)[0]
                if "-" in head and not head.endswith(":"):
                    begin, end = (int(part, 16) for part in head.split("-"))
                    inside = begin <= address < end
                elif inside and line.startswith("VmFlags:"):
                    flags = line.split()
                    return mmap.MADV_HUGEPAGE if "hg" in flags else mmap.MADV_NOHUGEPAGE if "nh" in flags else None
    except (OSError, ValueError):
        pass
    return None


def placed(array: Any, offset: int, advised: int | None) -> Any:
    """A copy of an array that begins `offset` bytes (a multiple of 64) above a page's begin, in memory so advised."""
    np = sys.modules["numpy"]
    # What is written as one piece of memory is read as one: an array by columns stays one.
    order = "F" if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    size = int(array.nbytes)
    if size >= HUGE_PAGE or advised is not None:
        memory = mmap.mmap(-1, size + 2 * HUGE_PAGE)
        if advised is not None:
            memory.madvise(advised)
        whole = np.frombuffer(memory, dtype=np.uint8)
        begin = -whole.ctypes.data % HUGE_PAGE + offset
    else:
        whole = np.empty(size + 2 * PAGE, np.uint8)
        begin = -whole.ctypes.data % PAGE + offset
    copy = np.ndarray(array.shape, array.dtype, whole.data, begin, order=order)
    copy[...] = array
    return copy


def _whole(array: Any) -> bool:
    return bool(array.flags.c_contiguous or array.flags.f_contiguous)


def _aligned(namespace: dict[str, Any]) -> list[str]:
    """Arrays begin at cache lines, and no two of them at the same place of a page."""
    taken: list[int] = []

    def free(place: int) -> bool:
        return all(min((place - other) % PAGE, (other - place) % PAGE) >= NEAR for other in taken)

    def wrong(array: Any) -> str | None:
        if not _whole(array) or array.nbytes < ALIGNMENT:
            return None
        begin = int(array.ctypes.data)
        if begin % array.dtype.itemsize:
            return f"begins at a byte that its {array.dtype.itemsize}-byte elements do not begin at"
        if begin % ALIGNMENT:
            return f"begins {begin % ALIGNMENT} bytes into a cache line"
        if not free(begin % PAGE):
            return f"begins at byte {begin % PAGE} of a page, where another array does, too"
        taken.append(begin % PAGE)
        return None

    def fixed(array: Any, count: int) -> Any:
        places = [number * STAGGER % PAGE for number in range(PAGE // ALIGNMENT)]
        place = next(filter(free, places), places[count % len(places)])
        taken.append(place)
        return placed(array, place, advice(array))

    return _replace(namespace, wrong, fixed)


def _huge_pages(namespace: dict[str, Any]) -> list[str]:
    """Large arrays are moved to memory that is advised to consist of huge pages, to the same place of a page."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return []

    def wrong(array: Any) -> str | None:
        return "moved to huge pages" if _whole(array) and array.nbytes >= 2 * HUGE_PAGE else None

    def fixed(array: Any, _: int) -> Any:
        begin = int(array.ctypes.data) % PAGE
        return placed(array, begin - begin % ALIGNMENT, mmap.MADV_HUGEPAGE)

    return _replace(namespace, wrong, fixed)


class NoLock:
    """Stands in for a lock: whoever asks for it has it."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: ARG002  (the lock's own arguments)
        return True

    def release(self) -> None:
        pass

    def locked(self) -> bool:
        return False

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        pass


LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Semaphore, threading.Condition)


def _no_locks(namespace: dict[str, Any]) -> list[str]:
    changed = []
    for name, value in list(namespace.items()):
        if isinstance(value, LOCKS) and not name.startswith("__"):
            replace(namespace, name, NoLock())
            changed.append(f"`{name}` ({type(value).__name__})")
    return changed


# Process.

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
PR_SET_THP_DISABLE = 41


def keep_memory() -> None:
    """The C library keeps what is freed instead of giving it back to the system, so that it is not faulted in again.

    `mallopt(3)` of glibc; RuntimeError where there is none.
    """
    library = ctypes.CDLL(None)
    mallopt = getattr(library, "mallopt", None)
    if mallopt is None:
        raise RuntimeError("this C library has no mallopt, so its freed memory cannot be kept")
    for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 64 << 20)):
        if mallopt(parameter, value) != 1:
            raise RuntimeError(f"mallopt({parameter}, {value}) was refused")


def no_huge_pages() -> None:
    """Takes huge pages from this process, `prctl(2)`, PR_SET_THP_DISABLE; RuntimeError where that cannot be done."""
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if prctl is None or prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0:
        raise RuntimeError("huge pages cannot be taken from a process here")


def one_cpu() -> None:
    """Lets this process, and each thread it starts, run on one CPU."""
    if not hasattr(os, "sched_setaffinity"):
        raise RuntimeError("a process cannot be held on one CPU here")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


THREAD: Any = threading.Thread
"""Whose methods are replaced for a while, which no type allows."""


# Rounds: what holds while operations are timed, and not while a side is set up.


@contextlib.contextmanager
def inline_threads() -> Iterator[None]:
    """A thread that a statement starts runs its function at once, in the thread that starts it.

    Workers of a pool are left alone: they wait for work that comes later.
    """
    plain_start, plain_join = threading.Thread.start, threading.Thread.join

    def start(thread: threading.Thread) -> None:
        target = getattr(thread, "_target", None)
        if getattr(target, "__module__", "").startswith(("concurrent.", "multiprocessing.")):
            plain_start(thread)
            return
        thread.__dict__["_inline"] = True
        thread.run()

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        if "_inline" not in thread.__dict__:
            plain_join(thread, timeout)

    THREAD.start = start
    THREAD.join = join
    try:
        yield
    finally:
        THREAD.start = plain_start
        THREAD.join = plain_join


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Denormal operands and results of this thread count as zero."""
    before = _native.flush_denormals(True)
    try:
        yield
    finally:
        _native.flush_denormals(before)


@contextlib.contextmanager
def collector() -> Iterator[None]:
    """The garbage collector runs as it does in a program of its own."""
    gc.enable()
    try:
        yield
    finally:
        gc.disable()


@contextlib.contextmanager
def observed() -> Iterator[None]:
    """The observers of calls and memory are armed."""
    _native.arm(touch=False)
    try:
        yield
    finally:
        _native.disarm()


HANDOVER_S = 2e-5
"""A thread that waits for the interpreter's lock asks for it after that long, instead of after 5 ms."""


@contextlib.contextmanager
def quick_handover() -> Iterator[None]:
    """A thread that has let the interpreter's lock go has it back soon, though another thread computes in Python."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(HANDOVER_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@functools.cache
def _blas() -> list[ctypes.CDLL]:
    return _facts.loaded_blas()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Every BLAS library that can be told computes on one thread."""
    before = [(library, _facts.threads_of(library) or 1) for library in _blas()]
    for library, _ in before:
        _facts.set_threads_of(library, 1)
    try:
        yield
    finally:
        for library, threads in before:
            _facts.set_threads_of(library, threads)


@contextlib.contextmanager
def started_threads() -> Iterator[list[str]]:
    """Collects the names of the threads that Python code starts meanwhile."""
    plain, names = threading.Thread.start, list[str]()

    def start(thread: threading.Thread) -> None:
        names.append(thread.name)
        plain(thread)

    THREAD.start = start
    try:
        yield names
    finally:
        THREAD.start = plain


def denormals(namespace: dict[str, Any]) -> list[str]:
    """The arrays that hold denormal numbers, and how many."""
    np = sys.modules["numpy"]
    found = []
    for name, array in _arrays(namespace):
        if array.dtype.kind != "f" or not array.dtype.isnative:
            continue
        sizes = np.abs(array)
        count = int(np.count_nonzero((sizes > 0) & (sizes < np.finfo(array.dtype).tiny)))
        if count:
            found.append(_said(name, array, f"{count} denormal"))
    return found


# All of them.


@dataclass(frozen=True)
class Switch:
    """How one is thrown: at one level, or at several at once."""

    code: Callable[[Code], list[str]] | None = None
    data: Callable[[dict[str, Any]], list[str]] | None = None
    process: Callable[[], None] | None = None
    round: Callable[[], contextlib.AbstractContextManager[None]] | None = None

    @property
    def levels(self) -> list[str]:
        """The names of its levels."""
        return [level for level, thrown in vars(self).items() if thrown is not None]


SWITCHES = {
    "no_copies": Switch(code=rewriting(NoCopies)),
    "plain_scalars": Switch(code=rewriting(PlainScalars), data=_plain_scalars),
    "automatic_backend": Switch(code=rewriting(lambda: Automatic("backend"))),
    "automatic_stores": Switch(code=rewriting(lambda: Automatic("stores"))),
    "automatic_threads": Switch(code=rewriting(lambda: Automatic("threads"))),
    "one_thread": Switch(code=rewriting(OneThread), round=one_thread),
    "into_memory_that_is_there": Switch(code=into_memory_that_is_there),
    "more_passes": Switch(code=more_passes),
    "contiguous": Switch(data=_contiguous),
    "row_order": Switch(data=_row_order),
    "native_order": Switch(data=_native_order),
    "same_type": Switch(data=_same_type),
    "aligned": Switch(data=_aligned),
    "huge_pages": Switch(data=_huge_pages),
    "no_locks": Switch(data=_no_locks),
    "keep_memory": Switch(process=keep_memory),
    "no_huge_pages": Switch(process=no_huge_pages),
    "one_cpu": Switch(process=one_cpu),
    "quick_handover": Switch(round=quick_handover),
    "inline_threads": Switch(round=inline_threads),
    "flushed_denormals": Switch(round=flushed_denormals),
    "collector": Switch(round=collector),
    "observed": Switch(round=observed),
}


def of_process(name: str) -> Callable[[], None]:
    """What throws a switch of the process; ProtocolError where there is none of that name."""
    thrown = SWITCHES[name].process if name in SWITCHES else None
    if thrown is None:
        raise ProtocolError(f"`{name}` is no switch of a process")
    return thrown


def of_arm(name: str) -> Switch:
    """A switch of one side alone; ProtocolError where there is none of that name."""
    if name not in SWITCHES or SWITCHES[name].process is not None:
        raise ProtocolError(f"`{name}` is no switch of a side")
    return SWITCHES[name]
