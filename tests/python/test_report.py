"""The page that people pass around, of real runs and in a real browser; and the Markdown beside it."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

selenium = pytest.importorskip("selenium", reason="no selenium here: pip install -r requirements-dev.txt")

import browsers  # noqa: E402  the skip above comes first
import npm  # noqa: E402
from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))
AXE = "4.14.1"
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
MOST_BYTES = 3_000_000
HOSTILE = "<script>alert(1)</script>|`x`'\""
WIDTHS = [1280, 400]
SCHEMES = ["light", "dark"]


def run(*arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    command = [COMMAND, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == expected, done.stdout + done.stderr
    return done


def documents(directory: Path) -> list[str]:
    """Options for a new, short run with both documents."""
    written = ["--html", str(directory / "page.html"), "--md", str(directory / "page.md")]
    return ["--time", "1", "--python", sys.executable, *written]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a real run of NumPy and Raptors at two sizes, saved, with its documents."""
    directory = tmp_path_factory.mktemp("report")
    save = ["--save", str(directory / "run.rtrace")]
    done = run("compare", "--size", "256,512", *save, *documents(directory))
    (directory / "stdout").write_text(done.stdout)
    return directory


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of statements and names that are markup."""
    directory = tmp_path_factory.mktemp("hostile")
    statement = f"a * 2.5 if {HOSTILE!r} else None"
    sides = ["--a", statement, "--b", statement, "--name-a", HOSTILE, "--name-b", f"{HOSTILE} b"]
    run("compare", "--setup", "a = rng.random(shape, dtype=dtype)", "--size", "64", *sides, *documents(directory))
    return directory


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """One browser for all tests."""
    with browsers.started() as chrome:
        yield chrome


def opened(browser: webdriver.Chrome, directory: Path, width: int = 1280, scheme: str = "light") -> None:
    """Open the page in a window of this width, with all that it logs still to be read."""
    browser.get("about:blank")
    browser.get_log("browser")  # type: ignore[no-untyped-call]
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get((directory / "page.html").as_uri())


def assert_no_errors(browser: webdriver.Chrome) -> None:
    """No script failed and nothing was refused, in the page and in its frames."""
    entries: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in entries if entry["level"] == "SEVERE"] == []


def column(browser: webdriver.Chrome, name: str) -> tuple[int, list[str]]:
    """The place of a column of the calls by its head, and what stands in its visible rows."""
    heads = [head.text for head in browser.find_elements(By.CSS_SELECTOR, "table.sortable th button")]
    index = heads.index(name)
    script = """return [...document.querySelectorAll("table.sortable tbody tr")].filter((row) => !row.hidden)
        .map((row) => row.cells[arguments[0]].dataset.sort ?? row.cells[arguments[0]].textContent)"""
    return index, browser.execute_script(script, index)


def test_the_terminal_shows_the_same_as_ever(report: Path) -> None:
    text = (report / "stdout").read_text()
    assert "raptors" in text
    assert "round trip" in text
    html = (report / "page.html").read_text()
    assert len(html.encode()) < MOST_BYTES
    cases = json.loads(run("show", str(report / "run.rtrace"), "--json").stdout)["cases"]
    assert html.count("<details") == len(cases) + 2, "phases of each case, and pictures of each size"


def test_every_case_is_timed_and_only_the_operation_is_sampled(report: Path) -> None:
    shown = json.loads(run("show", str(report / "run.rtrace"), "--json").stdout)
    names = {(case["name"], case["results"]) for case in shown["cases"]}
    assert {("operation", "dropped"), ("round trip", "dropped")} <= names
    peak = shown["machine"]["peak_gflop_s"]
    for dtype in ("float32", "float64"):
        assert peak[dtype]["1"] > 0
    assert peak["float32"]["1"] > peak["float64"]["1"], "twice as many of half the size"


def test_a_saved_run_gives_the_same_page(report: Path, tmp_path: Path) -> None:
    page, text = tmp_path / "again.html", tmp_path / "again.md"
    done = run("show", str(report / "run.rtrace"), "--html", str(page), "--md", str(text))
    assert done.stdout
    assert page.read_text() == (report / "page.html").read_text()
    assert text.read_text() == (report / "page.md").read_text()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_shows_something_and_logs_no_error(
    browser: webdriver.Chrome, report: Path, width: int, scheme: str
) -> None:
    opened(browser, report, width, scheme)
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(overflow) <= 0, f"the page is wider than {width} pixels"
    picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    data = base64.b64decode(picture["data"])
    place = os.environ.get("SCREENSHOTS")
    if place:
        (Path(place) / f"report-{width}-{scheme}.png").write_bytes(data)
    assert len(data) > 30_000, "the page is all but empty"
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 384) == (scheme == "dark")
    # Which of the two drawings is shown, and that its letters are as large as the page's at that width.
    sizes = browser.execute_script(
        """return [...document.querySelectorAll(".chart svg")].filter((svg) => svg.checkVisibility())
        .map((svg) => 14 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""
    )
    assert sizes
    assert min(sizes) >= 11, sizes
    ink = """return [".chart text", ".chart [stroke='#0072B2'], .chart [stroke='#C04F00'], .chart [stroke='#5A606B']"]
        .map((selector) => getComputedStyle(document.querySelector(selector)))
        .map((style, index) => index ? style.stroke : style.fill)"""
    text, line = browser.execute_script(ink)
    assert text != ground
    assert line != ground
    assert_no_errors(browser)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("which", ["report", "hostile"])
