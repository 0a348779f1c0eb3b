"""What `export` writes, read by others: speedscope's own importers and Python's csv; and how the trace is built."""

import csv
import functools
import http.server
import json
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

selenium = pytest.importorskip("selenium", reason="no selenium here: pip install -r requirements-dev.txt")

import browsers  # noqa: E402  the skip above comes first
import npm  # noqa: E402
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
SPEEDSCOPE_SHA512 = "cpf9HWTZf1ijLXBJrk87Ve/54tnYx6rlf0gUThvn3ook6h63hLXVOQiMf44PT+XoV503cPfvfiT5gP5vojp6Ag=="
# So many events take speedscope a second or two; all of a run, a minute.
EVENTS_SHOWN = 20_000
FORMATS = ("json", "csv", "chrome", "folded", "pprof", "speedscope", "firefox")

Event = dict[str, Any]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of NumPy and Raptors at 512², in every format."""
    directory = tmp_path_factory.mktemp("exports")
    run = directory / "run.rtrace"
    times = ["--size", "512", "--time", "0.3", "--sample-time", "1"]
    pictures = ["-o", str(directory / "pictures"), "--save", str(run), "--python", sys.executable]
    subprocess.run([COMMAND, "flamegraph", *pictures, *times], check=True, capture_output=True, timeout=120)
    for form in FORMATS:
        command = [COMMAND, "export", str(run), "--format", form, "-o", str(directory / f"run.{form}")]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    return directory


def trace(exports: Path) -> list[Event]:
    """The events of the time line."""
    events: list[Event] = json.loads((exports / "run.chrome").read_text())["traceEvents"]
    return events


def test_csv_and_json_hold_the_same_calls(exports: Path) -> None:
    rows = json.loads((exports / "run.json").read_text())
    with (exports / "run.csv").open(newline="") as text:
        lines = list(csv.DictReader(text))
    assert len(lines) == len(rows) > 100
    for row, line in zip(rows, lines, strict=True):
        assert list(line) == sorted(row, key=list(line).index)
        assert line["name"] == row["name"]
        assert line["case"] == ("" if row["purpose"] == "control" else "1") == str(row["case"] or "")
        assert float(line["duration_ns"]) == row["duration_ns"]
        assert [int(stride) for stride in line["strides"].split()] == (row["strides"] or [])
    assert {(row["side_name"], row["name"]) for row in rows if row["purpose"] == "observed"} == {
        ("numpy", "np.multiply[ff->f]"),
        ("raptors", "raptors scale"),
    }


def test_the_time_line_has_the_trace_event_format(exports: Path) -> None:
    events = trace(exports)
    assert {event["ph"] for event in events} == {"M", "X"}
    named = {(event["name"], event["pid"]): event["args"]["name"] for event in events if event["ph"] == "M"}
    assert (named["process_name", 1], named["process_name", 2]) == ("numpy", "raptors")
    threads = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    complete = [event for event in events if event["ph"] == "X"]
    assert {(event["pid"], event["tid"]) for event in complete} == threads
    for event in complete:
        assert isinstance(event["name"], str)
        assert isinstance(event["cat"], str)
        assert type(event["pid"]) is type(event["tid"]) is int
        assert isinstance(event["ts"], float), event
        assert isinstance(event["dur"], float), event
        assert min(event["ts"], event["dur"]) >= 0, event
    calls = [event for event in complete if event["cat"] == "loop" and event["args"]["purpose"] == "observed"]
    assert calls
    for call in calls:
        assert call["name"].startswith("np.multiply[ff->f]")
        args = call["args"]
        assert (args["case"], args["n"], args["strides"], args["depth"]) == (1, 512 * 512, [4, 0, 4], 0)


def test_the_events_of_a_thread_nest(exports: Path) -> None:
    """Viewers draw an event that outlasts the one it began in at a wrong depth, or leave it out."""
    by_thread: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in trace(exports):
        if event["ph"] == "X":
            by_thread[event["pid"], event["tid"]].append(event)
    deepest = 0
    for events in by_thread.values():
        inside: list[tuple[float, str]] = []
        for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
            begin, end = event["ts"], event["ts"] + event["dur"]
            while inside and inside[-1][0] <= begin:
                inside.pop()
            # Of floating point, a picosecond.
            assert not inside or end <= inside[-1][0] + 1e-6, (event, inside[-1])
            inside.append((end, event["name"]))
            deepest = max(deepest, len(inside))
    # A call in a round, and the kernel's loop in its call.
    assert deepest >= 3


@pytest.fixture(scope="module")
def speedscope() -> Iterator[str]:
    """The address of speedscope, served here from the package that npm fetches once."""
    release = npm.package("speedscope", "1.25.0", SPEEDSCOPE_SHA512) / "dist" / "release"
    serve = functools.partial(Quiet, directory=str(release))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        """Nobody reads it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """One browser for all files."""
    with browsers.started() as chrome:
        yield chrome


def shortened(exports: Path) -> Path:
    """The beginning of the time line: rounds are its first events, calls follow."""
    path = exports / "short.chrome"
    path.write_text(json.dumps({"traceEvents": trace(exports)[:EVENTS_SHOWN]}))
    return path


def test_speedscope_reads_what_is_exported(exports: Path, speedscope: str, browser: webdriver.Chrome) -> None:
    """One browser for all of them: a frame that has to be there is in the table, and nothing is an error."""
    files = {
        exports / "run.speedscope": ("speedscope json file", "FLOAT_multiply"),
        exports / "run.folded": ("collapsed stack format", "FLOAT_multiply"),
        exports / "run.pprof": ("pprof file", "FLOAT_multiply"),
        shortened(exports): ("Trace Event Format", "np.multiply[ff->f]"),
    }
    for path, (importer, frame) in files.items():
        browser.get(speedscope)
        wait = WebDriverWait(browser, 60)
        field = wait.until(lambda browser: browser.find_element(By.CSS_SELECTOR, "input[type=file]"))
        field.send_keys(str(path))

        def text(browser: webdriver.Chrome) -> str:
            return browser.find_element(By.TAG_NAME, "body").text

        wait.until(lambda browser: "Sandwich" in text(browser) or "wrong" in text(browser))
        tab = browser.find_element(By.XPATH, "//*[text()='Sandwich']")
        browser.execute_script("arguments[0].click()", tab)
        wait.until(lambda browser: "Symbol Name" in text(browser))
        assert frame in text(browser), f"{path.name}: {text(browser)[:2000]}"
        entries: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
        assert any(importer in entry["message"] for entry in entries), (path.name, entries)
        assert [entry for entry in entries if entry["level"] == "SEVERE"] == []
