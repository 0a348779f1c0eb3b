"""The scripts for bpftrace and DTrace, run for real on real processes: what they count has to be exact.

The committed scripts under ``dtrace/`` run as they stand, and those that ``raptors-trace script`` prints for a process
or an interpreter. DTrace's scripts for Accelerate run on stand-ins: libraries of Apple's file names and signatures,
built here from standins.c.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import tracers

pytestmark = pytest.mark.tracers

SCRIPTS = tracers.REPOSITORY / "dtrace"
STANDINS = Path(__file__).with_name("standins.c")
NAMES = ["trace_accelerate_calls", "compare_call_patterns", "scale_phases", "page_faults", "alloc", "profile_stacks"]
PIP_OPENBLAS = "libscipy_openblas"
# Every probe takes a while to withdraw: where it is not about them all, these will do.
FEW = ["--routine", "cblas_sgemm,cblas_dgemm", "--ufunc", "multiply,matmul"]
ENDS = ["Ctrl-C", "its end", "its death"]

# Ten multiplies, seven matmuls, three scales, and where a size is given, arrays of that many rows and columns.
WORK = """
import os, sys
import numpy as np
n = int(sys.argv[1])
a = np.ones((n, n), np.float32)
b = np.ones((64, 64), np.float32)
if "numpy-only" not in sys.argv:
    from raptors_trace import kernel
    r = kernel.from_numpy(a)
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
for _ in range(10):
    a * 2.5
for _ in range(7):
    b @ b
if "numpy-only" not in sys.argv:
    for _ in range(3):
        r.scale(2.5)
print("done", flush=True)
sys.stdin.read()
"""
IDLE = 'import os, sys; print("ready", os.getpid(), flush=True); sys.stdin.readline(); print("done", flush=True)'


def work(size: int = 64, *arguments: str) -> list[str]:
    return [sys.executable, "-c", WORK, str(size), *arguments]


def command() -> str:
    """Return the command: RAPTORS_TRACE_COMMAND, else the one beside this interpreter, else the plain binary."""
    named = os.environ.get("RAPTORS_TRACE_COMMAND")
    beside = Path(sys.executable).with_name("raptors-trace")
    return named or str(beside if beside.exists() else tracers.REPOSITORY / "target" / "debug" / "raptors-trace")


def printed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``raptors-trace script``."""
    return subprocess.run([command(), "script", *arguments], capture_output=True, text=True, check=False, timeout=120)


def filled(tmp_path: Path, name: str, *arguments: str) -> Path:
    """Print a script into a file."""
    done = printed(name, *arguments)
    assert done.returncode == 0, done.stderr
    path = tmp_path / name
    path.write_text(done.stdout)
    return path


def bpftrace(script: Path, program: tracers.Program, *parameters: object) -> tracers.Script:
    unsafe = ["--unsafe"] if " --unsafe " in script.read_text() else []
    return tracers.Script([tracers.bpftrace(), *unsafe, "-p", str(program.pid), str(script), *map(str, parameters)])


def dtrace(script: Path, *pids: int) -> tracers.Script:
    targets = [word for pid in pids for word in ("-p", str(pid))]
    return tracers.Script([tracers.dtrace(), "-s", str(script), *targets])


def finish(script: tracers.Script, program: tracers.Program, how: str = "Ctrl-C") -> str:
    """Let the program do its work and end the script in one of the ways."""
    program.go()
    if how == "Ctrl-C":
        return script.interrupt()
    if how == "its end":
        program.end_input()
    else:
        program.child.send_signal(signal.SIGKILL)
    return script.ended()


def maps(report: str) -> dict[str, list[str]]:
    """Return bpftrace's maps: ``@name[key, …]: value`` as a value for each key, blanks taken out."""
    found: dict[str, list[str]] = {}
    for name, key, value in re.findall(r"^@(\w+)\[(.*)\]: (.*)$", report, flags=re.MULTILINE):
        key = ",".join(part.strip() for part in key.split(","))
        found.setdefault(f"{name}[{key}]", []).append(value)
    return found


