"""The observers see what is imported after they were switched on."""

import subprocess
import sys
import textwrap

import pytest
from test_observers import Run

LATER = """
    import json, sys
    import numpy as np
    from raptors_trace import _native

    assert not any(m.startswith("scipy") for m in sys.modules)
    _native.start_recording(sys.argv[1], 256 << 20, 8 << 20)
    before = _native.arm()
    {work}
    _native.disarm()
    _native.finish_recording()
"""


def in_a_fresh_process(work, path):
    code = textwrap.dedent(LATER).format(work=work)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Run.read(path)


def test_a_library_that_is_imported_later_is_seen(tmp_path):
    pytest.importorskip("scipy", reason="SciPy is not installed", exc_type=ImportError)
    run = in_a_fresh_process(
        "import scipy.linalg as sl; a = np.eye(50) * 2; sl.lu_factor(a);sl.blas.dgemm(1.0, a, a)",
        tmp_path / "later.rtrace",
    )
    assert not [d for key, d in run.documents if key == "warning"]
    (gemm,) = run.routines("dgemm")
    assert "scipy" in gemm.site["module"], "SciPy has its own copy of OpenBLAS"
    assert len(run.routines("dgetrf")) == 1


def test_ufuncs_that_are_imported_later_are_seen(tmp_path):
    pytest.importorskip("scipy", reason="SciPy is not installed", exc_type=ImportError)
    run = in_a_fresh_process("import scipy.special as sp; sp.erf(np.linspace(0, 1, 1000))", tmp_path / "later.rtrace")
    (erf,) = run.of("loop", "erf[d->d]")
    assert erf.event.n == 1000
