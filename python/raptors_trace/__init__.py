"""raptors-trace: shows why one array library is slower than another.

The command ``raptors-trace`` compares two sides; `raptors_trace.kernel` is Raptors'
scale kernel, the side that NumPy's ``a * s`` is compared with.
"""

import sysconfig

if sysconfig.get_config_var("Py_GIL_DISABLED"):
    # Before the extension, which is not there for such a build: that error would not say why.
    raise ImportError(
        "raptors_trace does not work on free-threaded Python yet, in which objects have another layout and threads run "
        "at the same time; use an ordinary CPython 3.11 or newer (with --python PATH)"
    )

from raptors_trace._native import __version__

__all__ = ["__version__"]