def counted(report: str, key: str) -> str:
    """Return the value of one key of a map, which has to be there once."""
    found = maps(report)
    assert key in found, report
    [value] = found[key]
    return value


def calls_of(report: str, key: str) -> int:
    """Return the count of a key whose value is ``count 7, average …``."""
    match = re.match(r"count (\d+),", counted(report, key))
    assert match, report
    return int(match[1])


def total_of(report: str, key: str) -> int:
    match = re.search(r"total (-?\d+)$", counted(report, key))
    assert match, report
    return int(match[1])


def row(report: str, label: str) -> list[int]:
    """Return the numbers of a row of the first table that has it."""
    found = re.search(rf"^{re.escape(label)} +((?:-?(?:0x)?[0-9a-f]+ *)+)$", report, flags=re.MULTILINE)
    assert found, f"{label} is in no table of\n{report}"
    return [int(number, 0) for number in found[1].split()]


def pip_numpy() -> tuple[Path, Path]:
    """Return the files of the loops and of the OpenBLAS of a NumPy from PyPI."""
    from numpy._core import _multiarray_umath

    libraries = sorted((Path(np.__file__).parent.parent / "numpy.libs").glob(f"{PIP_OPENBLAS}*.so*"))
    if not libraries:
        tracers.unavailable("this NumPy brings no OpenBLAS; install one from PyPI")
    return Path(_multiarray_umath.__file__), libraries[0]


def extension() -> Path:
    found = importlib.util.find_spec("raptors_trace._native")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).resolve()


def assert_exact(report: str) -> None:
    """Hold what trace_accelerate_calls.bt saw of WORK with 64 × 64 against what that does."""
    assert counted(report, "loops[np.multiply[ff->f],4096,4,0,4]") == "10"
    assert counted(report, "loops[np.matmul[ff->f],1,64,64,64]") == "7"
    assert calls_of(report, "time_ns[np.multiply[ff->f]]") == 10
    assert calls_of(report, "time_ns[cblas_sgemm]") == 7
    assert counted(report, "shapes[cblas_sgemm,64,64,64,64,0,0,0]") == "7", "m, n, k and, from the stack, lda"
    assert calls_of(report, "blas_in_loop[np.multiply[ff->f]]") == 10
    assert total_of(report, "blas_in_loop[np.multiply[ff->f]]") == 0, "NumPy's multiply calls no BLAS"
    assert total_of(report, "blas_in_loop[np.matmul[ff->f]]") == 7, "and the same probes see it where it is called"


def assert_called_by_numpy(report: str) -> None:
    """Hold that the script, filled in for a process, names the file that called each routine."""
    [(file, calls)] = re.findall(r"^@modules\[cblas_sgemm *, (\S+) *\]: (\d+)$", report, flags=re.MULTILINE)
    assert file.startswith("_multiarray_umath")
    assert calls == "7"


# ---- bpftrace ----


@pytest.mark.parametrize("how", ENDS)
def test_bpftrace_counts_exactly_whatever_ends_it(tmp_path, how):
    tracers.require_root()
    with tracers.waiting(work()) as program:
        path = filled(tmp_path, "trace_accelerate_calls.bt", "--pid", str(program.pid), *FEW)
        report = finish(bpftrace(path, program), program, how)
    assert_exact(report)
    assert_called_by_numpy(report)
    if how == "Ctrl-C":
        # What has ended has no names any more.
        named = r"@callers\[cblas_sgemm *, \n\s*[0-9a-f]+ \S+ \(/.*_multiarray_umath.*\)\n\]: 7$"
        assert re.search(named, report, flags=re.MULTILINE), report
    assert counted(report, "scales[4096,4]") == "3"
    assert re.search(r"^@scale_ns: count 3,", report, flags=re.MULTILINE)
    assert re.search(r"^@blas_in_scale: count 3, average 0, total 0$", report, flags=re.MULTILINE)
    assert "Nothing was seen" not in report


