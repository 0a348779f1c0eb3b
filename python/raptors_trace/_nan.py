"""The payload that NumPy keeps if an element and the factor are both NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LONGEST = 256
"""Elements. At this length every loop of NumPy has taken several of its widest steps."""


def factor_first_rule(dtype: type[np.floating]) -> tuple[int, int] | None:
    """Find the elements of ``a * s`` that keep the payload of ``s``, in the kernel's terms.

    A processor keeps the payload of the first operand, and the compiler that built NumPy
    decides which one comes first. The installed NumPy is therefore asked.

    Returns
    -------
    (int, int) or None
        See `fit`.
    """
    return fit([keeps_factor(dtype, n) for n in range(1, _LONGEST + 1)])


def keeps_factor(dtype: type[np.floating], n: int) -> list[bool]:
    """Ask NumPy for each of `n` elements whether the payload of the factor is kept."""
    width = np.dtype(dtype).itemsize * 8
    quiet_nan = {32: 0x7FC00000, 64: 0x7FF8000000000000}[width]
    integer = {32: np.uint32, 64: np.uint64}[width]
    element, factor = np.array([quiet_nan | 1, quiet_nan | 2], dtype=integer).view(dtype)
    payloads = (np.full(n, element) * factor).view(integer) & 3
    kept: list[bool] = (payloads == 2).tolist()
    return kept


def fit(observed: Sequence[Sequence[bool]]) -> tuple[int, int] | None:
    """Fit a rule to observations: ``observed[n - 1]`` is `keeps_factor` of n elements.

    Returns
    -------
    (above, block) or None
        Operations on at most `above` elements keep the elements' payloads. Longer ones keep
        them in as many whole blocks of `block` elements as there are, and the factor's in
        the rest; with block 0 the factor's throughout. None if the elements' are kept in all
        that was observed, or if no such rule says what was.
    """
    lengths = range(1, len(observed) + 1)
    above = next((n - 1 for n in lengths if any(observed[n - 1])), None)
    if above is None:
        return None
    for block in (0, *lengths):
        if all(list(observed[n - 1]) == predicted(n, above, block) for n in lengths):
            return above, block
    return None


def predicted(n: int, above: int, block: int) -> list[bool]:
    """Predict `keeps_factor` of n elements from a rule of `fit`."""
    elements_first = n if n <= above else n - n % block if block else 0
    return [i >= elements_first for i in range(n)]
