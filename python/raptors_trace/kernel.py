"""Raptors' scale kernel: array × factor for float32 and float64.

>>> import numpy as np
>>> from raptors_trace import kernel
>>> a = np.arange(4, dtype=np.float32)
>>> r = kernel.from_numpy(a)  # the same memory: no copy
>>> r
Array(shape=(4,), dtype=float32, memory=view)
>>> r.scale(2.5).to_numpy()
array([0. , 2.5, 5. , 7.5], dtype=float32)
>>> r.scale_inplace(2.0)
>>> a
array([0., 2., 4., 6.], dtype=float32)

Exact backends (see `backends`) return bit for bit the result of ``a * a.dtype.type(factor)``;
the automatic choice uses exact backends only. The type of the result is always the type of
the array, even if NumPy would widen float32 for a `numpy.float64` factor.

Memory
    Arrays that are contiguous in C or Fortran order, aligned and in native byte order are
    viewed, any other array is copied: `Array.copied` and `Array.reason` tell which, and why.
    A view sees every later change of the NumPy array, and the other way round.

    The memory of a dropped result of 128 KiB or more is kept for the next result of about its
    size, which then needs no new pages. ``RAPTORS_BUFFER_CACHE`` limits the idle memory
    (``256M``, ``1G``, ``0`` for nothing; the default is an eighth of the machine's memory, at
    most 1 GiB); `trim` returns it to the system at once. ``RAPTORS_ALLOC=plain`` takes every
    result from plain ``malloc``: no reuse, no alignment, no advice to use huge pages.

Threads
    The GIL is released from `GIL_RELEASE_SIZE` elements on. As in NumPy, two threads must not
    write one array at the same time, and no thread may write an array that another reads: the
    elements are then undefined.

Floating-point warnings
    An overflow, underflow or invalid operation of an element gives NumPy's value, without
    NumPy's warning. A factor that is too large for float32 does warn (or raise), as
    ``numpy.errstate(over=...)`` says.

Environment
    ``RAPTORS_BACKEND``, ``RAPTORS_THREADS`` and ``RAPTORS_STORES`` set the backend, the number of
    threads and the kind of stores if no argument does. The automatic choice is a table: the
    shipped one, or the one that ``raptors-trace tune`` has measured on this machine;
    ``RAPTORS_TABLE`` names another file, or ``shipped``. For ``RAPTORS_ALLOC`` and
    ``RAPTORS_BUFFER_CACHE`` see Memory above. These are read at the first use.
    ``RAPTORS_LOG=trace``, read at import, writes the kernel's spans to standard error; it has the
    syntax of Rust's ``RUST_LOG``. ``RAPTORS_SIGNPOSTS=1``, read at import on macOS, shows them in
    the timeline of Apple's Instruments.
"""

from raptors_trace._native import (
    GIL_RELEASE_SIZE,
    Array,
    Choice,
    backends,
    from_numpy,
    last_choice,
    require_numpy,
    scale,
    trim,
)

require_numpy()

__all__ = [
    "GIL_RELEASE_SIZE",
    "Array",
    "Choice",
    "backends",
    "from_numpy",
    "last_choice",
    "scale",
    "trim",
]
