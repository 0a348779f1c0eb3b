"""Facts about this process: its threads, its NumPy, and the BLAS libraries that its extensions link."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

from raptors_trace._protocol import Blas, Facts

_TASKS = Path("/proc/self/task")


def thread_times() -> dict[int, int]:
    """Nanoseconds on a processor so far, per thread of this process (Linux; empty elsewhere).

    Source: the first field of /proc/PID/task/TID/schedstat, proc(5). The run file's own thread is left out.
    """
    times: dict[int, int] = {}
    try:
        tasks = os.listdir(_TASKS)
    except OSError:
        return times
    for tid in tasks:
        try:
            task = _TASKS / tid
            if (task / "comm").read_text().startswith("raptors-rec"):
                continue
            times[int(tid)] = int((task / "schedstat").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            continue  # a thread that ended between the listing and the reading
    return times


def active_threads(before: dict[int, int], wall_ns: int) -> int:
    """How many threads worked for at least a twentieth of the round; 0 where this cannot be told."""
    after = thread_times()
    if not after:
        return 0
    least = max(wall_ns // 20, 1)
    return sum(1 for tid, spent in after.items() if spent - before.get(tid, 0) >= least)


def software(objects: list[dict[str, Any]], counters_why_not: str | None) -> Facts:
    """Versions, the BLAS that each loaded extension links, and its threads."""
    import numpy as np

    import raptors_trace
    from raptors_trace import _native

    return Facts(
        python=platform.python_version(),
        python_path=sys.executable,
        numpy=np.__version__,
        numpy_cpu_targets=cpu_targets(),
        raptors=raptors_trace.__version__,
        extension=_native.__file__,
        blas=blas_libraries(objects),
        allocator=allocator(),
        counters_why_not=counters_why_not,
    )


def cpu_targets() -> list[str]:
    """CPU targets above its baseline that NumPy's dispatcher may choose here, as ``numpy.show_runtime`` lists them."""
    try:
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
    except ImportError:
        return []
    return [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]


def allocator() -> str:
    """The C library's allocator, or the one that was preloaded in its place."""
    preload = os.environ.get("LD_PRELOAD") or os.environ.get("DYLD_INSERT_LIBRARIES") or ""
    for name in ("jemalloc", "tcmalloc", "mimalloc"):
        if name in preload:
            return name
    library, version = platform.libc_ver()
    return f"{library} {version} malloc".strip() if library else f"{platform.system()} malloc"


def blas_libraries(objects: list[dict[str, Any]]) -> list[Blas]:
    """Every BLAS library in this process: what it is, its file, who links it and its threads.

    ``objects`` is what arming the routines reported: which object imports from which library.
    """
    linked: dict[str, set[str]] = {}
    for link in objects:
        linked.setdefault(link["library"], set()).add(Path(link["object"]).name)
    found = []
    for file in sorted(linked):
        library = ctypes.CDLL(file) if os.path.exists(file) else None
        described = describe(library, Path(file).name)
        found.append(Blas(described, file, sorted(linked[file]), threads_of(library)))
    return found


def describe(library: ctypes.CDLL | None, name: str) -> str:
    """What a BLAS library calls itself, else its file name."""
    for symbol in (
        "scipy_openblas_get_config64_",
        "scipy_openblas_get_config",
        "openblas_get_config64_",
        "openblas_get_config",
    ):
        function = getattr(library, symbol, None)
        if function is not None:
            function.restype = ctypes.c_char_p
            return bytes(function()).decode(errors="replace").strip()
    return name


def threads_of(library: ctypes.CDLL | None) -> int | None:
    """Threads that a BLAS library would use, where it can be asked."""
    function = _entry(library, ("openblas_get_num_threads", "MKL_Get_Max_Threads", "bli_thread_get_num_threads"))
    return None if function is None else int(function())


def set_threads_of(library: ctypes.CDLL, threads: int) -> None:
    """Tells a BLAS library how many threads to use, where it can be told."""
    function = _entry(library, ("openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads"))
    if function is not None:
        function(ctypes.c_int(threads))


def _entry(library: ctypes.CDLL | None, stems: tuple[str, ...]) -> Any:
    """The first of these functions that a library has, under any of the names that builds give it."""
    for stem in stems:
        for symbol in (f"scipy_{stem}64_", f"scipy_{stem}", f"{stem}64_", stem):
            function = getattr(library, symbol, None)
            if function is not None:
                function.restype = ctypes.c_int
                return function
    return None


def loaded_blas() -> list[ctypes.CDLL]:
    """The BLAS libraries in this process that can be told their threads; none where the system lists no files."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            mapped = {line.split(maxsplit=5)[5].rstrip("\n") for line in maps if "/" in line}
    except OSError:
        return []
    names = ("blas", "mkl", "blis")
    files = sorted(file for file in mapped if any(name in Path(file).name for name in names) and os.path.exists(file))
    return [library for library in map(ctypes.CDLL, files) if threads_of(library) is not None]