def test_a_printed_script_counts_its_process_and_no_other(tmp_path):
    tracers.require_root()
    pip_numpy()
    # Nothing but the script is needed: it runs from a directory of its own.
    with tracers.waiting(work()) as program, tracers.waiting(work()) as other:
        script = filled(tmp_path, "trace_accelerate_calls.bt", "--pid", str(program.pid))
        traced = bpftrace(script, program)
        other.go()
        report = finish(traced, program)
    assert_exact(report)
    assert counted(report, "scales[4096,4]") == "3"


def test_a_stripped_numpy_is_seen_by_the_offsets_in_its_tables(tmp_path):
    tracers.require_root()
    umath, _ = pip_numpy()
    packages = Path(np.__file__).parent.parent
    for name in ("numpy", "numpy.libs"):
        shutil.copytree(packages / name, tmp_path / name, symlinks=True)
    copy = tmp_path / umath.relative_to(packages)
    subprocess.run([tracers.tool("strip"), "--strip-all", copy], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with tracers.waiting(work(64, "numpy-only"), environment) as program:
        path = filled(tmp_path, "trace_accelerate_calls.bt", "--pid", str(program.pid), *FEW)
        assert str(copy) in path.read_text()
        assert "sudo bpftrace --unsafe" in path.read_text()
        report = finish(bpftrace(path, program), program)
    assert_exact(report)
    assert_called_by_numpy(report)


def test_an_interpreter_without_raptors_trace_is_enough(tmp_path):
    tracers.require_root()
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "numpy").symlink_to(Path(np.__file__).parent)
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python3*/site-packages"))
    (site / "packages.pth").write_text(f"{packages}\n")
    bare = subprocess.run([python, "-c", "import numpy, raptors_trace"], capture_output=True, text=True, check=False)
    assert "No module named 'raptors_trace'" in bare.stderr

    path = filled(tmp_path, "trace_accelerate_calls.bt", "--python", str(python), *FEW)
    assert "usdt:" not in path.read_text()
    with tracers.waiting([str(python), *work(64, "numpy-only")[1:]]) as program:
        report = finish(bpftrace(path, program), program)
    assert_exact(report)


def test_the_columns_of_one_process_are_told_apart(tmp_path):
    tracers.require_root()
    with tracers.waiting(work()) as program:
        script = bpftrace(filled(tmp_path, "compare_call_patterns.bt", "--pid", str(program.pid)), program)
        report = finish(script, program)
    assert row(report, "np.multiply[ff->f]") == [10, 0]
    assert row(report, "np.matmul[ff->f]") == [7, 0]
    assert row(report, "cblas_sgemm") == [7, 0]
    assert row(report, "raptors scale") == [0, 3]
    assert counted(report, "a[np.multiply[ff->f],4096,0,0,4,0,4,0]") == "10"
    assert counted(report, f"b[raptors scale,4096,0,0,0,0,0,{0x40200000}]") == "3"


def test_two_processes_are_two_columns(tmp_path):
    tracers.require_root()
    with tracers.waiting(work()) as a, tracers.waiting(work(32, "numpy-only")) as b:
        pids = ["--pid", str(a.pid), "--pid", str(b.pid)]
        script = bpftrace(filled(tmp_path, "compare_call_patterns.bt", *pids), a)
        b.go()
        report = finish(script, a)
    assert row(report, "np.multiply[ff->f]") == [10, 10]
    assert row(report, "raptors scale") == [3, 0]
    assert counted(report, "b[np.multiply[ff->f],1024,0,0,4,0,4,0]") == "10"


