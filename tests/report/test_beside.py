"""Leaks that nobody saw being made: what is told of them, and which places stand beside them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.reports.handmade import MB
from soak.report.beside import as_many
from soak.report.formats import render
from soak_storage import Store
from soak_storage.records import EventRow, HandleRow, ReadingRow, Record, SampleRow, SegmentRow, SiteRow, Stack, TypeRow

from .runs import CHURN, CWD, Plan
from .test_compute import report_of
from .test_compute_sites import growth

WATCH: Stack = ((f"{CWD}/app.py", 30, "handler"), (f"{CWD}/watch.py", 8, "watch"))
ONCE: Stack = ((f"{CWD}/app.py", 3, "start"),)


def window(*sites: SiteRow, landed: int = 250) -> list[Record]:
    """After the last of eight cycles `landed` requests under tracemalloc, and what they left."""
    reading = ReadingRow(482.0, 8, "100:main", "confirm", 1, "tracemalloc", sites=sites)
    note = EventRow("agent", 480.0, 482.0, {"note": "n", "confirmation": {"landed": landed}})
    return [SegmentRow(1, 480.0, "confirmation of suspect places", "tracemalloc"), reading, note]


def unseen(per_cycle: int, kind: str = "select.epoll", cycles: int = 8) -> list[Record]:
    """Descriptors without a place, and the objects that wrap them, in each reading."""
    rows: list[Record] = []
    for cycle in range(cycles):
        t, count = cycle * 60.0 + 58.0, per_cycle * (cycle + 1)
        handles, types = (HandleRow("fd", count, (), "{}"),), (TypeRow(kind, count),)
        rows.append(ReadingRow(t, cycle, "100:main", agent_mode="sampler", handles=handles, types=types))
        rows.append(SampleRow(t, "fds.eventpoll", "count", float(count)))
    return rows


def test_descriptors_that_nobody_saw_have_the_place_whose_objects_stay_as_often(store: Store) -> None:
    """40 of 1,000 requests lose one: ten in a window of 250. Who leaves ten blocks is named, with a caution."""
    sites = [SiteRow(WATCH, 900.0, 11.0), SiteRow(CHURN, 90_000.0, 400.0), SiteRow(ONCE, 500.0, 1.0)]
    plan = Plan(fd_growth=40, mode="off", extra=[*unseen(40), *window(*sites)])
    report = report_of(store, plan)
    finding = growth(report)
    assert (finding["series"], [site["function"] for site in finding["sites"]]) == ("fds", ["watch"])
    site = finding["sites"][0]
    assert site["beside"] and (site["share"], site["growth_per_hour"]) == (0.0, None)
    assert "as many objects stay of those that watch.py:8 watch makes" in finding["message"]
    assert any(note.startswith("What grows is fds.eventpoll +2,") for note in finding["notes"]), finding["notes"]
    assert any("select.epoll" in note for note in finding["notes"])
    assert "watch.py:8" in report["next_steps"][0]
    for name in ("text", "html", "markdown", "sarif"):
        text = render(report, name)
        assert "watch.py" in text and "0 % of it" not in text, name
    assert "a coincidence of counts, no proof" in render(report, "text")


def test_without_a_window_it_is_said_what_grows_and_why_it_has_no_place(store: Store) -> None:
    """Descriptors are not fragmentation."""
    finding = growth(report_of(store, Plan(fd_growth=40, mode="off", extra=unseen(40))))
    assert finding["sites"] == []
    assert "os.pipe" in finding["no_sites"] and "fragmentation" not in finding["no_sites"]
    assert any("fds.eventpoll" in note for note in finding["notes"])


def keeps(grown: int, *newest: dict[str, object]) -> EventRow:
    """A dict that has grown by so many items, and newest instances with their paths."""
    row = {"path": ["module app", "dict WATCHES"], "growth": grown, "filled_by": [[f"{CWD}/app.py", 40, "keep"]]}
    return EventRow("holders", 480.0, 480.0, {"process": "100:main", "holders": [row, *newest]}, key="100:main")


@pytest.mark.parametrize(("grown", "kept"), [(240, True), (120, True), (900, False), (70, False)])
def test_a_container_that_grows_as_fast_keeps_them(store: Store, grown: int, kept: bool) -> None:
    """240 items in six cycles are 40 a cycle, as descriptors are; 120 are pipes of two ends; others say nothing."""
    holders = keeps(grown)
    report = report_of(store, Plan(fd_growth=40, mode="off", extra=[*unseen(40), holders]))
    finding = growth(report)
    assert [site["function"] for site in finding["sites"]] == (["keep"] if kept else [])
    assert ("app.py:40 keep keeps objects at that rate" in finding["message"]) is kept
    assert ("app.py:40: keep fills what keeps as many" in report["next_steps"][0]) is kept


@pytest.mark.parametrize(
    ("kind", "root", "kept"),
    [("select.epoll", "dict WATCHES", True), ("select.epoll", "dict OTHERS", False), ("tuple", "dict WATCHES", False)],
)
def test_a_container_that_leads_to_what_grows_as_fast_keeps_them(
    store: Store, kind: str, root: str, kept: bool
) -> None:
    """Every item keeps four: what tells is that the newest of those objects are held by it."""
    path = ["module app", root, "app.Pool", kind]
    plan = Plan(fd_growth=40, mode="off", extra=[*unseen(40, kind), keeps(60, {"type": kind, "path": path})])
    finding = growth(report_of(store, plan))
    assert [site["function"] for site in finding["sites"]] == (["keep"] if kept else [])


@pytest.mark.parametrize(
    ("count", "expected", "same"),
    [(11, [10.0], True), (7, [10.0], True), (400, [10.0], False), (5, [4.0], False), (100, [3.0, 90.0], True)],
)
def test_as_many_is_as_exact_as_a_short_window(count: float, expected: Sequence[float], same: bool) -> None:
    """Within a third, or three; of fewer than six nothing is said."""
    assert as_many(count, expected) is same


def test_native_memory_has_the_places_of_the_objects_that_own_it(store: Store) -> None:
    """4 MB a cycle of C; objects of one type grow, and one place leaves as many blocks as there are."""
    rows: list[Record] = []
    for cycle in range(8):
        types = (TypeRow("ssl.SSLContext", 40 * (cycle + 1)),)
        rows.append(ReadingRow(cycle * 60.0 + 58.0, cycle, "100:main", agent_mode="sampler", types=types))
    plan = Plan(native_growth=4 * MB, mode="off", extra=[*rows, *window(SiteRow(WATCH, 900.0, 11.0))])
    finding = growth(report_of(store, plan))
    assert (finding["series"], finding["sites"][0]["function"]) == ("rss", "watch")
    assert any("ssl.SSLContext" in note for note in finding["notes"])