def test_contrast_and_labels_pass_axe(
    browser: webdriver.Chrome, request: pytest.FixtureRequest, which: str, width: int, scheme: str
) -> None:
    axe = npm.package("axe-core", AXE, AXE_SHA512) / "axe.min.js"
    opened(browser, request.getfixturevalue(which), width, scheme)
    browser.execute_script("for (const details of document.querySelectorAll('details')) details.open = true")
    browser.execute_script(axe.read_text())
    script = """const done = arguments[arguments.length - 1];
        axe.run(document, {iframes: false}).then((found) => done(found), (error) => done({error: String(error)}))"""
    browser.set_script_timeout(60)
    found = browser.execute_async_script(script)
    assert "error" not in found, found
    assert len(found["passes"]) > 15, "axe has looked at next to nothing"
    wrong = {one["id"]: [node["html"][:200] for node in one["nodes"]] for one in found["violations"]}
    assert wrong == {}


def test_a_click_and_the_keyboard_sort_the_calls(browser: webdriver.Chrome, report: Path) -> None:
    opened(browser, report)
    index, before = column(browser, "time per operation")
    assert len(before) >= 6
    button = browser.find_elements(By.CSS_SELECTOR, "table.sortable th button")[index]
    head = button.find_element(By.XPATH, "..")
    browser.execute_script("arguments[0].scrollIntoView()", button)
    button.click()
    ordered = sorted(before, key=float)
    assert column(browser, "time per operation")[1] == ordered != before
    assert head.get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.ENTER)
    assert column(browser, "time per operation")[1] == ordered[::-1]
    assert head.get_attribute("aria-sort") == "descending"
    other = browser.find_elements(By.CSS_SELECTOR, "table.sortable th button")[2]
    other.send_keys(Keys.SPACE)
    names = column(browser, "call")[1]
    assert names == sorted(names)
    assert head.get_attribute("aria-sort") is None, "two columns cannot both be what the rows are sorted by"
    assert_no_errors(browser)


def test_the_filter_leaves_what_has_every_word(browser: webdriver.Chrome, report: Path) -> None:
    opened(browser, report)
    every = column(browser, "call")[1]
    field = browser.find_element(By.ID, "filter")
    field.send_keys("Raptors SCALE")
    shown = column(browser, "call")[1]
    assert shown == [name for name in every if "raptors scale" in name]
    assert 0 < len(shown) < len(every)
    assert browser.find_element(By.CSS_SELECTOR, "output").text == f"{len(shown)} of {len(every)}"
    field.send_keys(" nothing-has-this")
    assert column(browser, "call")[1] == []
    field.clear()
    field.send_keys(Keys.SPACE)
    assert column(browser, "call")[1] == every
    assert_no_errors(browser)


def test_the_focus_can_be_seen(browser: webdriver.Chrome, report: Path) -> None:
    opened(browser, report)
    for selector in ("nav a", "summary", "table.sortable th button", "#filter", ".scroll"):
        element = browser.find_element(By.CSS_SELECTOR, selector)
        script = "arguments[0].focus({focusVisible: true}); const style = getComputedStyle(arguments[0]);"
        style = browser.execute_script(
            script + "return [document.activeElement === arguments[0], style.outlineStyle, style.outlineWidth]", element
        )
        assert style == [True, "solid", "3px"], selector


