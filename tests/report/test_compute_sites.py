"""What grows, and where: which series a finding is of, its sites, and who holds what they allocated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from soak.report.formats import render
from soak_storage import Store
from soak_storage.records import EventRow, HandleRow, ReadingRow, SampleRow

from .runs import LEAK, MB, OPENED, Plan
from .test_compute import report_of


def growth(report: dict[str, Any]) -> dict[str, Any]:
    return next(finding for finding in report["findings"] if finding["kind"] == "growth")


def test_planted_leak_is_named_first_with_growth_share_owner_and_types(store: Store) -> None:
    """3 MB a cycle kept by one line: its frame comes first, with the right growth and nearly all of the share."""
    report = report_of(store, Plan(heap_growth=3 * MB))
    assert (report["verdict"], report["exit_code"]) == ("leak", 1)
    finding = growth(report)
    site = finding["sites"][0]
    assert (site["file"], site["line"], site["function"]) == LEAK[-1]
    assert site["owner"] == "application"
    # 3 MB per cycle of a minute = 180 MB/h
    assert site["ci95"][0] < 180 * MB < site["ci95"][1]
    assert finding["ci95"][0] < 180 * MB < finding["ci95"][1]
    assert finding["growth_per_request"] == pytest.approx(3 * MB / 1000, rel=0.05)
    assert site["share"] > 0.9
    assert finding["unexplained_share"] < 0.1
    assert site["types"][0]["type"] == "bytearray"
    assert [frame["function"] for frame in site["traceback"]] == ["_run", "app", "handler"]


def test_memory_growth_is_one_finding_whatever_number_of_series_show_it(store: Store) -> None:
    """rss and python_heap grow by the same leak: one finding, which says what else grows with it."""
    findings = [one for one in report_of(store, Plan(heap_growth=3 * MB))["findings"] if one["kind"] == "growth"]
    assert len(findings) == 1
    assert (findings[0]["series"], findings[0]["also"]) == ("python_heap", ["rss"])


def test_native_growth_is_not_blamed_on_a_python_line(store: Store) -> None:
    """rss grows while the Python heap stays: the finding is of rss, has no sites and says why."""
    finding = growth(report_of(store, Plan(native_growth=4 * MB)))
    assert (finding["series"], finding["sites"]) == ("rss", [])
    assert "native" in finding["no_sites"]


def test_descriptors_and_sockets_have_birth_places(store: Store) -> None:
    """A socket is also a descriptor: one finding, whose birth place walks past the standard library."""
    descriptors = growth(report_of(store, Plan(fd_growth=4)))
    assert (descriptors["series"], descriptors["sites"][0]["function"]) == ("fds", "load_index")
    sockets = [one for one in report_of(store, Plan(socket_growth=6))["findings"] if one["kind"] == "growth"]
    assert [(one["series"], one["also"]) for one in sockets] == [("sockets", ["fds"])]
    site = sockets[0]["sites"][0]
    assert (site["function"], site["likely"]["function"], site["owner"]) == ("__init__", "load_index", "application")
    assert "CLOSE_WAIT" in " ".join(sockets[0]["notes"])


@pytest.mark.parametrize(
    ("detail", "caller", "says"),
    [
        ("{}", False, "a newer version"),
        ('{"cut": true}', False, "look for who calls it"),
        ('{"cut": true}', True, "a newer version"),
    ],
)
def test_a_dependency_is_not_at_fault_where_its_callers_are_not_known(
    store: Store, detail: str, caller: bool, says: str
) -> None:
    """The stack of its sockets was cut off in the dependency itself: who calls it is to be looked for."""
    pool = ("/srv/venv/lib/python3.11/site-packages/httpcore/pool.py", 130, "open_stream")
    stack = (*LEAK[-1:], pool, OPENED[-1]) if caller else (pool, OPENED[-1])
    handles = [HandleRow("socket", 6 * (cycle + 1), stack, detail) for cycle in range(8)]
    rows = [ReadingRow(cycle * 60.0 + 57, cycle, "9:main", handles=(one,)) for cycle, one in enumerate(handles)]
    report = report_of(store, Plan(mode="off", socket_growth=6, extra=rows))
    assert growth(report)["sites"][0]["partial"] is (detail != "{}")
    assert says in report["next_steps"][0]


def test_the_agents_own_frames_are_never_shown(store: Store) -> None:
    """The agent's memory grows by 2 MB a cycle in the readings: no site of any finding is its own."""
    report = report_of(store, Plan(heap_growth=3 * MB))
    assert "soak_agent" not in json.dumps(report)


def test_tracer_is_taken_off_rss_and_python_heap_decides(store: Store) -> None:
    """tracemalloc's tables grow by 2 MB a cycle in a clean target: clean; in a leaky one the finding says its part."""

    def tables(cycle: int) -> float:
        return (5 + 2 * cycle) * MB

    clean = report_of(store, Plan(mode="tracemalloc", agent_bytes=tables))
    assert clean["verdict"] == "clean"
    assert {row["name"]: row["gates"] for row in clean["series"]}["rss"] is False
    leaky = growth(report_of(store, Plan(heap_growth=3 * MB, mode="tracemalloc", agent_bytes=tables)))
    assert leaky["series"] == "python_heap"
    assert any("tracemalloc's own" in note for note in leaky["notes"])
    assert leaky["sites"][0]["partial"]


