"""A cache whose bound is near is no leak yet; a bound that is far, or of something else, excuses nothing."""

from __future__ import annotations

from typing import Any

import pytest

from soak.report.formats import render
from soak_storage import Store
from soak_storage.records import EventRow

from .runs import MB, Plan
from .test_compute import report_of

PAGE = ["module app", "functools._lru_cache_wrapper page"]
# 1.5 MB a cycle, 1,037 items of 1.5 KB in each of the six cycles after the second trough: 8,300 at the end
LEAK = 1.5 * MB
GROWTH = 6 * 1037


def container(path: list[str], bound: int | None, **more: Any) -> dict[str, Any]:
    """What the agent says of a container that got 1,037 texts of 1,450 bytes in a cycle."""
    holds = [{"type": "str", "per_item": 2.0, "bytes": more.pop("size", 1450.0), "tracked": False}]
    row = {"type": path[-1].split()[0], "growth": GROWTH, "path": path, "filled_by": [], "length": 8300}
    return {**row, "bound": bound, "holds": holds, "watched": True, **more}


def report_with(store: Store, *rows: dict[str, Any], **plan: Any) -> dict[str, Any]:
    """The report of a run whose agents said that of what grew, one event a process."""
    events = [
        EventRow("holders", 478.0, 478.0, {"process": f"{n}:main", "holders": [row]}) for n, row in enumerate(rows)
    ]
    made = Plan(heap_growth=LEAK, extra=events)
    made.limits["peak"] = {"value": 4096 * MB, "relative": False}
    made.target = {**made.target, **plan}
    return report_of(store, made)


def test_a_cache_that_is_nearly_full_is_not_decided(store: Store) -> None:
    """1,700 of 10,000 entries are left: full in two cycles, 2.5 MB later."""
    report = report_with(store, container(PAGE, 10_000))
    assert (report["verdict"], report["exit_code"]) == ("inconclusive", 3)
    finding = next(one for one in report["findings"] if one["kind"] == "growth")
    assert finding["severity"] == "warn"
    said = "module app -> functools._lru_cache_wrapper page holds 8,300 of 10,000 entries: "
    assert f"{said}it is full in 2 cycles, at +2.45 MB; whether growth ends then is not decided." in finding["notes"]
    assert finding["time_to_limit_hours"] is None, "it is full long before it reaches the peak limit"
    gating = {row["name"]: row for row in report["series"] if row["gates"]}
    for name in ("python_heap", "rss"):
        assert (gating[name]["verdict"], gating[name]["cycles_needed"]) == ("inconclusive", 12)
        assert "filling" in gating[name]["warnings"]
    assert "not decided: " in report["summary"]
    assert any("--cycles 20" in step for step in report["next_steps"])
    assert "holds 8,300 of" in render(report, "text")


def test_a_cache_that_has_just_become_full_is_not_decided_either(store: Store) -> None:
    """There is nothing left to come, and no cycle yet in which nothing came."""
    report = report_with(store, container(PAGE, 8300))
    assert report["verdict"] == "inconclusive"
    assert "it is full now" in render(report, "text")


def test_workers_fill_a_cache_each(store: Store) -> None:
    """Two processes, half of the growth in each: they are one, with the sum of both."""
    half = {"growth": GROWTH // 2, "length": 4150}
    report = report_with(store, container(PAGE, 5000, **half), container(PAGE, 5000, **half))
    assert report["verdict"] == "inconclusive"
    assert "8,300 of 10,000 entries" in " ".join(report["findings"][0]["notes"])


def test_latencies_beside_it_change_nothing(store: Store) -> None:
    """A deque of figures far from its bound: it is not what memory grows by."""
    few = [{"type": "float", "per_item": 1.0, "bytes": 24.0, "tracked": False}]
    latencies = container(["module app", "collections.deque LATENCIES"], 100_000, growth=2 * GROWTH, holds=few)
    report = report_with(store, latencies, container(PAGE, 10_000))
    assert report["verdict"] == "inconclusive"
    assert "8,300 of 10,000 entries: it is full in 2 cycles" in " ".join(report["findings"][0]["notes"])


OTHER = ["module app", "list KEPT"]


@pytest.mark.parametrize(
    "rows",
    [
        [container(PAGE, None)],
        [container(PAGE, 10_000, size=500.0)],  # a third of the growth: something else leaks
        [container(PAGE, 10_000), container(OTHER, None)],  # holds as much: whatever falls out of the cache stays there
        [container(PAGE, 10_000, watched=False)],  # a deque per user: another user, another deque
        [container(PAGE, 10_000), container(PAGE, None)],  # of one worker it is bounded, of the other not
        [container(PAGE, 10_000, holds=[])],
        [],
    ],
    ids=["unbounded", "a third", "a registry beside", "new", "one of two", "not seen", "nothing"],
)
def test_a_leak_stays_a_leak(store: Store, rows: list[dict[str, Any]]) -> None:
    """Where the containers with a near bound do not account for the growth, or others hold as much."""
    report = report_with(store, *rows)
    assert report["verdict"] == "leak"
    assert "entries" not in " ".join(report["findings"][0]["notes"])


def test_a_bound_far_away_is_told_and_excuses_nothing(store: Store) -> None:
    """More is to come than has come, or more than there is memory for."""
    report = report_with(store, container(PAGE, 100_000))
    assert report["verdict"] == "leak"
    said = "holds 8,300 of 100,000 entries: it is full in 89 cycles, at +132 MB, at this rate."
    assert said in " ".join(report["findings"][0]["notes"])
    both = report_with(store, container(PAGE, 10_000, size=750.0), container(OTHER, 100_000, size=750.0))
    assert both["verdict"] == "leak"
    assert "list KEPT holds 8,300 of 100,000" in " ".join(both["findings"][0]["notes"])
    short = report_with(store, container(PAGE, 10_000), ceilings={"memory": 76 * MB})
    assert short["verdict"] == "leak"


def test_native_memory_beside_a_filling_cache_stays_a_leak(store: Store) -> None:
    """rss grows by twice of what the cache takes."""
    plan = Plan(heap_growth=LEAK, native_growth=LEAK)
    plan.extra = [EventRow("holders", 478.0, 478.0, {"process": "1:main", "holders": [container(PAGE, 10_000)]})]
    assert report_of(store, plan)["verdict"] == "leak"
