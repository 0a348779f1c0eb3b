"""Sparse matrices of SciPy and frames of pandas, taken apart into arrays, without importing either."""

from __future__ import annotations

import sys
from typing import Any


def is_sparse(value: Any) -> bool:
    """A sparse matrix or array of SciPy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(value))


def of_sparse(value: Any) -> dict[str, Any]:
    """Shape, type, and the elements that are not zero with their places, in one order whatever the format is.

    An array that is not sparse is taken as one that is.
    """
    np = sys.modules["numpy"]
    if not is_sparse(value):
        value = sys.modules["scipy.sparse"].coo_array(np.asarray(value))
    triples = value.tocoo(copy=True)
    triples.sum_duplicates()
    triples.eliminate_zeros()
    coords = getattr(triples, "coords", None) or (triples.row, triples.col)
    order = np.lexsort(coords[::-1])
    return {
        ".shape": str(tuple(map(int, triples.shape))),
        ".dtype": str(triples.dtype),
        # Their type depends on the shape and the format.
        ".nonzero()": np.stack([axis[order].astype(np.int64) for axis in coords]),
        ".data": triples.data[order],
    }


FRAMES = ("MultiIndex", "Index", "Series", "DataFrame")
"""The types of pandas that hold columns, the more specific one first."""


def kind_of_frame(value: Any) -> str | None:
    """The type of a frame, a column or an index of pandas; nothing for another value."""
    of_pandas = {kind.__name__ for kind in type(value).__mro__ if kind.__module__.partition(".")[0] == "pandas"}
    return next((name for name in FRAMES if name in of_pandas), None)


def is_frame(value: Any) -> bool:
    """A frame, a column or an index of pandas."""
    return kind_of_frame(value) is not None


def of_frame(value: Any) -> dict[str, Any]:
    """The columns and their index, by what is written behind the value."""
    kind = kind_of_frame(value)
    if kind == "MultiIndex":
        return {".names": list(value.names), ".values": value.to_flat_index().to_numpy()}
    if kind == "Index":
        return {".names": list(value.names), **_of_column(value)}
    if kind == "Series":
        return {".name": value.name, ".index": value.index, **_of_column(value)}
    parts = {".shape": str(value.shape), ".columns": value.columns, ".index": value.index}
    for place, name in enumerate(value.columns):
        # A name may be there twice.
        where = f"[{name!r}]" if value.columns.is_unique else f".iloc[:, {place}]"
        parts |= {where + part: there for part, there in _of_column(value.iloc[:, place]).items()}
    return parts


def _of_column(column: Any) -> dict[str, Any]:
    """Its type, where it has no value, and its values elsewhere."""
    missing = column.isna()
    return {
        ".dtype": str(column.dtype),
        ".isna()": missing.__array__(),
        ".dropna()": column[~missing].to_numpy(),
    }
