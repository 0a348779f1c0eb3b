"""Whether two values are the same: arrays by shape, type and element, structures part by part.

NaN equals NaN, and a type is the same type if it has the same name: each side runs a setup of its own, and a class that
both define is two classes. A value that cannot be compared is neither the same nor different; the result says so.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import enum
import numbers
import reprlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from raptors_trace import _tables

DEEPEST = 100
"""Structures inside each other that are followed: one that goes on without end says no more than its begin."""
RELATIVE_TOLERANCE = {2: 1e-2, 4: 1e-5, 8: 1e-13}
"""What roundings may differ by, by bytes of an element: another order of them."""
CODE = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)
ATOMS = (str, bytes, bytearray, type(None), type(Ellipsis), type(NotImplemented))


@dataclasses.dataclass
class Compared:
    """What a comparison found."""

    difference: str | None = None
    """The first difference; none where none was found."""
    unknown: str | None = None
    """The first part that could not be compared, and why."""


class _DifferentError(Exception):
    """Ends a comparison at the first difference."""


class _UnknownError(Exception):
    """A part cannot be compared. Its text says why."""


def compared(a: Any, b: Any, *, roundings: bool = False, sides: tuple[str, str] = ("side A", "side B")) -> Compared:
    """Compares two values; with ``roundings``, floating-point numbers may differ by what another order of them may."""
    walk = _Walk(roundings, sides, collections.ChainMap())
    try:
        walk.values(a, b, "", 0)
    except _DifferentError as difference:
        return Compared(difference=str(difference))
    return Compared(unknown=walk.unknown)


def kind_of(value: Any) -> str:
    """The name of a value's type, as its user writes it."""
    kind = type(value)
    module = "" if kind.__module__ in ("builtins", "__raptors_trace__") else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)[:80]
    except Exception:  # an object of the user's own may not even be able to show itself
        return f"a value of {kind_of(value)}"


def _same_type(a: Any, b: Any) -> bool:
    return type(a) is type(b) or kind_of(a) == kind_of(b)


def _is_array(value: Any) -> bool:
    """A number, or what NumPy makes an array of."""
    if isinstance(value, numbers.Number):
        return True
    kind = type(value)
    if any(hasattr(kind, name) for name in ("__array__", "__array_interface__", "__array_struct__")):
        return True
    with contextlib.suppress(TypeError, BufferError, ValueError):
        memoryview(value).release()
        return True
    return False


class _Kind(enum.Enum):
    """How values are compared."""

    PLAIN = enum.auto()
    MEMBER = enum.auto()
    SPARSE = enum.auto()
    FRAME = enum.auto()
    ARRAY = enum.auto()
    MAPPING = enum.auto()
    SEQUENCE = enum.auto()
    SET = enum.auto()
    RECORD = enum.auto()
    OBJECT = enum.auto()


def _kind(value: Any) -> _Kind:
    """The kind of a value, which is one for all values of its type. The more specific ones come first."""
    return next((kind for kind, is_of in _TESTS if is_of(value)), _Kind.OBJECT)


_TESTS: tuple[tuple[_Kind, Callable[[Any], bool]], ...] = (
    (_Kind.PLAIN, lambda value: isinstance(value, ATOMS)),
    (_Kind.MEMBER, lambda value: isinstance(value, enum.Enum)),
    (_Kind.SPARSE, _tables.is_sparse),
    (_Kind.FRAME, _tables.is_frame),
    (_Kind.ARRAY, _is_array),
    (_Kind.MAPPING, lambda value: isinstance(value, Mapping)),
    (_Kind.SEQUENCE, lambda value: isinstance(value, Sequence)),
    (_Kind.SET, lambda value: isinstance(value, AbstractSet)),
    (_Kind.RECORD, lambda value: dataclasses.is_dataclass(value) and not isinstance(value, type)),
)
"""The kinds in the order in which they are tried."""


def _own_verdict(a: Any, b: Any) -> bool | None:
    """What the values' own `==` says; nothing where they have none, or where it says no more than NumPy's."""
    if getattr(type(a), "__eq__", None) is object.__eq__:
        return None
    with contextlib.suppress(Exception):
        equal = a == b
        if type(equal).__name__ in ("bool", "bool_"):
            return bool(equal)
    return None


Seen = collections.ChainMap[tuple[int, int], tuple[Any, Any]]


