"""The command compares for real: a real NumPy, real statements, and the table's figures from the run file."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "compare.schema.json"
SETUP = "a = rng.random(shape, dtype=dtype)"
# Linux: PR_SET_THP_DISABLE. A huge page is one fault where 512 are expected, and whether there is one is luck.
SMALL_PAGES = "import ctypes, sys\nsys.platform == 'linux' and ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)"


def compare(*arguments: str, expected: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    command = [COMMAND, "compare", "--time", "0.3", "--python", sys.executable, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment}
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def compared(*arguments: str, **environment: str) -> dict[str, Any]:
    """Run the command and return its JSON."""
    return json.loads(compare("--json", *arguments, **environment).stdout)


def shown(*arguments: str, **environment: str) -> str:
    """Run the command on a saved run and return what it prints."""
    done = subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def has_calls(recording: Path) -> bool:
    """Whether a run file holds timed and observed rounds of both sides by now."""
    show = subprocess.run([COMMAND, "show", "--json", str(recording)], capture_output=True, check=False)
    return show.returncode == 0 and all(side["calls"] for side in json.loads(show.stdout)["cases"][0]["sides"].values())


@contextlib.contextmanager
def long_run(path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run that would take a minute, once its file holds calls of both sides; and that file.

    A run file can be read while it is written, so that ``show`` tells, and nobody has to guess how long that takes.
    """
    command = [COMMAND, "compare", "--size", "64,1024", "--time", "20", "--save", str(path), "--python", sys.executable]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as run:
        try:
            recording = path.with_name(f".{path.name}.partial-{run.pid}")
            while not has_calls(recording):
                assert run.poll() is None, run.communicate()
                time.sleep(0.1)
            yield run, recording
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The main job at a small size, saved."""
    path = tmp_path_factory.mktemp("main-job") / "run.rtrace"
    return compared("--size", "64", "--save", str(path)), path


def test_real_output_keeps_what_json_promises(main_job: tuple[dict[str, Any], Path]) -> None:
    jsonschema.validate(main_job[0], json.loads(SCHEMA.read_text()))


def test_the_main_job_proves_that_multiply_calls_no_blas(main_job: tuple[dict[str, Any], Path]) -> None:
    comparison, _ = main_job
    control = comparison["controls"][0]
    assert control["ok"]
    assert control["seen"] == control["expected"] > 0
    assert {case["name"] for case in comparison["cases"]} == {"operation", "round trip"}
    for case in comparison["cases"]:
        a, b = case["sides"]["a"], case["sides"]["b"]
        assert a["blas_calls_per_op"] == b["blas_calls_per_op"] == 0
        [loop] = [call for call in a["calls"] if call["name"] == "np.multiply[ff->f]"]
        assert loop["calls_per_op"] == 1
        assert loop["n"] == {"4096": 1.0}
        assert loop["strides"] == [4, 0, 4]
        assert loop["scalar"] == 2.5
        [backend] = [call for call in b["calls"] if call["kind"] == "backend"]
        assert backend["calls_per_op"] == 1
        assert b["dispatch_reason"]
        assert a["bytes_per_op"] == b["bytes_per_op"] == 2 * 4096 * 4


def test_phases_and_residual_sum_to_the_wall_time(main_job: tuple[dict[str, Any], Path]) -> None:
    for case in main_job[0]["cases"]:
        for side in case["sides"].values():
            phases = [ns for ns in side["phases_ns"].values() if ns is not None]
            assert sum(phases) == pytest.approx(side["wall_ns"]["median"])


def test_what_is_measured_is_told(main_job: tuple[dict[str, Any], Path]) -> None:
    comparison, _ = main_job
    assert {"1", "all"} <= comparison["machine"]["limit_gb_s"].keys()
    assert all(limit > 0 for limit in comparison["machine"]["limit_gb_s"].values())
    software = comparison["software"]
    assert software["allocator"]
    [numpys] = [blas for blas in software["blas"] if blas["linked_by"].startswith("_multiarray_umath")]
    assert numpys["threads"] >= 1
    assert comparison["observer_cost"]["ns_per_call"] is not None
    for case in comparison["cases"]:
        assert case["rounds"]["count"] >= case["rounds"]["observed"] > 0
        for side in case["sides"].values():
            phases = side["phases_ns"]
            assert phases["dispatch"] > 0
            assert phases["kernel"] > 0
            assert phases["allocation"] is not None
            assert side["faults_per_op"] is not None
            assert side["threads"] >= 1
            assert side["cpu_ns_per_op"] > 0
            assert side["gb_s"] > 0
            # 32 KiB are touched, which is all of the first-level cache of some processors.
            fits = comparison["machine"]["l1d"] is None or side["bytes_per_op"] <= comparison["machine"]["l1d"]
            assert side["memory_level"] == ("L1" if fits else "L2")


def test_only_the_round_trip_of_raptors_converts(main_job: tuple[dict[str, Any], Path]) -> None:
    for case in main_job[0]["cases"]:
        converting = {name for name, side in case["sides"].items() if side["phases_ns"]["conversion"] > 0}
        assert converting == ({"b"} if case["name"] == "round trip" else set())


def test_the_reason_of_the_kernels_choice_is_told(main_job: tuple[dict[str, Any], Path]) -> None:
    for case in main_job[0]["cases"]:
        assert "automatic: the widest vectors of this CPU" in case["sides"]["b"]["dispatch_reason"]


@pytest.mark.parametrize(("threads", "backend"), [("1", "simd"), ("2", "parallel")])
def test_the_threads_of_the_kernel_are_those_asked_for(threads: str, backend: str) -> None:
    setup = f"import os; assert os.environ['RAPTORS_THREADS'] == '{threads}'\n{SETUP}\nr = kernel.from_numpy(a)"
    statements = ("--setup", setup, "--a", "a * 2.5", "--b", "r.scale(2.5)")
    for case in compared(*statements, "--size", "256", "--threads", threads)["cases"]:
        raptors = case["sides"]["b"]
        assert {call["symbol"] for call in raptors["calls"] if call["kind"] == "backend"} == {backend}
        assert (raptors["phases_ns"]["sync"] > 0) == (backend == "parallel")


def test_a_side_that_works_more_is_slower() -> None:
    # So many times that no other load of the machine makes up for it.
    more = f"a * 2.5{' * 1.0' * 15}"
    [case] = compared("--setup", SETUP, "--size", "256", "--a", "a * 2.5", "--b", more)["cases"][:1]
    assert case["ratio"]["verdict"] == "a faster"
    assert case["ratio"]["ci95"][1] < 1
    counts = [
        sum(call["calls_per_op"] for call in case["sides"][side]["calls"] if call["name"] == "np.multiply[ff->f]")
        for side in "ab"
    ]
    assert counts == [1, 16]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told by the environment to map every result anew")
def test_results_in_fresh_pages_tell_their_faults() -> None:
    # Left to itself glibc takes blocks from its heap again, with no fault, where nothing lies above them: that is luck.
    setup = f"{SMALL_PAGES}\n{SETUP}\nr = kernel.from_numpy(a)"
    statements = ("--setup", setup, "--a", "a * 2.5", "--b", "r.scale(2.5)", "--size", "1024")
    # And Raptors keeps a dropped result's memory for the next, unless it is told to take what malloc gives.
    variables = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "RAPTORS_ALLOC": "plain"}
    for case in compared(*statements, **variables)["cases"]:
        for side in case["sides"].values():
            # 4 MiB: 1024 pages of 4 KiB, 256 of 16 KiB.
            assert side["faults_per_op"] > 100
            assert side["phases_ns"]["page_fault"] > 0


def test_results_that_are_kept_are_a_case_where_keeping_them_faults() -> None:
    setup = f"{SMALL_PAGES}\n{SETUP}\nr = kernel.from_numpy(a)"
    cases = compared("--setup", setup, "--a", "a * 2.5", "--b", "r.scale(2.5)", "--size", "1024")["cases"]
    assert [case["results"] for case in cases] in (["dropped"], ["dropped", "kept"])
    for kept in cases[1:]:
        assert any(side["faults_per_op"] > 100 for side in kept["sides"].values())


def test_every_dtype_and_size_is_a_case() -> None:
    cases = compared("--dtype", "float64", "--size", "32,48")["cases"]
    operations = [case for case in cases if (case["name"], case["results"]) == ("operation", "dropped")]
    assert [case["shape"] for case in operations] == [[32, 32], [48, 48]]
    for case in cases:
        assert case["dtype"] == "float64"
        elements = case["shape"][0] ** 2
        [loop] = [call for call in case["sides"]["a"]["calls"] if call["kind"] == "loop"]
        assert loop["name"] == "np.multiply[dd->d]"
        assert loop["strides"] == [8, 0, 8]
        assert loop["n"] == {str(elements): 1.0}
        assert case["sides"]["b"]["bytes_per_op"] == 2 * elements * 8


def test_a_saved_run_shows_the_part_that_is_asked_for(main_job: tuple[dict[str, Any], Path]) -> None:
    path = str(main_job[1])
    phases, calls = shown("phases", path), shown("calls", path)
    assert "residual" in phases
    assert "calls per operation" not in phases
    assert "calls per operation" in calls
    assert "residual" not in calls


def test_colour_is_for_terminals_and_those_who_ask(main_job: tuple[dict[str, Any], Path]) -> None:
    show = ("show", str(main_job[1]))
    assert "\x1b" in shown(*show, CLICOLOR_FORCE="1", NO_COLOR="")
    assert "\x1b" not in shown(*show, CLICOLOR_FORCE="1", NO_COLOR="1")
    assert "\x1b" not in shown(*show, "--no-color", CLICOLOR_FORCE="1", NO_COLOR="")
    assert "\x1b" not in shown(*show, CLICOLOR_FORCE="", NO_COLOR=""), "standard output is a pipe here"


def test_names_are_shown_as_they_were_given() -> None:
    done = compare("--setup", "a = 1", "--a", "a", "--b", "a", "--name-a", "<script>", "--name-b", "x\x1b[2J")
    assert "<script>" in done.stdout
    assert "x\\x1b[2J" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_a_saved_run_shows_the_same(main_job: tuple[dict[str, Any], Path]) -> None:
    comparison, path = main_job
    assert json.loads(shown("show", "--json", str(path)))["cases"] == comparison["cases"]
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name]


def test_a_truncated_run_names_the_loss_and_shows_the_rest(
    main_job: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    whole = main_job[1].read_bytes()
    path = tmp_path / "cut.rtrace"
    path.write_bytes(whole[: len(whole) * 3 // 4])
    refused = subprocess.run([COMMAND, "show", str(path)], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "is truncated at offset" in refused.stderr
    assert "--lossy" in refused.stderr
    rest = json.loads(shown("show", "--lossy", "--json", str(path)))
    assert rest["cases"]
    assert any("is truncated at offset" in warning for warning in rest["warnings"])


def test_blas_calls_are_counted_once_although_a_loop_makes_them() -> None:
    comparison = compared("--setup", SETUP, "--a", "a @ a", "--b", "np.dot(a, a)", "--size", "32")
    for case in comparison["cases"]:
        for side in case["sides"].values():
            assert side["blas_calls_per_op"] == 1
            assert any(call["name"] == "cblas_sgemm" for call in side["calls"])
            # Both operands are read and the result is written: by a generalised ufunc here, by a routine there.
            assert side["bytes_per_op"] == 3 * 32 * 32 * 4


def test_statements_in_place_alternate_and_stay_equal() -> None:
    comparison = compared("--in-place", "--size", "32")
    [case] = comparison["cases"]
    assert case["in_place"]
    [loop] = case["sides"]["a"]["calls"]
    assert loop["aliasing"] == "in place"
    assert loop["scalar"] == "varies"


def test_a_statement_that_raises_shows_its_traceback() -> None:
    done = compare("--setup", "a = 1", "--a", "a", "--b", "a / 0", expected=1)
    assert "the statement of side B raised ZeroDivisionError" in done.stderr
    assert "a / 0" in done.stderr
    assert "_driver.py" not in done.stderr


def test_different_values_are_an_error_that_shows_the_first() -> None:
    statements = ("--setup", "a = np.arange(5.0)", "--a", "a * 2", "--b", "a * 3")
    done = compare(*statements, expected=1)
    assert "element [1] is np.float64(2.0) on side A and np.float64(3.0) on side B; 4 of 5 differ" in done.stderr
    allowed = compared(*statements, "--allow-different")
    assert any("allowed by --allow-different" in warning for warning in allowed["warnings"])


def test_what_statements_print_does_not_disturb_the_output() -> None:
    comparison = compared("--setup", "a = 1; print('<script>')", "--a", "a", "--b", "a")
    assert comparison["cases"]


def test_a_killed_driver_is_told_and_leaves_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "run.rtrace"
    # The statement kills its own process the thousandth time it is run.
    setup = "import itertools, os; count = itertools.count(); a = 1"
    statement = "next(count) < 1000 or os.kill(os.getpid(), 9)"
    arguments = ("--setup", setup, "--a", statement, "--b", "True", "--save", str(path))
    done = compare(*arguments, expected=1)
    assert "signal: 9" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_driver_that_is_killed_late_leaves_what_it_had_measured(tmp_path: Path) -> None:
    path = tmp_path / "run.rtrace"
    with long_run(path) as (run, recording):
        with recording.open("rb") as file:
            driver = int.from_bytes(file.read(28)[24:], "little")
        os.kill(driver, signal.SIGKILL)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 1
    assert out == ""
    assert "signal: 9" in err
    assert f"help: what was measured until then is kept: raptors-trace show {path}" in err
    assert list(tmp_path.iterdir()) == [path]
    kept = json.loads(shown("show", "--json", str(path)))
    assert not kept["complete"]
    assert kept["cases"][0]["rounds"]["count"] > 0
    assert sum("cut short" in warning for warning in kept["warnings"]) == 1


def test_an_interrupted_run_shows_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "run.rtrace"
    with long_run(path) as (run, _):
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 1, out + err
    assert (out + err).count("cut short: ") == 1
    assert "np.multiply[ff->f]" in out
    assert "the recording was not finished" not in out, "the driver ends it before it goes"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == [path]