def test_bpftrace_shows_the_phases_of_a_scale():
    tracers.require_root()
    with tracers.waiting(work()) as program:
        report = finish(bpftrace(SCRIPTS / "scale_phases.bt", program, program.pid, extension()), program)
    for part in ("operation", "allocation", "backend", "rest of it"):
        assert calls_of(report, f"parts_ns[{part}]") == 3
    assert counted(report, "operations[4096,4,0]") == "3"
    parts = sum(total_of(report, f"parts_ns[{part}]") for part in ("allocation", "backend", "rest of it"))
    assert parts == total_of(report, "parts_ns[operation]"), "the parts exclude each other and add up"
    assert re.search(r"^@dispatched\[\w+, \w.*, 1, 4096\]: 3$", report, flags=re.MULTILINE)


def test_bpftrace_shows_where_pages_fault(tmp_path):
    tracers.require_root()
    with tracers.waiting(work(1024)) as program:
        script = bpftrace(filled(tmp_path, "page_faults.bt", "--pid", str(program.pid)), program)
        report = finish(script, program)
    assert calls_of(report, "faults_per_operation[np.multiply[ff->f]]") == 10
    assert calls_of(report, "faults_per_operation[Raptors: scale]") == 3
    # The first result's pages are fresh: at least as many faults as it has huge pages.
    assert total_of(report, "faults_per_operation[np.multiply[ff->f]]") >= 2
    assert int(counted(report, "faults[NumPy: inner loop]")) >= 2


def test_bpftrace_shows_what_memory_is_asked_for(tmp_path):
    tracers.require_root()
    with tracers.waiting(work(1024)) as program:
        script = bpftrace(filled(tmp_path, "alloc.bt", "--pid", str(program.pid)), program)
        report = finish(script, program)
    assert counted(report, f"blocks[others,malloc,{4 << 20}]") == "10", "NumPy asks malloc for each result"
    results = {key: value for key, [value] in maps(report).items() if key.startswith("raptors_memory[")}
    assert sum(map(int, results.values())) == 3
    assert all(key.endswith(f",{4 << 20}]") for key in results)


@pytest.mark.parametrize("tool", ["bt", "d"])
def test_stacks_are_sampled_or_their_lack_is_said(tmp_path, tool):
    tracers.require_root()
    path = filled(tmp_path, f"profile_stacks.{tool}", "--generic")
    # Its output is for another program, so it says nothing when it begins: here it does.
    begins = "BEGIN" if tool == "bt" else "dtrace:::BEGIN"
    path.write_text(path.read_text() + f'{begins} {{ printf("report.\\n"); }}\n')

    def start(program):
        return bpftrace(path, program, program.pid) if tool == "bt" else dtrace(path, program.pid)

    with tracers.waiting([sys.executable, "-c", IDLE]) as program:
        idle = start(program).interrupt()
    assert "No sample was taken" in idle
    busy = IDLE.replace("sys.stdin.readline();", "sys.stdin.readline(); [i * i for i in range(30_000_000)];")
    with tracers.waiting([sys.executable, "-c", f"{busy}; sys.stdin.read()"]) as program:
        report = finish(start(program), program)
    assert "No sample was taken" not in report
    assert re.search(r"python|Py|Eval", report), report


@pytest.mark.parametrize("name", NAMES[:4])
def test_bpftrace_says_so_when_nothing_was_seen(tmp_path, name):
    tracers.require_root()
    with tracers.waiting(work()) as program:
        # Armed for another process than the one that works.
        other = [sys.executable, "-c", f"import raptors_trace.kernel; {IDLE}; sys.stdin.read()"]
        with tracers.waiting(other) as idle:
            script = bpftrace(filled(tmp_path, f"{name}.bt", "--pid", str(idle.pid)), idle)
            program.go()
            report = script.interrupt()
    assert re.search(r"(Nothing|No operation of Raptors|No page fault) was seen", report), report


# Names of directories, and what bpftrace and DTrace cannot do with them.
BLANK = "only up to a blank"
NO_NAME = "cannot name a path"
ODD_NAMES = {
    "with space": (None, BLANK),
    'quo"te': (None, None),
    "single'quote": (None, None),
    "$(touch${IFS}broken)": (None, None),
    "`touch broken`": (None, BLANK),
    "brace}END{exit();}": (None, None),
    "new\nline": (NO_NAME, None),
    "com*/ment": (NO_NAME, None),
    "colon:x": (NO_NAME, None),
    "back\\slash": (NO_NAME, None),
    "@FILTER@${scale__entry}": (None, None),
}


