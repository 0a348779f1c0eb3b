"""Addresses that a side keeps: what is replaced stays where it is, and what holds an address is found.

A setup may hand the address of its array to a C kernel (``p = x.ctypes.data``), after which nobody but the setup knows
that the memory is in use.
"""

from __future__ import annotations

import ctypes
import functools
import numbers
from collections.abc import Iterator
from typing import Any

_REPLACED: list[Any] = []
"""What switches have replaced: alive and unchanged for as long as this process."""

DEEPEST = 3
"""Containers inside each other that addresses are looked for in."""
LONGEST = 256
"""Elements of a container that are looked at: addresses are few."""


def replace(namespace: dict[str, Any], name: str, value: Any) -> None:
    """Gives a name another value. The one that it had stays."""
    if not any(namespace[name] is other for other in _REPLACED):
        _REPLACED.append(namespace[name])
    namespace[name] = value


def kept_bytes() -> int:
    """The bytes of the arrays that were replaced."""
    return sum(int(getattr(value, "nbytes", 0)) for value in _REPLACED)


def holder_of_address(namespace: dict[str, Any], array: Any) -> str | None:
    """The name of a value that holds an address inside of an array; nothing where none is found.

    An object's attributes, closures and the memory of a library are not looked at.
    """
    from numpy.lib.array_utils import byte_bounds

    begin, end = byte_bounds(array)
    for name, value in namespace.items():
        if not name.startswith("__") and any(begin <= address < end for address in _addresses(value, DEEPEST)):
            return name
    return None


def _addresses(value: Any, depth: int) -> Iterator[int]:
    if isinstance(value, numbers.Integral):
        yield int(value)
    elif isinstance(value, ctypes.c_void_p):
        yield value.value or 0
    elif isinstance(value, ctypes._Pointer):
        yield ctypes.cast(value, ctypes.c_void_p).value or 0
    elif isinstance(value, ctypes.Array | ctypes.Structure):
        yield ctypes.addressof(value)
    elif isinstance(value, memoryview) and value.c_contiguous and value.nbytes and not value.readonly:
        yield ctypes.addressof(ctypes.c_char.from_buffer(value))
    elif depth > 0:
        for inner in _contained(value):
            yield from _addresses(inner, depth - 1)


def _contained(value: Any) -> list[Any]:
    if isinstance(value, functools.partial):
        return [value.args, value.keywords]
    if isinstance(value, dict):
        value = list(value.values())
    # NumPy's `x.ctypes`.
    if type(value).__module__.startswith("numpy") and type(value).__name__ == "_ctypes":
        return [value.data]
    return list(value[:LONGEST]) if isinstance(value, list | tuple) else []
