"""Starts a browser without a window, which the tests of what people open in one share."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator

import pytest
from selenium import webdriver


@contextlib.contextmanager
def started() -> Iterator[webdriver.Chrome]:
    """Chromium without a window, 1280 pixels wide; where there is none, skip the test, in CI fail it."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        reason = "chromium or chromedriver is missing: apt install chromium chromium-driver"
        if os.environ.get("CI") and sys.platform == "linux" and os.geteuid() == 0:
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    # As root there is no sandbox; the pages are our own, or of a package that is pinned.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()
