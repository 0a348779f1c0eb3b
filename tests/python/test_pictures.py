"""The pictures in a real browser: a click zooms, a search marks, the page fits, nothing is logged as an error."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

selenium = pytest.importorskip("selenium", reason="no selenium here: pip install -r requirements-dev.txt")

import browsers  # noqa: E402  the skip above comes first
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402

COMMAND = str(Path(sys.executable).with_name("raptors-trace"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real pictures of NumPy and Raptors at 512²."""
    directory = tmp_path_factory.mktemp("pictures")
    times = ["--size", "512", "--time", "0.3", "--sample-time", "3"]
    command = [COMMAND, "flamegraph", "-o", str(directory), "--python", sys.executable, *times]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return directory


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """One browser for all tests."""
    with browsers.started() as chrome:
        yield chrome


def logged(browser: webdriver.Chrome) -> list[dict[str, str]]:
    """What the browser logged since it was asked last."""
    entries: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return entries


def opened(browser: webdriver.Chrome, path: Path) -> None:
    """Open a file, with the log empty."""
    browser.get(path.as_uri())
    logged(browser)


def assert_no_errors(browser: webdriver.Chrome) -> None:
    """The page's scripts ran."""
    assert [entry for entry in logged(browser) if entry["level"] == "SEVERE"] == []


def frame_named(browser: webdriver.Chrome, text: str) -> WebElement:
    """The first frame whose tooltip holds a text."""
    for group in browser.find_elements(By.CSS_SELECTOR, "#frames g"):
        if text in browser.execute_script("return arguments[0].querySelector('title').textContent", group):
            return group.find_element(By.TAG_NAME, "rect")
    raise AssertionError(f"no frame with {text}")


def width(frame: WebElement) -> float:
    """How wide a frame is drawn, in pixels."""
    return float(frame.rect["width"])


@pytest.mark.parametrize(("name", "frame"), [("a.svg", "FLOAT_multiply"), ("b.svg", "raptors"), ("diff.svg", "kernel")])
def test_a_click_zooms_and_reset_goes_back(browser: webdriver.Chrome, pictures: Path, name: str, frame: str) -> None:
    opened(browser, pictures / name)
    target = frame_named(browser, frame)
    whole = max(width(rect) for rect in browser.find_elements(By.CSS_SELECTOR, "#frames rect"))
    before = width(target)
    browser.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", target)
    assert width(target) == pytest.approx(whole, rel=0.01)
    reset = browser.find_element(By.ID, "unzoom")
    browser.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", reset)
    assert width(target) == pytest.approx(before, rel=0.01)
    assert_no_errors(browser)


def test_a_search_marks_what_it_finds(browser: webdriver.Chrome, pictures: Path) -> None:
    opened(browser, pictures / "a.svg")
    target = frame_named(browser, "FLOAT_multiply")
    before = target.get_attribute("fill")
    # Ctrl-F asks in a dialogue.
    browser.execute_script("window.dispatchEvent(new KeyboardEvent('keydown', {keyCode: 70, ctrlKey: true}))")
    dialogue = browser.switch_to.alert
    dialogue.send_keys("FLOAT_multiply")
    dialogue.accept()
    assert target.get_attribute("fill") != before
    assert "Matched" in browser.find_element(By.ID, "matched").text
    assert_no_errors(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_keeps_to_the_scheme(browser: webdriver.Chrome, pictures: Path, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get((pictures / "index.html").as_uri())
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(overflow) <= 0, "the page is wider than 1280 pixels"
    style = "return getComputedStyle(document.documentElement).colorScheme"
    assert "dark" in browser.execute_script(style)
    frames = browser.find_elements(By.TAG_NAME, "iframe")
    assert len(frames) == 3
    place = os.environ.get("SCREENSHOTS")
    if place:
        browser.save_screenshot(str(Path(place) / f"index-{scheme}.png"))
    assert_no_errors(browser)