def test_what_is_printed_is_opened(browser: webdriver.Chrome, report: Path) -> None:
    opened(browser, report)
    closed = "return document.querySelectorAll('details:not([open])').length"
    before = browser.execute_script(closed)
    assert before > 0
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(closed) == 0
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(closed) == before
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert len(base64.b64decode(printed["data"])) > 20_000


def test_flamegraphs_work_in_frames_that_reach_nothing(browser: webdriver.Chrome, report: Path) -> None:
    opened(browser, report)
    browser.execute_script("for (const details of document.querySelectorAll('details')) details.open = true")
    frames = browser.find_elements(By.CSS_SELECTOR, "#flamegraphs iframe")
    assert len(frames) == 2 * 3
    titles = {frame.get_attribute("title") for frame in frames}
    assert len(titles) == len(frames), "each says what it is"
    assert {frame.get_attribute("sandbox") for frame in frames} == {"allow-scripts allow-modals"}
    browser.execute_script("arguments[0].scrollIntoView()", frames[0])
    browser.switch_to.frame(frames[0])
    ready = "return document.readyState == 'complete' && document.querySelector('#frames g') !== null"
    WebDriverWait(browser, 20).until(lambda browser: browser.execute_script(ready))
    kernel = next(
        group
        for group in browser.find_elements(By.CSS_SELECTOR, "#frames g")
        if "kernel" in browser.execute_script("return arguments[0].querySelector('title').textContent", group)
    ).find_element(By.TAG_NAME, "rect")
    # By the attribute: a frame that is not in sight may not be laid out yet.
    before = float(str(kernel.get_attribute("width")).rstrip("%"))
    browser.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", kernel)
    assert float(str(kernel.get_attribute("width")).rstrip("%")) > before, "a click enlarges"
    with pytest.raises(WebDriverException, match="Blocked a frame"):
        browser.execute_script("return parent.document.title")
    browser.switch_to.default_content()
    assert_no_errors(browser)


def test_nothing_is_loaded_from_anywhere(browser: webdriver.Chrome, report: Path) -> None:
    html = (report / "page.html").read_text()
    # Also in the documents of the frames, which are attributes. Comments of a script may name its authors' pages.
    quote = r"(?:&quot;|[\"'])?"
    assert not re.search(rf"\b(?:src|href|action|data|poster|srcset)={quote}\s*(?:https?:)?//", html)
    assert not re.search(r"@import|url\((?!#)", html)
    opened(browser, report)
    loaded = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert browser.execute_script(loaded) == []


def test_names_and_statements_stay_text(browser: webdriver.Chrome, hostile: Path) -> None:
    html = (hostile / "page.html").read_text()
    assert "<script>alert" not in html
    opened(browser, hostile)
    assert HOSTILE in browser.find_element(By.TAG_NAME, "h1").text or "no difference" in html
    assert HOSTILE in browser.find_element(By.CSS_SELECTOR, ".sides").text
    assert browser.execute_script("return document.querySelectorAll('main script').length") == 0
    command = browser.find_element(By.CSS_SELECTOR, "#repeat pre").text
    words = subprocess.run(["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    assert HOSTILE in words.stdout.splitlines(), "a shell takes the command as it was given"
    assert_no_errors(browser)
    markdown = (hostile / "page.md").read_text()
    prose = re.sub(r"(?ms)^(`{3,})sh$.*?^\1$", "", markdown)
    prose = re.sub(r"(?<!\\)(`+) .*? \1(?!`)", "", prose)
    assert not re.search(r"(?<!\\)<script", prose)
    rows = [line for line in markdown.splitlines() if line.startswith("| case")]
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 7, "a bar in a name opens no cell"


def test_markdown_has_the_verdict_the_figures_and_the_command(report: Path) -> None:
    markdown = (report / "page.md").read_text()
    for text in ("### raptors-trace: numpy", "| case | numpy | raptors |", "| kernel |", "#### Causes", "```sh"):
        assert text in markdown
    assert "\x1b" not in markdown


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    for option in ("--html", "--md"):
        done = run("compare", option, str(tmp_path / "no" / "page"), expected=1)
        assert "cannot be written" in done.stderr
        assert f"with {option}" in done.stderr
        assert done.stdout == ""
    same = str(tmp_path / "page")
    assert "same file" in run("compare", "--html", same, "--md", same, expected=2).stderr
    assert list(tmp_path.iterdir()) == []
