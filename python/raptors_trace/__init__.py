"""raptors-trace: shows why one array library is slower than another.

The command ``raptors-trace`` compares two sides; `raptors_trace.kernel` is Raptors'
scale kernel, the side that NumPy's ``a * s`` is compared with.
"""

from raptors_trace._native import __version__

__all__ = ["__version__"]