class _Walk:
    """One comparison: each pair of values once, whatever circle leads back to it."""

    def __init__(self, roundings: bool, sides: tuple[str, str], seen: Seen) -> None:
        self.roundings = roundings
        self.sides = sides
        self.unknown: str | None = None
        # The values stay alive with their numbers.
        self.seen = seen
        self.kinds: dict[type, _Kind] = {}
        self.ways: dict[_Kind, Callable[[Any, Any, str, int], None]] = {
            _Kind.PLAIN: self._plain,
            _Kind.MEMBER: self._members,
            _Kind.SPARSE: self._sparse,
            _Kind.FRAME: self._frames,
            _Kind.ARRAY: self._arrays,
            _Kind.MAPPING: self._mappings,
            _Kind.SEQUENCE: self._sequences,
            _Kind.SET: self._sets,
            _Kind.RECORD: self._records,
            _Kind.OBJECT: self._objects,
        }

    def values(self, a: Any, b: Any, where: str, depth: int) -> None:
        """Compares two values at this place of the result: `_DifferentError` at the first difference."""
        if a is b or (id(a), id(b)) in self.seen:
            return
        self.seen[id(a), id(b)] = (a, b)
        try:
            if depth > DEEPEST:
                raise _UnknownError(f"it goes deeper than {DEEPEST} structures inside each other")
            self._by_kind(a, b, where, depth + 1)
        except (_DifferentError, MemoryError):
            raise
        except _UnknownError as why:
            self._cannot(where, str(why))
        except Exception as error:  # of the user's own `__eq__`, `__array__` and the like
            text = f"comparing {kind_of(a)} raised {type(error).__name__}: {error}"
            self._cannot(where, text.splitlines()[0][:300])

    def _cannot(self, where: str, why: str) -> None:
        if self.unknown is None:
            self.unknown = f"`{where}`: {why}" if where else why

    def _differ(self, a: Any, b: Any, where: str) -> None:
        raise _DifferentError(f"{_place(where)} is {self._both(_shown(a), _shown(b))}")

    def _both(self, a: Any, b: Any) -> str:
        return f"{a} on {self.sides[0]} and {b} on {self.sides[1]}"

    def _has(self, what: str, a: Any, b: Any, where: str) -> None:
        one, other = (side.removeprefix("side ") for side in self.sides)
        raise _DifferentError(
            f"{'of ' + _place(where) + ', ' if where else ''}{one} has {what} {a}, {other} has {what} {b}"
        )

    def _by_kind(self, a: Any, b: Any, where: str, depth: int) -> None:
        one, other = self._kind_of(a), self._kind_of(b)
        like_arrays = {_Kind.SPARSE, _Kind.ARRAY, _Kind.SEQUENCE}
        if one == other:
            self.ways[one](a, b, where, depth)
        elif not {one, other} <= like_arrays:
            self._differ(a, b, where)
        elif _Kind.SPARSE in (one, other):
            self._sparse(a, b, where, depth)
        else:
            # A list beside an array of the same numbers is the same.
            self._arrays(a, b, where, depth)

    def _kind_of(self, value: Any) -> _Kind:
        if type(value) not in self.kinds:
            self.kinds[type(value)] = _kind(value)
        return self.kinds[type(value)]

    def _numeric(self, a: Any, b: Any) -> tuple[Any, Any] | None:
        """Both as arrays, where they are sequences of nothing but numbers."""
        np = sys.modules["numpy"]
        if all(isinstance(value, numbers.Number) for each in (a, b) for value in each):
            with contextlib.suppress(OverflowError):
                arrays = np.asarray(a), np.asarray(b)
                if all(array.dtype.kind in "biufc" for array in arrays):
                    return arrays
        return None

    def _plain(self, a: Any, b: Any, where: str, _: int) -> None:
        if a != b:
            self._differ(a, b, where)

    def _members(self, a: Any, b: Any, where: str, _: int) -> None:
        if not _same_type(a, b) or a.name != b.name:
            self._differ(a, b, where)

    def _mappings(self, a: Any, b: Any, where: str, depth: int) -> None:
        for one, other, side in ((a, b, self.sides[0]), (b, a, self.sides[1])):
            for key in one:
                if key not in other:
                    raise _DifferentError(f"{_place(f'{where}[{_shown(key)}]')} is on {side} only")
        for key in a:
            self.values(a[key], b[key], f"{where}[{_shown(key)}]", depth)

    def _sequences(self, a: Any, b: Any, where: str, depth: int) -> None:
        names = getattr(a, "_fields", None)
        if isinstance(a, range) and isinstance(b, range):
            self._plain(a, b, where, depth)
            return
        if names is None and (arrays := self._numeric(a, b)) is not None:
            self._arrays(*arrays, where, depth)
            return
        if len(a) != len(b):
            self._has("length", len(a), len(b), where)
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            part = f".{names[index]}" if isinstance(names, tuple) and len(names) == len(a) else f"[{index}]"
            self.values(x, y, where + part, depth)

    def _sets(self, a: Any, b: Any, where: str, _: int) -> None:
        if len(a) != len(b):
            self._differ(a, b, where)
        rest_a, rest_b = ([value for value in one if value not in other] for one, other in ((a, b), (b, a)))
        # NaN is in a set as itself only.
        if not all(value != value for value in (*rest_a, *rest_b)):
            self._differ(a, b, where)

    def _records(self, a: Any, b: Any, where: str, depth: int) -> None:
        if not _same_type(a, b):
            self._differ(a, b, where)
        for each in dataclasses.fields(a):
            if each.compare:
                self.values(getattr(a, each.name), getattr(b, each.name), f"{where}.{each.name}", depth)

    def _objects(self, a: Any, b: Any, where: str, depth: int) -> None:
        """Objects of no known kind: by their own equality, else by what is in them."""
        if isinstance(a, Iterator) or isinstance(b, Iterator):
            raise _UnknownError(f"{kind_of(a)} is an iterator, which comparing would use up")
        verdict = _own_verdict(a, b)
        if verdict or (_same_type(a, b) and self._have_same_attributes(a, b, where, depth)):
            return
        if not _same_type(a, b) or (verdict is False and type(a) is type(b)):
            self._differ(a, b, where)
        # Its attributes differ, and nobody knows which of them matter.
        raise _UnknownError(f"values of the type {kind_of(a)} cannot be compared")

    def _have_same_attributes(self, a: Any, b: Any, where: str, depth: int) -> bool:
        if isinstance(a, CODE):
            return False
        # What a copy of it would get: its attributes, those of `__slots__` included.
        state, other = (object.__getstate__(value) for value in (a, b))
        if state is None or other is None:
            return False
        inner = _Walk(self.roundings, self.sides, self.seen.new_child())
        try:
            inner.values(state, other, where, depth)
        except _DifferentError:
            return False
        if inner.unknown is None:
            self.seen.update(inner.seen.maps[0])
        return inner.unknown is None

    def _sparse(self, a: Any, b: Any, where: str, depth: int) -> None:
        self._parts(_tables.of_sparse(a), _tables.of_sparse(b), where, depth)

    def _frames(self, a: Any, b: Any, where: str, depth: int) -> None:
        if _tables.kind_of_frame(a) != _tables.kind_of_frame(b):
            self._differ(a, b, where)
        self._parts(_tables.of_frame(a), _tables.of_frame(b), where, depth)

    def _parts(self, a: dict[str, Any], b: dict[str, Any], where: str, depth: int) -> None:
        for part in a:
            if part in b:
                self.values(a[part], b[part], where + part, depth)
        for part in set(a) ^ set(b):
            raise _DifferentError(f"{_place(where + part)} is on {self.sides[part in b]} only")

    def _arrays(self, a: Any, b: Any, where: str, depth: int) -> None:
        np = sys.modules["numpy"]
        if isinstance(a, np.ma.MaskedArray) or isinstance(b, np.ma.MaskedArray):
            self._masked(a, b, where, depth)
            return
        x, y = np.asarray(a), np.asarray(b)
        if x.shape != y.shape:
            self._has("shape", x.shape, y.shape, where)
        if x.dtype != y.dtype:
            self._has("dtype", x.dtype, y.dtype, where)
        if x.dtype.names:
            for name in x.dtype.names:
                self.values(x[name], y[name], f"{where}[{name!r}]", depth)
        elif x.dtype.kind == "O":
            self._elements(x, y, where, depth)
        else:
            self._numbers(x, y, where)

    def _masked(self, a: Any, b: Any, where: str, depth: int) -> None:
        ma = sys.modules["numpy"].ma
        masks = ma.getmaskarray(a), ma.getmaskarray(b)
        self._arrays(*masks, f"{where}.mask", depth)
        self._arrays(ma.getdata(a)[~masks[0]], ma.getdata(b)[~masks[1]], where, depth)

    def _elements(self, x: Any, y: Any, where: str, depth: int) -> None:
        """Arrays of objects, element by element."""
        np = sys.modules["numpy"]
        for index in np.ndindex(x.shape):
            one, other = x[index], y[index]
            place = where + (str(list(index)) if index else "")
            if isinstance(one, numbers.Number) and isinstance(other, numbers.Number):
                # Of a type that NumPy has no array of: a large integer, a fraction.
                if one != other and (one == one or other == other):
                    self._differ(one, other, place)
            elif index == () and _is_array(one):
                raise _UnknownError(f"values of the type {kind_of(one)} cannot be compared")
            else:
                self.values(one, other, place, depth)

    def _numbers(self, x: Any, y: Any, where: str) -> None:
        np = sys.modules["numpy"]
        equal = x == y
        if x.dtype.kind in "fcmMT":
            # NaN and NaT are what is not itself.
            equal = equal | ((x != x) & (y != y))
        equal = np.asarray(equal)
        if equal.all() or (self.roundings and _rounded(x, y)):
            return
        flat = int(np.argmin(equal.reshape(-1)))
        index = tuple(int(i) for i in np.unravel_index(flat, x.shape))
        count = int(equal.size - np.count_nonzero(equal))
        place = f"element {list(index)}" if index and not where else _place(f"{where}{list(index) if index else ''}")
        both = self._both(repr(x.reshape(-1)[flat]), repr(y.reshape(-1)[flat]))
        raise _DifferentError(f"{place} is {both}; {count} of {equal.size} differ")


def _place(where: str) -> str:
    return f"`{where}`" if where else "the value"


def _rounded(x: Any, y: Any) -> bool:
    """Whether both differ by roundings only."""
    np = sys.modules["numpy"]
    if x.dtype.kind not in "fc":
        return False
    tolerance = RELATIVE_TOLERANCE.get(np.finfo(x.dtype).dtype.itemsize, 1e-13)
    return bool(np.allclose(x, y, rtol=tolerance, atol=np.finfo(x.dtype).tiny, equal_nan=True))
