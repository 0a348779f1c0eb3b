import os
from enum import IntEnum
from typing import Any, Final, Generic, TypeAlias, TypedDict, TypeVar, final, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "GIL_RELEASE_SIZE",
    "Array",
    "Choice",
    "RoundKind",
    "__version__",
    "arm",
    "backends",
    "begin_round",
    "clock_ghz",
    "clock_read_ns",
    "disarm",
    "document",
    "end_round",
    "finish_recording",
    "finish_sampling",
    "flush_denormals",
    "from_numpy",
    "last_choice",
    "lost",
    "main",
    "name_case",
    "open_counters",
    "read_counters",
    "read_recording",
    "require_numpy",
    "rescan",
    "sample",
    "scale",
    "start_recording",
    "start_sampling",
    "ticks",
    "trim",
]

__version__: Final[str]

# The kernel: public as raptors_trace.kernel.

GIL_RELEASE_SIZE: Final[int]

_Float = TypeVar("_Float", np.float32, np.float64)
_Scalar = TypeVar("_Scalar", bound=np.generic)
_Factor: TypeAlias = float | np.floating[Any] | np.integer[Any]

@final
class Array(Generic[_Float]):
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[_Float]: ...
    @property
    def size(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def ndim(self) -> int: ...
    @property
    def copied(self) -> bool: ...
    @property
    def reason(self) -> str: ...
    def __len__(self) -> int: ...
    @overload
    def scale(
        self,
        factor: _Factor,
        *,
        out: None = None,
        backend: str | None = None,
        threads: int | None = None,
        stores: str | None = None,
    ) -> Array[_Float]: ...
    @overload
    def scale(
        self,
        factor: _Factor,
        *,
        out: Array[_Float],
        backend: str | None = None,
        threads: int | None = None,
        stores: str | None = None,
    ) -> Array[_Float]: ...
    @overload
    def scale(
        self,
        factor: _Factor,
        *,
        out: NDArray[_Float],
        backend: str | None = None,
        threads: int | None = None,
        stores: str | None = None,
    ) -> NDArray[_Float]: ...
    def scale_inplace(
        self,
        factor: _Factor,
        *,
        backend: str | None = None,
        threads: int | None = None,
        stores: str | None = None,
    ) -> None: ...
    def to_numpy(self) -> NDArray[_Float]: ...
    @overload
    def __array__(self, dtype: None = None, copy: bool | None = None) -> NDArray[_Float]: ...
    @overload
    def __array__(self, dtype: np.dtype[_Scalar], copy: bool | None = None) -> NDArray[_Scalar]: ...
    @overload
    def __array__(self, dtype: DTypeLike, copy: bool | None = None) -> NDArray[Any]: ...
    @classmethod
    def __class_getitem__(cls, key: object) -> Any: ...

@final
class Choice:
    @property
    def backend(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def isa(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def stores(self) -> str: ...

def from_numpy(a: NDArray[_Float], /) -> Array[_Float]: ...
@overload
def scale(
    a: Array[_Float],
    factor: _Factor,
    out: None = None,
    *,
    backend: str | None = None,
    threads: int | None = None,
    stores: str | None = None,
) -> Array[_Float]: ...
@overload
def scale(
    a: NDArray[_Float],
    factor: _Factor,
    out: None = None,
    *,
    backend: str | None = None,
    threads: int | None = None,
    stores: str | None = None,
) -> NDArray[_Float]: ...
@overload
def scale(
    a: Array[_Float] | NDArray[_Float],
    factor: _Factor,
    out: Array[_Float],
    *,
    backend: str | None = None,
    threads: int | None = None,
    stores: str | None = None,
) -> Array[_Float]: ...
@overload
def scale(
    a: Array[_Float] | NDArray[_Float],
    factor: _Factor,
    out: NDArray[_Float],
    *,
    backend: str | None = None,
    threads: int | None = None,
    stores: str | None = None,
) -> NDArray[_Float]: ...
def backends() -> list[str]: ...
def last_choice() -> Choice | None: ...
def trim() -> int: ...

# The run file and the observers: for the driver and the tests.

_Report: TypeAlias = dict[str, Any]
_Record: TypeAlias = tuple[int, str, int, int, int, int, dict[str, Any]]

class RoundKind(IntEnum):
    WARMUP = ...
    TIMED = ...
    OBSERVED = ...
    TOUCHED = ...
    UNIT_TIMED = ...
    UNIT_OBSERVED = ...
    CONTROL = ...
    TRACED = ...
    UNIT_TRACED = ...
    SAMPLED = ...
    UNSAMPLED = ...

class _Recording(TypedDict):
    complete: bool
    lost: int
    documents: list[tuple[str, str]]
    records: list[_Record]

def start_recording(path: str | os.PathLike[str], limit_bytes: int, ahead_bytes: int) -> None: ...
def document(key: str, json: str) -> None: ...
def begin_round(case: int, side: int, kind: int, ops: int, placement: int) -> None: ...
def end_round(
    case: int, side: int, kind: int, ops: int, *, wall_ns: int, cpu_ns: int, faults: int, threads: int
) -> None: ...
def name_case(index: int, case: str, a: str, b: str) -> None: ...
def finish_recording() -> None: ...
def read_recording(path: str | os.PathLike[str]) -> _Recording: ...
def ticks() -> int: ...
def clock_read_ns() -> float: ...
def lost() -> int: ...
def open_counters() -> str | None: ...
def read_counters() -> list[float | None]: ...
def arm(
    *,
    loops: bool = True,
    routines: bool = True,
    memory: bool = True,
    kernel: bool = True,
    touch: bool = False,
) -> dict[str, _Report]: ...
def disarm() -> dict[str, _Report]: ...
def rescan() -> dict[str, _Report]: ...
def flush_denormals(flush: bool) -> bool: ...
def clock_ghz() -> float | None: ...
def start_sampling(frequency: int) -> None: ...
def sample(side: int | None) -> None: ...
def finish_sampling() -> str: ...
def require_numpy() -> None: ...

# The command line.

def main(argv: list[str]) -> int: ...
