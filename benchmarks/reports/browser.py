"""How soon the dashboard is there: a real browser that knows nothing yet, over 200 runs and the night of 12 hours."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.ports import free_port, wait_for
from benchmarks.quick import LeftOut

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
PAGES = {"/": "table.runs", "/runs/1": ".chart-card path.band", "/findings": "main table"}
SERVE = """
import sys, time
from soak.config import Web
from soak.standing import Standing
from soak.web.server import WebPart
from soak_storage import open_store
with open_store(sys.argv[1]) as store:
    part = WebPart(Standing("orders-api"), Web(listen="127.0.0.1:" + sys.argv[2]), store, sys.argv[1])
    part.initialize()
    sys.stdin.read()
    part.shutdown()
"""


def chromium() -> str:
    """The browser. LeftOut where there is none, or nothing to drive it with."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None or importlib.util.find_spec("playwright") is None:
        raise LeftOut("the dashboard needs a chromium, and playwright to drive it")
    return found


def first_loads(url: str, times: int = 3) -> dict[str, float]:
    """Seconds until each page shows what it is for, the best of `times` new browsers. LeftOut without a chromium."""
    browser = chromium()
    with serving(url) as site:
        return {path: min(_load(browser, site + path, sign) for _ in range(times)) for path, sign in PAGES.items()}


@contextmanager
def serving(url: str) -> Iterator[str]:
    """The address of the web part over the store at `url`, in a process of its own."""
    port = free_port()
    served = subprocess.Popen([sys.executable, "-c", SERVE, url, str(port)], stdin=subprocess.PIPE)
    try:
        wait_for(port, served)
        yield f"http://127.0.0.1:{port}"
    finally:
        served.communicate()


def _load(browser: str, address: str, sign: str) -> float:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=list(ARGUMENTS))
        page = chromium.new_page()
        page.goto("about:blank")
        begun = time.perf_counter()
        page.goto(address)
        page.wait_for_selector(sign)
        seconds = time.perf_counter() - begun
        chromium.close()
    return seconds
