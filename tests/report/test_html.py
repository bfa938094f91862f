"""The HTML report: one file, no script, no request, nothing from the target becomes markup."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from soak.report.charts import thinned
from soak.report.compute import compute
from soak.report.formats import render
from soak.report.svg import path, stretches, tag, ticks
from soak_storage import Store
from soak_storage.records import EventRow, SegmentRow

from .runs import CWD, MB, Plan, make_run

EVIL = "x</title></script><script>alert(1)</script><img src=http://evil.example/ onerror=alert(2)>\"'&"
ADDRESSES = {"href", "src", "action", "data", "xlink:href", "poster", "srcset"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Page(HTMLParser):
    """What a browser would make of the page: its tags and its addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, its event handlers and where it points to."""
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ADDRESSES]


@pytest.fixture(scope="module")
def evil(store: Store) -> dict[str, Any]:
    """A leak in a function, a file, a type and a target that are all named like an attack."""
    plan = Plan(
        heap_growth=3 * MB,
        leak_stack=((f"{CWD}/{EVIL}.py", 1, EVIL), (f"{CWD}/{EVIL}.py", 2, EVIL)),
        function_types=EVIL,
        version=EVIL,
        extra=[EventRow("gap", 100.0, 110.0, {"why": EVIL}), SegmentRow(1, 240.0, f"restart {EVIL}")],
    )
    return compute(store, make_run(store, plan, EVIL))


def test_names_from_the_target_stay_text(evil: dict[str, Any]) -> None:
    """No script, no image, no handler, no address out of the page: whatever the target calls its functions."""
    text = render(evil, "html")
    page = Page(text)
    assert not {"script", "img", "iframe", "object", "embed", "form"} & set(page.tags)
    assert page.handlers == []
    assert all(address.startswith(("#", "data:,")) for address in page.addresses)
    assert "alert(1)" in text  # it is shown, as text


def test_page_allows_itself_nothing(store: Store) -> None:
    """The policy of the page forbids scripts, requests and styles other than its own."""
    text = render(compute(store, make_run(store, Plan(heap_growth=3 * MB))), "html")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy and policy[1].startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert " style=" not in text  # such attributes would be refused
    assert "url(" not in text and "@import" not in text


def test_charts_show_floors_slope_gaps_and_segments(store: Store) -> None:
    """Every part that the verdict rests on is drawn, and the curve stops at the gap."""
    extra = [EventRow("gap", 130.0, 160.0, {"why": "samples_late"}), SegmentRow(1, 300.0, "restart")]
    plan = Plan(heap_growth=3 * MB, cycles=10, extra=extra, restart_at=300.0, missing=lambda t: 130 <= t < 160)
    text = render(compute(store, make_run(store, plan)), "html")
    for klass in ("band", "floor", "slope", "wedge", "limit", "quiet", "gap", "segment", "frame application"):
        assert f'class="{klass}"' in text, klass
    assert "gap of 30s" in text and "new segment: restart" in text


def test_flame_graph_can_be_reached_with_the_keyboard(store: Store) -> None:
    """Every frame takes the focus and says its name, share and growth."""
    text = render(compute(store, make_run(store, Plan(heap_growth=3 * MB))), "html")
    frames = re.findall(r'<g tabindex="0" role="img" aria-label="([^"]+)">', text)
    assert any(label.startswith("app.py:57 handler: 100 %, +1") for label in frames)


def test_twelve_hours_of_seconds_stay_below_a_megabyte(store: Store) -> None:
    """Twelve cycles of an hour: curves are thinned, so that ten times the samples make the page no larger."""

    def size(interval: float) -> int:
        plan = Plan(heap_growth=3 * MB, cycles=12, cycle_seconds=3600.0, quiet_seconds=540.0, interval=interval)
        return len(render(compute(store, make_run(store, plan)), "html").encode())

    assert size(1.0) < min(1.1 * size(10.0), 1_000_000)


def test_thinning_keeps_peaks_and_gaps() -> None:
    """The one high sample of thousands survives; a stretch without samples stays empty."""
    import numpy as np

    times = np.arange(10_000, dtype=np.float64)
    values = np.ones_like(times)
    values[4321] = 9.0
    values[6000:7000] = np.nan
    t, low, high = thinned(times, values, 100)
    assert (t.size, np.nanmax(high), np.nanmin(low)) == (100, 9.0, 1.0)
    assert np.isnan(low[(t > 6000) & (t < 7000)]).all()


def test_ticks_are_round() -> None:
    """Steps of 1, 2 or 5 times a power of ten."""
    assert ticks(0.0, 100.0) == [0.0, 50.0, 100.0]
    assert ticks(59.3, 86.1) == [60.0, 70.0, 80.0]
    assert ticks(0.0, 0.7) == [0.0, 0.2, 0.4, pytest.approx(0.6)]
    assert ticks(5.0, 5.0) == [5.0]


def test_svg_helpers_escape_and_break_at_gaps() -> None:
    """Attributes and children are escaped; a run of None splits a band in two."""
    assert tag("text", "<b>", klass='"x') == '<text class="&#34;x">&lt;b&gt;</text>'
    assert path([(0, 1), (2.25, 3)]) == "M0,1L2.2,3"
    assert stretches([(0, 1.0, 2.0), (1, None, None), (2, 3.0, 3.0)]) == [[(0, 1.0, 2.0)], [(2, 3.0, 3.0)]]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_browser_shows_it_without_a_complaint(evil: dict[str, Any], tmp_path: Path) -> None:
    """A real browser: styles applied, no violation of the policy, no error on the console, no script run."""
    file = tmp_path / "report.html"
    file.write_text(render(evil, "html"), encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    done = subprocess.run(
        [str(CHROMIUM), *options, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=100
    )
    assert "<script" not in done.stdout and 'class="flame"' in done.stdout
    assert "CONSOLE" not in done.stderr and "Content Security Policy" not in done.stderr
