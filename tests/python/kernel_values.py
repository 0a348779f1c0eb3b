"""What the tests of the kernel compare: types, lengths, backends, and results bit by bit."""

import numpy as np

from raptors_trace import kernel

DTYPES = [np.float32, np.float64]
BITS = {np.float32: np.uint32, np.float64: np.uint64}
SIGNALLING = {np.float32: 0x7FA00001, np.float64: 0x7FF4000000000001}
# Lengths around every vector width and its unrolled multiples, and around a piece of a pool.
LENGTHS = [*range(70), 127, 128, 129, 255, 257, 1000, 4096, 65535, 65537, 300_001]


BACKENDS = kernel.backends()
# Those whose results are NumPy's bit by bit; libraries' routines deviate for NaNs.
EXACT = [b for b in BACKENDS if "openblas" not in b and "accelerate" not in b]


def bits(a):
    a = np.asarray(a)
    return a.view(BITS[a.dtype.type])


def assert_same_bits(got, expected):
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    wrong = np.flatnonzero(bits(got).ravel() != bits(expected).ravel())
    assert wrong.size == 0, f"{wrong.size} differ, first at {wrong[:1]}"


def numpy_scale(a, factor):
    """What NumPy computes when the factor has the array's type."""
    with np.errstate(all="ignore"):
        return a * a.dtype.type(factor)
