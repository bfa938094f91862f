"""The dashboard in a real browser: a live run, injected markup, alerts, sign-in, phones, and how soon it is there."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from soak.alerts import findings_of
from soak_storage import Store, open_store
from soak_storage.alerts import Alerts
from soak_storage.records import EventRow, RunStart, SegmentRow
from tests.browser import PATIENCE_MS, browser, needs_chromium, too_wide
from tests.common import wait_until
from tests.e2e.soaking import GUEST
from tests.report.runs import CWD, MB, STARTED, Plan
from tests.service.daemons import service
from tests.web.conftest import Serve, Served, judged

pytestmark = [pytest.mark.slow, needs_chromium]

EVIL = "x</title></script><script>alert(1)</script><img src=http://evil.example/ onerror=alert(2)>\"'&"
PAGES = ("/", "/findings", "/alerts")
SOON = 10.0  # seconds; `python -m benchmarks reports` holds it to the two that the issue asks for, on a quiet machine


def evil_run(store: Store) -> int:
    """A leak in a function, a file, a type and a target that are all named like an attack, and an alert about it."""
    plan = Plan(
        heap_growth=3 * MB,
        leak_stack=((f"{CWD}/{EVIL}.py", 1, EVIL), (f"{CWD}/{EVIL}.py", 2, EVIL)),
        function_types=EVIL,
        version=EVIL,
        started=STARTED + 1e6,
        extra=[EventRow("gap", 100.0, 110.0, {"why": EVIL}), SegmentRow(1, 240.0, f"restart {EVIL}")],
    )
    run = judged(store, plan, EVIL)
    report = store.latest_analysis(run)
    assert report is not None
    Alerts(store, (), repeat=1e9).update(EVIL, run, findings_of(report), STARTED)
    return run


@pytest.fixture
def evil(tmp_path: Path, serve: Serve) -> tuple[Served, int]:
    """A web part over nothing but that."""
    store = open_store(f"sqlite:///{tmp_path}/evil.db")
    return serve(behind=store), evil_run(store)


def test_names_from_the_target_stay_text(evil: tuple[Served, int]) -> None:
    """On every page: no dialog, no image, no script of theirs, no request to another host, no error."""
    served, run = evil
    with browser() as watched:
        for path in (*PAGES, f"/runs/{run}", f"/runs/{run}/report.html"):
            page = watched.open(served.origin + path)
            page.wait_for_selector("main h1")
            wait_until(partial(shown, page, "<script>alert(1)</script>"))
            assert page.query_selector_all("main img, main script") == []
        page = watched.open(f"{served.origin}/?q={EVIL.replace('&', '%26').replace('#', '%23')}nothing")
        page.wait_for_selector(".empty")
        assert watched.errors == [] and watched.hosts == {served.origin.removeprefix("http://")}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_no_page_is_wider_than_its_window(evil: tuple[Served, int], leaky: int, width: int, scheme: str) -> None:
    """On a phone too, with names that have no place to break."""
    served, run = evil
    with browser(width=width, scheme=scheme) as watched:
        for path in (*PAGES, f"/runs/{run}", f"/runs/{run}/report.html"):
            page = watched.open(served.origin + path)
            page.wait_for_selector("main h1")
            if path == f"/runs/{run}":
                page.wait_for_selector(".chart-card svg")
            assert too_wide(page) == 0, path
        assert watched.errors == []


def test_an_alert_is_acknowledged(evil: tuple[Served, int]) -> None:
    """Name, note, a click: it moves to the acknowledged ones, here and in a second window, and stays text."""
    served, _ = evil
    with browser() as watched:
        page, other = watched.open(f"{served.origin}/alerts"), watched.open(f"{served.origin}/")
        other.wait_for_selector("#waiting:not([hidden])")
        page.fill(".alert.open input[name=by] >> nth=0", "Ada")
        page.fill(".alert.open input[name=note] >> nth=0", EVIL)
        before = page.locator(".alert.open").count()
        page.click(".alert.open button >> nth=0")
        page.wait_for_selector(".alert.acknowledged")
        assert page.locator(".alert.open").count() == before - 1
        assert EVIL in page.inner_text(".alert.acknowledged")
        left = str(before - 1)
        wait_until(lambda: (other.text_content("#waiting") or "0") == left)
        assert watched.errors == []


def test_signing_in_and_out(tmp_path: Path, serve: Serve) -> None:
    """With a token: the form, a wrong one, the right one, the page that was wanted, and out again."""
    served = serve("0.0.0.0:0", token="open sesame", behind=open_store(f"sqlite:///{tmp_path}/soak.db"))
    with browser() as watched:
        page = watched.open(f"{served.origin}/findings")
        page.fill("#token", "wrong")
        page.press("#token", "Enter")
        page.wait_for_selector("[role=alert]")
        assert len(watched.errors) == 1 and "401" in watched.errors.pop(), "the browser's own word for a wrong token"
        page.fill("#token", "open sesame")
        page.press("#token", "Enter")
        page.wait_for_selector(".empty")
        assert page.url == f"{served.origin}/findings"
        wait_until(lambda: page.get_attribute("#standing", "data-health") == "healthy")
        page.click("text=Sign out")
        page.wait_for_selector("#token")
        assert watched.errors == []


def test_a_curve_is_read_with_the_keyboard(serve: Serve, leaky: int) -> None:
    """Arrow keys move along it and say time, cycle and value."""
    served = serve()
    with browser() as watched:
        page = watched.open(f"{served.origin}/runs/{leaky}")
        page.wait_for_selector(".chart-card path.band")
        page.focus(".chart-card .plot >> nth=0")
        page.keyboard.press("Home")
        wait_until(lambda: "cycle 1" in page.text_content(".readout >> nth=0"))
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".cursor", state="attached")
        page.keyboard.press("Tab")
        page.click("summary >> text=More series")
        assert watched.errors == []


def night(store: Store) -> int:
    """200 runs, the last of them 12 hours at a sample a second."""
    for number in range(199):
        start = RunStart(
            "orders-api", "box", STARTED + number * 86400.0, "0", 3600.0, 540.0, 8, {}, version=f"{number:x}"
        )
        store.end_run(store.begin_run(start), "completed", start.started + 28800, duration_s=28800.0)
    hours = {"cycles": 12, "cycle_seconds": 3600.0, "quiet_seconds": 540.0, "interval": 1.0}
    return judged(store, Plan(heap_growth=3 * MB, started=STARTED + 200 * 86400.0, **hours))  # type: ignore[arg-type]


def test_it_is_there_soon(tmp_path: Path, serve: Serve) -> None:
    """With 200 runs and a night of 12 hours: list, curves and findings, each in a browser that knows nothing yet."""
    with open_store(f"sqlite:///{tmp_path}/soak.db") as store:
        run = night(store)
        served = serve(behind=store)
        ready = {"/": "table.runs", f"/runs/{run}": ".chart-card svg path", "/findings": "table"}
        took = {}
        for path, sign in ready.items():
            with browser() as watched:
                watched.open("about:blank")
                begun = time.monotonic()
                watched.open(served.origin + path).wait_for_selector(sign)
                took[path] = time.monotonic() - begun
        assert all(seconds < SOON for seconds in took.values()), took


def test_a_live_run_appears_moves_and_ends(tmp_path: Path) -> None:
    """A real daemon: the list shows the run that begins, its page fills by itself, and says when it is over."""
    short = {"load": {"cycle": "5s", "cycles": 5, "quiet": "1500ms"}, "target": {"env": {"LEAK": "60000"}}}
    with service(tmp_path, **short) as daemon, browser() as watched:
        daemon.wait_for_phase("soaking")
        page = watched.open(f"http://127.0.0.1:{daemon.port}/")
        page.click(".now a")
        page.wait_for_selector(".chart-card svg path")
        first = points(page)
        wait_until(lambda: points(page) > first)
        page.wait_for_selector(".strip-line")
        page.wait_for_selector("h1 .so-far")
        page.wait_for_selector("section.now[hidden]", state="attached", timeout=2 * PATIENCE_MS)
        page.wait_for_selector("h1 .so-far", state="detached")
        verdict = page.inner_text("h1 .verdict")
        assert verdict in ("LEAK", "INCONCLUSIVE"), "a machine that is too busy may not let five short cycles decide"
        kept = GUEST.read_text().splitlines().index("    KEPT.append(bytearray(size))") + 1
        wait_until(lambda: verdict != "LEAK" or f"guest.py:{kept}" in page.inner_text("#findings"))
        assert watched.errors == [] and watched.hosts == {f"127.0.0.1:{daemon.port}"}


def shown(page: Any, text: str) -> bool:
    """Does a person see it?"""
    return text in page.inner_text("body")


def points(page: Any) -> int:
    """How long the drawn curve is, in letters of its path."""
    found: int = page.evaluate("document.querySelector('.chart-card path.band')?.getAttribute('d').length ?? 0")
    return found
