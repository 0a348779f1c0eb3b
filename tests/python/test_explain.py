"""`raptors-trace explain`: a planted cause is named, the parts sum to the gap, and what cannot be tried is said."""

import json
import signal
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("raptors-trace")
ARRAY = "a = rng.random(shape, dtype=dtype)"
# A side that makes forty copies beside its product. Memory costs this everywhere, whatever the processor is.
COPYING = f"{ARRAY}\ndef copying(x):\n    for _ in range(40):\n        y = x.copy()\n    return x * 2.5"
COPIES = "hidden copies and extra passes"
SIDES = ("--setup", COPYING, "--a", "a * 2.5", "--b", "copying(a)")
SIZE = ("--size", "256", "--quiet")
# Enough where the processors are idle; a busy machine makes fewer rounds in a second and leaves causes undecided.
SECONDS = (5, 15, 45)


def explain(*arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [str(COMMAND), "explain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)


def explained(*arguments: str) -> dict[str, Any]:
    """Run it and read what it printed as JSON, which its schema describes."""
    done = explain(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads((REPOSITORY / "docs" / "compare.schema.json").read_text()))
    return dict(document)


def found(document: dict[str, Any], cause: str) -> dict[str, Any]:
    """Return what was found of one cause; nothing where there was no gap."""
    return next((finding for finding in document["findings"] if finding["cause"] == cause), {})


def explained_until(enough: Callable[[dict[str, Any]], bool], *arguments: str) -> dict[str, Any]:
    """Explain, with more time where this one did not suffice."""
    for seconds in SECONDS:
        document = explained(*arguments, *SIZE, "--time", str(seconds))
        if enough(document):
            return document
    raise AssertionError(f"{SECONDS[-1]} s were not enough: {document}")


def decided(cause: str, *arguments: str) -> dict[str, Any]:
    """Explain until this cause is supported or refuted."""
    return explained_until(lambda document: is_decided(document, cause), *arguments)


def is_decided(document: dict[str, Any], cause: str) -> bool:
    return found(document, cause).get("verdict", "undecided") != "undecided"


def gapped(*arguments: str) -> dict[str, Any]:
    """Explain until the gap is seen."""
    return explained_until(lambda document: bool(document["explained"][0]["gap"]), *arguments)


def is_whole(document: dict[str, Any]) -> bool:
    """Whether the planted cause is decided and every size was looked at."""
    return is_decided(document, COPIES) and len(document["explained"][0]["sizes"]) == 5


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """An explanation of a side that takes many times as long, and its run file."""
    file = tmp_path_factory.mktemp("explain") / "run.rtrace"
    return explained_until(is_whole, *SIDES, "--save", str(file)), file


def test_a_planted_cause_is_named_first_with_its_fix(planted: tuple[dict[str, Any], Path]) -> None:
    first = planted[0]["findings"][0]
    assert (first["cause"], first["verdict"]) == (COPIES, "supported")
    assert first["evidence"][0].startswith("with copies left out (")
    assert "B: `x.copy()`" in first["evidence"][0]
    assert first["fix"]
    assert first["effect_ns_ci95"][0] > 0


def test_denormals_are_named_where_the_processor_is_slow_with_them() -> None:
    ordinary, tiny = np.full(1 << 16, 0.5, np.float32), np.full(1 << 16, np.finfo(np.float32).tiny / 8, np.float32)
    fastest = [min(timeit.repeat(lambda x=x: x * 2.5, number=20, repeat=20)) for x in (ordinary, tiny)]
    times = fastest[1] / fastest[0]
    if times < 5:
        reason = f"this processor takes {times:.1f} times as long with denormal numbers, which is nothing to find"
        print(f"skipped: {reason}", file=sys.stderr)
        pytest.skip(reason)
    setup = f"{ARRAY}\nd = np.full(shape, np.finfo(dtype).tiny / 8, dtype)"
    document = decided("denormals", "--setup", setup, "--a", "a * 2.5", "--b", "d * 2.5", "--allow-different")
    first = document["findings"][0]
    assert (first["cause"], first["verdict"]) == ("denormals", "supported")
    assert "65536 denormal" in first["evidence"][0]
    assert first["fix"].startswith("replacing denormal numbers by zero in the data of B saves ")


def test_effects_and_residual_sum_to_the_gap(planted: tuple[dict[str, Any], Path]) -> None:
    (case,) = planted[0]["explained"]
    assert case["gap"]
    parts = [
        finding["effect_ns"]
        for finding in planted[0]["findings"]
        if finding["verdict"] == "supported" and finding["share_of_gap"] is not None
    ]
    assert sum(parts) + case["residual_ns"] == pytest.approx(case["gap_ns"])
    assert case["complete"]
    assert case["confidence"] > 0.95


def test_every_cause_has_a_verdict_or_a_reason(planted: tuple[dict[str, Any], Path]) -> None:
    document = planted[0]
    found = {finding["cause"] for finding in document["findings"]}
    reasons = {entry["cause"]: entry["why"] for entry in document["explained"][0]["not_tried"]}
    assert len(found) + len(reasons) == 18
    assert not found & set(reasons)
    assert reasons["a lock"] == "neither setup makes a lock of `threading`"
    vendor = next(finding for finding in document["findings"] if finding["cause"] == "vendor routine")
    assert vendor["verdict"] == "refuted"
    assert "3 of 3 calls of `a @ a`" in vendor["evidence"][0]


def test_both_sides_are_looked_at_at_smaller_sizes(planted: tuple[dict[str, Any], Path]) -> None:
    sizes = planted[0]["explained"][0]["sizes"]
    assert [point["shape"] for point in sizes] == [[16, 16], [32, 32], [64, 64], [128, 128], [256, 256]]
    assert all(point["a_ns"] > 0 and point["b_ns"] > 0 for point in sizes)
    text = explain(str(planted[1])).stdout
    assert "ns per element, by size" in text
    assert "\n  256 × 256 " in text
    dispatch = next(finding for finding in planted[0]["findings"] if finding["cause"] == "dispatch and binding")
    # Where a cause closer to the code has its time, a sentence that says so comes last.
    fitted = [said for said in dispatch["evidence"] if "by a straight line through the two smallest sizes" in said]
    assert len(fitted) == 1
    noise = next(finding for finding in planted[0]["findings"] if finding["cause"].startswith("frequency"))
    assert "GHz" in noise["evidence"][-1]


def test_a_pass_more_is_found_by_making_it_on_the_other_side() -> None:
    document = gapped("--setup", ARRAY, "--a", "a * 2.0", "--b", "a * 2.0 * 0.5 * 2.0 * 0.5 * 2.0")
    copies = found(document, COPIES)
    assert "4 passes more made by A as well, " in copies["evidence"][0]
    assert "passes over the data per operation: A 1, B 5" in copies["evidence"][0]
    assert copies["alone_ns"] > 0


def test_a_saved_run_shows_the_findings_again(planted: tuple[dict[str, Any], Path]) -> None:
    again = explain(str(planted[1]), "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["findings"] == planted[0]["findings"]
    text = explain(str(planted[1])).stdout
    assert "B takes " in text
    assert "the gap as a sum" in text
    assert f"{COPIES}: +" in text
    shown = subprocess.run([COMMAND, "show", planted[1]], capture_output=True, text=True, check=True)
    assert "the gap as a sum" in shown.stdout
    assert all(len(line) <= 116 for line in text.splitlines())


def test_two_sides_that_do_the_same_are_not_accused() -> None:
    document = explained("--setup", ARRAY, "--a", "a * 2.5", "--b", "a * 2.5", *SIZE, "--time", "4")
    accused = [
        finding
        for finding in document["findings"]
        if finding["verdict"] == "supported" and finding["share_of_gap"] is not None
    ]
    assert accused == []
    if not document["explained"][0]["gap"]:
        assert document["findings"] == []
        assert document["explained"][0]["experiments"] == 0


def test_a_switch_that_would_change_the_result_is_not_thrown() -> None:
    # Its copy is written to, so that leaving it out is another operation.
    body = "    y = x.copy()\n    y *= 2.5\n    for _ in range(30):\n        y *= 1.0\n    return y"
    setup = f"{ARRAY}\ndef careful(x):\n{body}"
    document = gapped("--setup", setup, "--a", "a * 2.5", "--b", "careful(a)")
    copies = found(document, COPIES)
    assert copies["verdict"] == "undecided"
    assert "passes over the data per operation: A 1, B 31" in copies["evidence"][0]
    assert "it would change the statement's result" in copies["evidence"][1]


def test_a_side_that_cannot_be_run_switched_is_told_of() -> None:
    setup = (
        f"{ARRAY}\nimport threading\nl = threading.Lock()\n"
        "def picky(x):\n    assert type(l) is type(threading.Lock()), 'no lock'\n"
        "    return np.exp(np.exp(x) * 0) * x * 2.5"
    )
    document = gapped("--setup", setup, "--a", "a * 2.5", "--b", "picky(a)", "--allow-different")
    reasons = {entry["cause"]: entry["why"] for entry in document["explained"][0]["not_tried"]}
    assert "no lock" in reasons["a lock"]


def interrupted(file: Path, seconds: float) -> str:
    """Interrupt a run so long after its comparison; what it showed of what it had."""
    command = [COMMAND, "explain", *SIDES, "--size", "256", "--time", "40", "--save", file]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # The comparison is saved once it is done; the experiments follow.
    deadline = time.monotonic() + 240
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: interrupted" in err
    return " ".join(out.split())


def test_an_interrupted_run_keeps_what_it_has(tmp_path: Path) -> None:
    for seconds in (3, 8, 16):
        file = tmp_path / f"{seconds}.rtrace"
        shown = interrupted(file, seconds)
        assert "the experiments ended early" in shown
        assert explain(str(file)).returncode == 0
        # A busy machine may not have begun with the experiments.
        if "before anything was measured" not in shown:
            break
    assert "the run ended before it" in shown


def test_a_run_that_nobody_inquired_into_says_so(tmp_path: Path) -> None:
    file = tmp_path / "run.rtrace"
    command = [COMMAND, "compare", "--size", "64", "--time", "0.1", "--quiet", "--save", file]
    subprocess.run(command, capture_output=True, check=True)
    done = explain(str(file))
    assert done.returncode == 3
    assert "only `explain` finds causes" in done.stderr
    assert "raptors-trace explain --save FILE" in done.stderr


def test_what_makes_no_sense_together_is_refused() -> None:
    for arguments in (["--seed", "--size", "64"], ["run.rtrace", "--size", "64"], ["--lossy"]):
        assert explain(*arguments).returncode == 2