# Calls one routine of each library: once that of the first, twice that of the second, and so on.
ODD_CALLER = """
import ctypes, os, sys
places, routines = sys.argv[1::2], sys.argv[2::2]
libraries = [ctypes.CDLL(place) for place in places]
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
for number, (library, routine) in enumerate(zip(libraries, routines)):
    for _ in range(number + 1):
        getattr(library, routine)()
print("done", flush=True)
sys.stdin.read()
"""
ODD_ROUTINES = [f"cblas_{letter}{stem}" for stem in ("scal", "axpy", "copy", "dot", "nrm2", "asum") for letter in "sd"]


def odd_libraries(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """Build a library with a routine of its own in a directory of each odd name, and another file beside it."""
    built = {}
    for number, (odd, routine) in enumerate(zip(ODD_NAMES, ODD_ROUTINES, strict=False)):
        place = tmp_path / odd
        place.mkdir(parents=True)
        source = tmp_path / f"{routine}.c"
        source.write_text(f"void {routine}(void) {{ }}\n")
        built[odd] = (place / f"libopenblas-r{number}.test.so", routine)
        for file, code in ((built[odd][0], source), (place / "other.so", os.devnull)):
            subprocess.run([tracers.tool("gcc"), "-shared", "-fPIC", "-o", file, "-x", "c", code], check=True)
    return built


@pytest.mark.parametrize("tool", ["bt", "d"])
def test_odd_paths_are_named_or_left_out_with_the_reason(tmp_path, tool):
    tracers.require_root()
    libraries = odd_libraries(tmp_path)
    loaded = [word for place, routine in libraries.values() for word in (str(place), routine)]
    loaded += [word for place, routine in libraries.values() for word in (str(place.with_name("other.so")), "none")]
    command = [sys.executable, "-c", ODD_CALLER.replace("zip(libraries,", "zip(libraries[:11],"), *loaded]
    assert len(libraries) == 11
    with tracers.waiting(command) as program:
        done = printed(f"trace_accelerate_calls.{tool}", "--pid", str(program.pid))
        assert done.returncode == 0, done.stderr
        path = tmp_path / f"script.{tool}"
        path.write_text(done.stdout)
        report = finish(bpftrace(path, program) if tool == "bt" else dtrace(path, program.pid), program)
    assert not list(tmp_path.rglob("broken"))
    assert not Path("broken").exists()
    code = done.stdout.split("\n */\n")[-1]
    for number, (odd, (place, routine)) in enumerate(libraries.items()):
        refused = ODD_NAMES[odd][tool == "d"]
        if refused:
            [note] = [note for note in done.stderr.split("note: ") if place.name in note]
            assert refused in note
            assert routine not in code
        elif tool == "bt":
            assert calls_of(report, f"time_ns[{routine}]") == number + 1, odd
        else:
            assert row(report, routine)[0] == number + 1, odd


# ---- DTrace ----


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


@pytest.mark.parametrize("how", ENDS)
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


@pytest.mark.parametrize("name", NAMES)
def test_every_d_script_compiles_and_needs_its_process(name):
    compiled = [tracers.dtrace(), "-e", "-s", str(SCRIPTS / f"{name}.d")]
    alone = subprocess.run(compiled, capture_output=True, text=True, check=False)
    if name not in ("profile_stacks", "scale_phases"):
        assert alone.returncode != 0, "without -p or -c it is refused, as its manual says"
    with tracers.waiting([sys.executable, "-c", IDLE]) as program:
        attached = subprocess.run([*compiled, "-p", str(program.pid)], capture_output=True, text=True, check=False)
    assert attached.returncode == 0, attached.stderr
