"""Whose payload NumPy keeps where an element and the factor are both NaN."""

from __future__ import annotations

import numpy as np

_LONGEST = 256
"""Elements. Every loop of NumPy has reached its widest step by then."""


def factor_first_above(dtype: type[np.floating]) -> int | None:
    """Find the length above which ``a * s`` keeps the payload of ``s``.

    Which operand comes first in a loop is up to the compiler that built NumPy, and a
    processor keeps the payload of the first: it is asked of the NumPy at hand.

    Returns
    -------
    int or None
        A number of elements; None if the elements' payloads are kept at every length, or
        if there is no one length at which it changes.
    """
    width = np.dtype(dtype).itemsize * 8
    quiet_nan = {32: 0x7FC00000, 64: 0x7FF8000000000000}[width]
    integer = {32: np.uint32, 64: np.uint64}[width]
    element, factor = np.array([quiet_nan | 1, quiet_nan | 2], dtype=integer).view(dtype)
    keeps_factor = []
    for n in range(1, _LONGEST + 1):
        payloads = (np.full(n, element) * factor).view(integer) & 3
        keeps_factor.append((payloads == 2).all())
        if not keeps_factor[-1] and not (payloads == 1).all():
            return None
    last_element = max((n for n, kept in enumerate(keeps_factor, 1) if not kept), default=0)
    one_change = all(not kept for kept in keeps_factor[:last_element])
    return last_element if one_change and last_element < _LONGEST else None
