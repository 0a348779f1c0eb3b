"""A Python or a NumPy that is not known is refused in one sentence, which says what still works."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import COMMAND, run_python

FREE_THREADED = """
import sysconfig
known = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 1 if name == "Py_GIL_DISABLED" else known(name)
"""
"""What the interpreter says of itself, where it is a free-threaded one."""


def test_the_package_refuses_a_free_threaded_python() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FREE_THREADED + "import raptors_trace._native"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: raptors_trace does not work on free-threaded Python yet"), done.stderr
    assert "use an ordinary CPython 3.11 or newer" in last


def test_the_command_refuses_a_free_threaded_python(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True, timeout=60)
    [packages] = tmp_path.glob("lib/python*/site-packages")
    (packages / "sitecustomize.py").write_text(FREE_THREADED)
    command = [COMMAND, "compare", "--python", str(tmp_path / "bin" / "python")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stdout
    assert "is a free-threaded Python" in done.stderr
    assert "it must be an ordinary CPython" in done.stderr


PRETENDING = """
import ctypes, json
from numpy._core import _multiarray_umath as umath
from raptors_trace import _native

capsules = ctypes.pythonapi
capsules.PyCapsule_GetPointer.restype = ctypes.c_void_p
capsules.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
capsules.PyCapsule_New.restype = ctypes.py_object
capsules.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
ENTRIES = 306
real = (ctypes.c_void_p * ENTRIES).from_address(capsules.PyCapsule_GetPointer(umath._ARRAY_API, None))
table = (ctypes.c_void_p * ENTRIES)(*(real if {whole} else [None] * ENTRIES))
version = ctypes.CFUNCTYPE(ctypes.c_uint)
functions = [version(lambda: {abi}), version(lambda: {features})]
table[0], table[211] = (ctypes.cast(function, ctypes.c_void_p).value for function in functions)
umath._ARRAY_API = capsules.PyCapsule_New(ctypes.addressof(table), None, None)
"""
"""Lets this NumPy say that it is another one. Where it is not ``whole``, every other entry of its table ends the
process if it is called."""

ARMING = """
_native.start_recording({path!r}, 64 << 20, 1 << 20)
reports = _native.arm()
_native.disarm()
_native.finish_recording()
print(json.dumps(reports))
"""


@pytest.mark.parametrize(("abi", "features"), [(0x02000000, 0x17), (0x02000000, 0x11), (0x03000000, 0x20)])
def test_no_loop_and_no_memory_of_an_unknown_numpy_is_observed(tmp_path: Path, abi: int, features: int) -> None:
    reports = run_python(
        PRETENDING.format(whole=False, abi=abi, features=features) + ARMING.format(path=str(tmp_path / "run.rtrace"))
    )
    for observer in ("loops", "memory"):
        why = reports[observer]["error"]
        assert f"(ABI {abi:#x}, API {features:#x};" in why
        assert why.endswith("math routines, samples, times and the system's tracers still work")
    for observer in ("routines", "kernel"):
        assert reports[observer]["armed"] > 0, reports


def test_the_newest_known_numpy_is_observed(tmp_path: Path) -> None:
    reports = run_python(
        PRETENDING.format(whole=True, abi=0x02000000, features=0x16) + ARMING.format(path=str(tmp_path / "run.rtrace"))
    )
    assert all(report["armed"] > 0 for report in reports.values()), reports


def test_the_kernel_refuses_arrays_of_another_abi() -> None:
    told = run_python(
        PRETENDING.format(whole=False, abi=0x03000000, features=0x20)
        + """
try:
    import raptors_trace.kernel
except ImportError as error:
    print(json.dumps({"error": str(error)}))
"""
    )
    assert "has ABI 0x3000000; other statements can still be compared" in told["error"]