def test_native_leak_is_seen_beside_the_tracer(store: Store) -> None:
    """Growth far beyond what the tracer's tables can be is still a leak of rss."""
    report = report_of(
        store, Plan(native_growth=9 * MB, mode="tracemalloc", agent_bytes=lambda cycle: (5 + cycle / 10) * MB)
    )
    assert (report["verdict"], growth(report)["series"]) == ("leak", "rss")


def test_pss_decides_where_processes_share_their_pages(store: Store) -> None:
    """Two workers of one parent: rss counts the shared pages twice, so pss gates and rss explains."""
    rows = [SampleRow(t / 2, "pss", "bytes", 40.0 * MB + t % 3 * 4096) for t in range(960)]
    rows += [SampleRow(t / 2, "rss", "bytes", 30.0 * MB, f"{pid}:worker") for t in range(960) for pid in (8, 9)]
    report = report_of(store, Plan(extra=rows))
    gates = {row["name"]: row["gates"] for row in report["series"] if row["process"] == "total"}
    assert (gates["pss"], gates["rss"]) == (True, False)
    seldom = [row for row in rows if row.name == "rss" or row.t % 60 < 2 or row.t < 130]
    report = report_of(store, Plan(extra=seldom))
    gates = {row["name"]: row["gates"] for row in report["series"] if row["process"] == "total"}
    assert (gates["pss"], gates["rss"]) == (False, True)


def test_memory_that_is_mostly_native_is_not_named_after_its_python_part(store: Store) -> None:
    """2 MB a cycle in Python, 6 MB outside of it: the finding is of rss, a quarter of it has a place."""
    finding = growth(report_of(store, Plan(heap_growth=2 * MB, native_growth=6 * MB)))
    assert (finding["series"], finding["also"]) == ("rss", ["python_heap"])
    assert finding["sites"][0]["share"] == pytest.approx(0.25, abs=0.03)
    assert finding["unexplained_share"] == pytest.approx(0.75, abs=0.03)


def test_time_until_a_limit_has_an_interval(store: Store) -> None:
    """One MB and a half a cycle (90 MB/h), 100 MB below the container's limit: a good hour, soonest first."""
    plan = Plan(heap_growth=1.5 * MB)
    plan.target["ceilings"] = {"memory": 176 * MB, "machine": 9000 * MB}
    plan.limits["peak"] = {"value": 4096 * MB, "relative": False}
    finding = growth(report_of(store, plan))
    soonest, latest = finding["time_to_limit_hours"]
    # level at the end: 60 + 8 cycles of 1.5 + 2 under load = 74 MB, so 102 MB of room at 90 MB/h
    assert finding["limit_reached"] == "memory"
    assert soonest < 102 / 90 < latest < 1.3
    assert "the container's memory limit" in render(report_of(store, plan), "text")


def test_types_and_holders_stand_at_the_site_that_explains_most(store: Store) -> None:
    """Retention paths, those of the container that grew most first, each once."""
    path, other = ["module app.cache", "dict _CACHE"], ["module app.cache", "dict _CACHE", "list"]
    rows = [{"type": "list", "growth": None, "path": other}, {"type": "dict", "growth": 900, "path": path}]
    event = EventRow("holders", 478.0, 478.0, {"process": "100:main", "holders": [*rows, *rows]})
    report = report_of(store, Plan(heap_growth=3 * MB, extra=[event]))
    assert growth(report)["sites"][0]["held_by"] == [path, other]
    assert "held by: module app.cache -> dict _CACHE -> list" in render(report, "text")


def test_handles_that_each_request_leaves_are_looked_at_first(store: Store) -> None:
    """A thousand requests a cycle and as many descriptors, with memory that grows beside them."""
    report = report_of(store, Plan(heap_growth=3 * MB, fd_growth=1000.0))
    place = [finding.get("series") for finding in report["findings"]].index("fds") + 1
    assert report["next_steps"][0].startswith(f"Begin with finding {place}, fds: ")
    seldom = report_of(store, Plan(heap_growth=3 * MB, fd_growth=20.0))
    assert not seldom["next_steps"][0].startswith("Begin")


def test_the_function_that_fills_a_growing_container_is_named(store: Store) -> None:
    """What is allocated in app.py is kept in a registry of another module: that one's line is a site of its own."""
    keeper = ["/srv/venv/lib/python3.11/site-packages/fsm/core.py", 66, "Machine.register"]
    path = ["module app", "fsm.Machine machine", "dict tasks"]
    row = {"type": "dict", "growth": 600, "path": path, "filled_by": [keeper]}
    event = EventRow("holders", 478.0, 478.0, {"process": "100:main", "holders": [row]})
    report = report_of(store, Plan(heap_growth=3 * MB, extra=[event]))
    kept = next(site for site in growth(report)["sites"] if site.get("retains"))
    assert (kept["file"], kept["line"], kept["function"]) == tuple(keeper)
    assert kept["owner"].startswith("dependency fsm")
    # 600 items in the six cycles of a minute after the second trough: 6,000 an hour
    assert kept["count_per_hour"] == pytest.approx(6000.0)
    text = render(report, "text")
    assert "kept by: module app -> fsm.Machine machine -> dict tasks" in text
    assert "filled by" in text and "fsm/core.py:66" in text
