"""DTrace's scripts, run for real; those for Accelerate on libraries of its file names and signatures: standins.c."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tracers
from scripts import (
    IDLE,
    NAMES,
    PIP_OPENBLAS,
    SCRIPTS,
    STANDINS,
    dtrace,
    filled,
    finish,
    pip_numpy,
    printed,
    row,
    work,
)

pytestmark = pytest.mark.tracers


def build(place: Path, blas: str, *, vdsp: bool = False, libraries: list[str] | None = None) -> Path:
    """Build the stand-in libraries and the program that calls them."""
    gcc = tracers.tool("gcc")

    def compile_to(output: str, *arguments: str) -> Path:
        # Without -fno-optimize-sibling-calls the routine that calls itself is a loop.
        options = ["-O1", "-fno-optimize-sibling-calls", "-x", "c", str(STANDINS), "-x", "none"]
        subprocess.run([gcc, *options, "-o", place / output, *arguments], check=True)
        return place / output

    shared = ["-shared", "-fPIC", "-Wl,-soname"]
    linked = libraries if libraries is not None else [str(compile_to(blas, "-DBLAS", *shared, f"-Wl,{blas}"))]
    if vdsp:
        linked.append(str(compile_to("libvDSP.dylib", "-DVDSP", *shared, "-Wl,libvDSP.dylib")))
    accelerate = ["-DACCELERATE"] if vdsp else []
    # An rpath of a colon or a dollar would be read as something else: the loader takes the directory from here.
    return compile_to("caller", "-DCALLER", *accelerate, *linked, "-Wl,-rpath,$ORIGIN")


# Its end is test_dtrace_names_the_callers_of_a_process_that_has_ended.
@pytest.mark.parametrize("how", ["Ctrl-C", "its death"])
def test_dtrace_counts_accelerate_s_routines_on_stand_ins(tmp_path, how):
    tracers.require_root()
    caller = build(tmp_path, "libBLAS.dylib", vdsp=True)
    with tracers.waiting([str(caller)]) as program:
        report = finish(dtrace(SCRIPTS / "trace_accelerate_calls.d", program.pid), program, how)
    # Calls and nested ones: vDSP_vmul calls vDSP_vsmul three times, cblas_dscal itself.
    assert row(report, "vDSP_vsmul")[:2] == [14, 3]
    assert row(report, "vDSP_vsmulD")[:2] == [1, 0]
    assert row(report, "vDSP_vmul")[:2] == [1, 0]
    assert row(report, "cblas_sgemm")[:2] == [7, 0]
    assert row(report, "cblas_dscal")[:2] == [4, 3]
    assert row(report, "cblas_sgemm$NEWLAPACK$ILP64")[:2] == [2, 0]
    for shape in [
        "vDSP_vsmul 1000 0 0 1 2 0 0x40200000 10",
        # The scalar of this one lies in a page that nothing has read.
        "vDSP_vsmul 16 0 0 1 1 0 - 1",
        "vDSP_vsmulD 64 0 0 1 1 0 0x4004000000000000 1",
        "cblas_sgemm 8 9 10 64 0 0 0 7",
        # Sizes that are on the stack of x86-64: the seventh and the eighth argument.
        "cblas_strsm 3 5 0 0 0 0 0 1",
        "vDSP_mmul 3 5 0 1 1 1 0 1",
        "cblas_sgemm$NEWLAPACK$ILP64 2 3 4 64 0 0 0 2",
        "cblas_dscal 4 0 0 2 0 0 0 1",
    ]:
        name, *values = shape.split()
        pattern = " +".join([re.escape(name), *values])
        assert re.search(rf"^{pattern}$", report, flags=re.MULTILINE), shape + report
    if how == "Ctrl-C":
        # What has ended has no names any more.
        assert re.search(r"vDSP_vsmul first called from 0x[0-9a-f]+, +caller`main", report)
        assert re.search(r"vDSP_vsmul first called from 0x[0-9a-f]+, +libvDSP.dylib`vDSP_vmul", report)
        assert re.search(r"^ +vDSP_vsmul +libvDSP.dylib +3$", report, flags=re.MULTILINE)
    assert "No routine was seen" not in report
    assert "No operation of Raptors was seen" in report


def test_dtrace_names_the_callers_of_a_process_that_has_ended(tmp_path):
    tracers.require_root()
    caller = build(tmp_path, "libBLAS.dylib", vdsp=True)
    with tracers.waiting([str(caller)]) as program:
        path = filled(tmp_path, "trace_accelerate_calls.d", "--pid", str(program.pid))
        report = finish(dtrace(path, program.pid), program, "its end")
    assert row(report, "vDSP_vsmul")[:2] == [14, 3]
    for called in ["vDSP_vsmul caller 11", "vDSP_vsmul libvDSP.dylib 3", "cblas_dscal libBLAS.dylib 3"]:
        assert re.search(rf"^ +{called.replace(' ', ' +')}$", report, flags=re.MULTILINE), called + report


def test_dtrace_counts_debian_s_openblas(tmp_path):
    tracers.require_root()
    found = sorted(Path("/usr/lib").glob("*/openblas-pthread/libopenblas.so.0"))
    if not found:
        tracers.unavailable("Debian's OpenBLAS is not installed: apt-get install libopenblas0-pthread")
    caller = build(tmp_path, "", libraries=[str(found[0])])
    with tracers.waiting([str(caller)], {**os.environ, "LD_LIBRARY_PATH": str(found[0].parent)}) as program:
        filled_in = filled(tmp_path, "trace_accelerate_calls.d", "--pid", str(program.pid))
        assert "cblas_sgemm:entry" in filled_in.read_text()
        report = finish(dtrace(filled_in, program.pid), program)
    assert row(report, "cblas_sgemm")[:2] == [7, 0]
    assert row(report, "cblas_dscal")[:2] == [1, 0]
    assert re.search(r"^cblas_sgemm +8 +9 +10 +64 +0 +0 +0 +7$", report, flags=re.MULTILINE), report
    assert re.search(r"cblas_sgemm first called from 0x[0-9a-f]+, +caller`main", report)


def test_dtrace_refuses_pip_s_openblas_with_the_reason(tmp_path):
    tracers.require_root()
    pip_numpy()
    with tracers.waiting(work()) as program:
        done = printed("trace_accelerate_calls.d", "--pid", str(program.pid))
        assert done.returncode == 0
        assert re.search(rf"note: left out: \S+{PIP_OPENBLAS}\S+: .*PT_LOAD", done.stderr)
        manual, code = done.stdout.split("\n */\n")
        assert "LEFT OUT" in manual
        assert PIP_OPENBLAS in manual.split("LEFT OUT")[1]
        assert not re.search(rf"^pid.*{PIP_OPENBLAS}", code, flags=re.MULTILINE)
        path = tmp_path / "script.d"
        path.write_text(done.stdout)
        report = finish(dtrace(path, program.pid), program)
    assert "No routine was seen" in report
    assert row(report, "scale")[0] == 3, "the probes of Raptors are seen all the same"


def test_dtrace_puts_both_sides_in_one_table():
    tracers.require_root()
    with tracers.waiting(work()) as program:
        report = finish(dtrace(SCRIPTS / "compare_call_patterns.d", program.pid), program, "its end")
    [multiply] = re.findall(r"^(FLOAT_multiply\w*) +10 +0$", report, flags=re.MULTILINE)
    assert re.search(rf"^{multiply} +4096 +0 +0 +4 +0 +4 +0 +10 +0$", report, flags=re.MULTILINE), report
    assert row(report, "FLOAT_matmul") == [7, 0]
    assert row(report, "raptors scale") == [0, 3]


def test_dtrace_puts_two_processes_in_one_table(tmp_path):
    tracers.require_root()
    with tracers.waiting(work()) as a, tracers.waiting(work(32, "numpy-only")) as b:
        path = filled(tmp_path, "compare_call_patterns.d", "--pid", str(a.pid), "--pid", str(b.pid))
        script = dtrace(path, a.pid, b.pid)
        b.go()
        report = finish(script, a)
    [(left, right)] = re.findall(r"^FLOAT_multiply\w* +(\d+) +(\d+)$", report, flags=re.MULTILINE)
    assert (left, right) == ("10", "10")
    assert row(report, "raptors scale") == [3, 0]


@pytest.mark.one_per_tracer
def test_dtrace_shows_the_phases_of_a_scale():
    tracers.require_root()
    with tracers.waiting(work()) as program:
        report = finish(dtrace(SCRIPTS / "scale_phases.d", program.pid), program)
    parts = {part: row(report, part) for part in ("1 operation", "2   allocation", "3   backend", "4   rest of it")}
    assert [numbers[0] for numbers in parts.values()] == [3] * 4
    whole, *rest = [numbers[1] for numbers in parts.values()]
    assert whole == sum(rest), "the parts exclude each other and add up"
    assert re.search(r"^  \w+ \(\w.*\), threads 1, n = 4096: 3$", report, flags=re.MULTILINE)


def test_dtrace_shows_pages_and_memory():
    tracers.require_root()
    with tracers.waiting(work(1024)) as program:
        report = finish(dtrace(SCRIPTS / "page_faults.d", program.pid), program)
    [(calls, faults)] = re.findall(r"^FLOAT_multiply\w* +(\d+) +(\d+) +\d+$", report, flags=re.MULTILINE)
    assert int(calls) == 10
    assert int(faults) >= 2
    assert row(report, "Raptors: scale")[0] == 3
    with tracers.waiting(work(1024)) as program:
        report = finish(dtrace(SCRIPTS / "alloc.d", program.pid), program)
    assert row(report, "  others   malloc")[-2:] == [4 << 20, 10]
    [results] = re.findall(r"Raptors' results.*\n((?:  \w+ .*\n)+)", report)
    assert sum(int(line.split()[-1]) for line in results.splitlines()) == 3


def test_every_d_script_compiles_and_needs_its_process():
    program = tracers.dtrace()

    def compiled(name: str) -> None:
        command = [program, "-e", "-s", str(SCRIPTS / f"{name}.d")]
        if name not in ("profile_stacks", "scale_phases"):
            alone = subprocess.run(command, capture_output=True, text=True, check=False)
            assert alone.returncode != 0, f"without -p or -c {name} is refused, as its manual says"
        with tracers.waiting([sys.executable, "-c", IDLE]) as idle:
            attached = subprocess.run([*command, "-p", str(idle.pid)], capture_output=True, text=True, check=False)
        assert attached.returncode == 0, attached.stderr

    with ThreadPoolExecutor(3) as pool:
        assert len(list(pool.map(compiled, NAMES))) == len(NAMES)
