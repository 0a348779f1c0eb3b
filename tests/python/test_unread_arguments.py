"""The observers read no argument that the routine itself does not read."""

import sys
from pathlib import Path

import numpy as np
import pytest
from command import run_python

LIBRARIES = sorted((Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*.so"))

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not LIBRARIES, reason="the routines of the OpenBLAS in NumPy's wheel"
)


def test_a_pointer_that_is_not_set_yet_is_left_alone(tmp_path: Path) -> None:
    """LWORK = -1 asks for the size of the workspace, and RCOND may lead anywhere; so may ALPHA of an empty product."""
    answer = run_python(
        f"""
        import ctypes, json
        import numpy as np
        from raptors_trace import _native
        library, run = {str(LIBRARIES[0])!r}, {str(tmp_path / "run.rtrace")!r}
        """
        """
        _native.start_recording(run, 64 << 20, 1 << 20)
        reports = _native.arm(loops=False, memory=False, kernel=False)
        openblas = ctypes.CDLL(library)
        def integer(value):
            return ctypes.byref(ctypes.c_int64(value))
        nowhere = ctypes.c_void_p(0x0100_0001_0000_0001)
        room = (ctypes.c_double * 64)()
        size = (ctypes.c_double * 1)()
        openblas.scipy_dgelsd_64_(
            integer(3), integer(3), integer(1), room, integer(3), room, integer(3), room, nowhere,
            integer(0), size, integer(-1), room, integer(0),
        )
        openblas.scipy_dgemm_64_(
            b"N", b"N", integer(0), integer(0), integer(0), nowhere, room, integer(1), room, integer(1),
            ctypes.byref(ctypes.c_double(0)), room, integer(1), 1, 1,
        )
        _native.disarm()
        _native.finish_recording()
        records = _native.read_recording(run)["records"]
        print(json.dumps({"size": size[0], "routines": sum(kind == "routine" for _, kind, *_ in records)}))
        """
    )
    assert answer["size"] > 0
    assert answer["routines"] == 2
