"""Which container that grew is told as the holder: the one that can be what grows, not the one with most items."""

from __future__ import annotations

from typing import Any

from soak.report.formats import render
from soak_storage import Store
from soak_storage.records import EventRow

from .runs import CWD, LEAK, MB, Plan
from .test_compute import report_of

KEEPER = [f"{CWD}/registry.py", 66, "register"]
LATENCIES = ["module app", "collections.deque LATENCIES"]
REGISTRY = ["module registry", "dict KNOWN"]


def held(kind: str, size: float, tracked: bool = False) -> dict[str, Any]:
    return {"type": kind, "per_item": 1.0, "bytes": size, "tracked": tracked}


def grown(path: list[str], growth: int, holds: list[dict[str, Any]], filled_by: list[list[Any]]) -> dict[str, Any]:
    """What the agent says of a container."""
    row = {"type": path[-1].split()[0], "growth": growth, "path": path, "filled_by": filled_by}
    return {**row, "length": growth, "bound": None, "holds": holds}


def report_with(store: Store, *rows: dict[str, Any]) -> dict[str, Any]:
    """The report of a leak of 3 MB a cycle, bytearrays of 1,000 bytes made in `handler`, with these holders."""
    event = EventRow("holders", 478.0, 478.0, {"process": "100:main", "holders": list(rows)})
    return report_of(store, Plan(heap_growth=3 * MB, extra=[event]))


def sites_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    sites: list[dict[str, Any]] = report["findings"][0]["sites"]
    return sites


def test_twice_as_many_latencies_are_not_what_holds_the_leak(store: Store) -> None:
    """The deque's filler is in every traceback: the registry is told all the same, first and with its own filler."""
    handler = [list(LEAK[-1])]
    latencies = grown(LATENCIES, 36000, [held("float", 24.0)], handler)
    registry = grown(REGISTRY, 18000, [held("int", 28.0), held("bytearray", 1056.0, True)], [KEEPER])
    report = report_with(store, latencies, registry)
    assert sites_of(report)[0]["held_by"] == [REGISTRY, LATENCIES]
    kept = [site for site in sites_of(report) if site.get("retains")]
    assert [(site["file"], site["held_by"]) for site in kept] == [(KEEPER[0], [REGISTRY])]
    assert "held by: module registry -> dict KNOWN" in render(report, "text")


def test_a_container_whose_filler_is_shown_does_not_hide_the_next_one(store: Store) -> None:
    """Two of equal weight: the first is filled by a line of the traceback, so the second is what there is to tell."""
    first = grown(["module app", "list SEEN"], 18000, [held("bytearray", 1056.0, True)], [list(LEAK[-1])])
    second = grown(REGISTRY, 18000, [held("bytearray", 1000.0, True)], [KEEPER])
    small = grown(["module x", "list FEW"], 18000, [held("bytearray", 100.0, True)], [["/srv/orders/x.py", 1, "few"]])
    kept = [site["file"] for site in sites_of(report_with(store, first, second, small)) if site.get("retains")]
    assert kept == [KEEPER[0]]
    assert not any(site.get("retains") for site in sites_of(report_with(store, first, small))), "it keeps a tenth"


def test_what_hangs_on_an_item_counts_and_not_the_number_of_items(store: Store) -> None:
    """By bytes; a type that gc knows and that does not grow says little, a text is unknown to it and says all."""
    many = grown(["module a", "list MANY"], 20000, [held("str", 60.0)], [])
    few = grown(["module b", "list FEW"], 4000, [held("bytes", 4000.0)], [])
    other = grown(["module c", "list OTHER"], 20000, [held("app.Config", 1000.0, True)], [])
    newest = {"type": "bytearray", "growth": None, "path": ["module d", "dict D", "bytearray"]}
    report = report_with(store, many, newest, few, other)
    paths = [path[-1] for path in sites_of(report)[0]["held_by"]]
    assert paths == ["list FEW", "list OTHER", "bytearray", "list MANY"]


def test_figures_alone_come_after_the_newest_instances(store: Store) -> None:
    """Nothing but a deque of latencies has grown by items, yet objects do grow: what holds those is told first."""
    newest = {"type": "bytearray", "growth": None, "path": ["module app", "app.Node HEAD", "bytearray"]}
    report = report_with(store, grown(LATENCIES, 36000, [held("float", 24.0)], [KEEPER]), newest)
    assert [path[-1] for path in sites_of(report)[0]["held_by"]] == ["bytearray", LATENCIES[-1]]
    assert not any(site.get("retains") for site in sites_of(report))
