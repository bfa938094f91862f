"""How soon the dashboard is there: a real browser that knows nothing yet, over 200 runs and the night of 12 hours."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
PAGES = {"/": "table.runs", "/runs/1": ".chart-card path.band", "/findings": "main table"}
PORT = 18765
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


def first_loads(url: str, times: int = 3) -> dict[str, float]:
    """Seconds until each page shows what it is for, the best of `times` new browsers; empty without a chromium."""
    if CHROMIUM is None:
        return {}
    with serving(url):
        return {path: min(_load(path, sign) for _ in range(times)) for path, sign in PAGES.items()}


@contextmanager
def serving(url: str) -> Iterator[None]:
    """The web part over the store at `url`, in a process of its own."""
    served = subprocess.Popen([sys.executable, "-c", SERVE, url, str(PORT)], stdin=subprocess.PIPE)
    try:
        _wait()
        yield
    finally:
        served.communicate()


def _wait() -> None:
    """Until it answers."""
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health").close()
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the web part did not start")


def _load(path: str, sign: str) -> float:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = chromium.new_page()
        page.goto("about:blank")
        begun = time.perf_counter()
        page.goto(f"http://127.0.0.1:{PORT}{path}")
        page.wait_for_selector(sign)
        seconds = time.perf_counter() - begun
        chromium.close()
    return seconds
